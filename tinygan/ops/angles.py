"""Angles: the inverses of sine, cosine and tangent."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive
from tinygan.ops.unary import rsqrt, square

__all__ = ["acos", "arccos", "arcsin", "arctan", "arctan2", "asin", "atan", "atan2"]


@primitive(elementwise=True, real=True)
def asin(xp: Any, x: Any) -> Any:
    """The angle from -pi/2 to pi/2 whose sine is x, NaN outside of [-1, 1]."""
    return xp.arcsin(x)


asin.vjp(x=lambda g, x: g * rsqrt(1 - square(x)))


@primitive(elementwise=True, real=True)
def acos(xp: Any, x: Any) -> Any:
    """The angle from 0 to pi whose cosine is x, NaN outside of [-1, 1]."""
    return xp.arccos(x)


acos.vjp(x=lambda g, x: -g * rsqrt(1 - square(x)))


@primitive(elementwise=True, real=True)
def atan(xp: Any, x: Any) -> Any:
    """The angle from -pi/2 to pi/2 whose tangent is x."""
    return xp.arctan(x)


atan.vjp(x=lambda g, x: g / (1 + square(x)))


@primitive(elementwise=True, real=True)
def atan2(xp: Any, x: Any, other: Any) -> Any:
    """The angle from -pi to pi of the point with height x and width `other`."""
    return xp.arctan2(x, other)


atan2.vjp(
    x=lambda g, x, other: g * other / (square(x) + square(other)),
    other=lambda g, x, other: -g * x / (square(x) + square(other)),
)

for _op in (asin, acos, atan, atan2):
    _op.kernel("cuda", f"tinygan.backend.cuda.elementwise:{_op.name}")

arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
