"""Comparisons, logic and selection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import promote, result_dtype

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "masked_fill",
    "nan_to_num",
    "ne",
    "where",
]


@primitive(elementwise=True)
def eq(xp: Any, x: Any, other: Any) -> Any:
    """x == other."""
    return x == other


@primitive(elementwise=True)
def ne(xp: Any, x: Any, other: Any) -> Any:
    """x != other."""
    return x != other


@primitive(elementwise=True)
def lt(xp: Any, x: Any, other: Any) -> Any:
    """x < other."""
    return x < other


@primitive(elementwise=True)
def le(xp: Any, x: Any, other: Any) -> Any:
    """x <= other."""
    return x <= other


@primitive(elementwise=True)
def gt(xp: Any, x: Any, other: Any) -> Any:
    """x > other."""
    return x > other


@primitive(elementwise=True)
def ge(xp: Any, x: Any, other: Any) -> Any:
    """x >= other."""
    return x >= other


@primitive
def isnan(xp: Any, x: Any) -> Any:
    """Whether each element is not a number."""
    return xp.isnan(x)


@primitive
def isinf(xp: Any, x: Any) -> Any:
    """Whether each element is infinite."""
    return xp.isinf(x)


@primitive
def isfinite(xp: Any, x: Any) -> Any:
    """Whether each element is neither infinite nor NaN."""
    return xp.isfinite(x)


@primitive(elementwise=True, real=True)
def isclose(
    xp: Any, x: Any, other: Any, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """|x - other| <= atol + rtol |other|, elementwise."""
    close = (x == other) | (xp.isfinite(other) & (xp.abs(x - other) <= atol + rtol * xp.abs(other)))
    return close | (xp.isnan(x) & xp.isnan(other)) if equal_nan else close


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |x - other| <= atol + rtol |other| everywhere."""
    return bool(isclose(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    return input.shape == other.shape and bool(eq(input, other).all())


@primitive
def logical_and(xp: Any, x: Any, other: Any) -> Any:
    """Whether both are nonzero."""
    return xp.logical_and(x, other)


@primitive
def logical_or(xp: Any, x: Any, other: Any) -> Any:
    """Whether one is nonzero."""
    return xp.logical_or(x, other)


@primitive
def logical_xor(xp: Any, x: Any, other: Any) -> Any:
    """Whether exactly one is nonzero."""
    return xp.logical_xor(x, other)


@primitive
def logical_not(xp: Any, x: Any) -> Any:
    """Whether each element is zero."""
    return xp.logical_not(x)


@primitive(elementwise=True)
def bitwise_and(xp: Any, x: Any, other: Any) -> Any:
    """x & other, for booleans and integers."""
    return x & other


@primitive(elementwise=True)
def bitwise_or(xp: Any, x: Any, other: Any) -> Any:
    """x | other, for booleans and integers."""
    return x | other


@primitive(elementwise=True)
def bitwise_xor(xp: Any, x: Any, other: Any) -> Any:
    """x ^ other, for booleans and integers."""
    return x ^ other


@primitive
def bitwise_not(xp: Any, x: Any) -> Any:
    """~x: not, for booleans; the complement, for integers."""
    return ~x


@primitive
def where(xp: Any, condition: Any, x: Any, other: Any) -> Any:
    """x where `condition`, else other."""
    if condition.dtype.kind != "b":
        raise TypeError(f"expected a boolean condition, got {condition.dtype}; use x != 0")
    x, other = promote([x, other], False)
    chosen = xp.where(condition, x, other)
    if isinstance(x, (int, float)) and isinstance(other, (int, float)):
        return chosen.astype(result_dtype([x, other]))
    return chosen


where.vjp(
    x=lambda g, condition: where(condition, g, 0),
    other=lambda g, condition: where(condition, 0, g),
)


@primitive
def masked_fill(xp: Any, x: Any, mask: Any, value: Any) -> Any:
    """`value` where `mask`, else x; of x's type."""
    if mask.dtype.kind != "b":
        raise TypeError(f"expected a boolean mask, got {mask.dtype}; use x != 0")
    if isinstance(value, float) and x.dtype.kind != "f":
        raise TypeError(f"the value {value} cannot be stored in a tensor of {x.dtype}")
    if not isinstance(value, (int, float)):
        value = value.astype(x.dtype)
    return xp.where(mask, value, x).astype(x.dtype, copy=False)


masked_fill.vjp(
    x=lambda g, mask: where(mask, 0, g),
    value=lambda g, mask: where(mask, g, 0),
)

for _op in (eq, ne, lt, le, gt, ge, where, masked_fill, isnan, isinf, isfinite):
    _op.kernel("cpu", f"tinygan.backend.cpu.comparison:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.elementwise:{_op.name}")
for _op in (
    *(logical_and, logical_or, logical_xor, logical_not),
    *(bitwise_and, bitwise_or, bitwise_xor, bitwise_not),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.comparison:{_op.name}")


def nan_to_num(
    input: Tensor,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """x with numbers for NaN, infinity and -infinity; by default 0 and the largest that it holds.

    The gradient passes only where x is finite. `out` is the tensor to write into, often x itself.
    """
    y = input
    if input.is_floating_point():
        most = float(np.finfo(input.dtype).max)
        y = masked_fill(y, isnan(input), nan)
        y = masked_fill(y, eq(input, math.inf), most if posinf is None else posinf)
        y = masked_fill(y, eq(input, -math.inf), -most if neginf is None else neginf)
    if out is None:
        return input.clone() if y is input else y
    copied: Tensor = out.copy_(y)
    return copied
