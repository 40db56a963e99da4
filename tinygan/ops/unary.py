"""Functions of one number."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import int64

__all__ = [
    "abs",
    "absolute",
    "ceil",
    "cos",
    "exp",
    "expm1",
    "floor",
    "frac",
    "log",
    "log1p",
    "log2",
    "log10",
    "neg",
    "negative",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sqrt",
    "square",
    "tanh",
    "trunc",
]


@primitive(elementwise=True)
def neg(xp: Any, x: Any) -> Any:
    """-x."""
    return -x


neg.vjp(x=lambda g: -g)


@primitive(elementwise=True)
def abs(xp: Any, x: Any) -> Any:
    """|x|, whose derivative at 0 is 0."""
    return xp.abs(x)


@primitive(elementwise=True)
def _abs_grad(xp: Any, g: Any, x: Any) -> Any:
    """g sign(x); a constant between the steps of the sign."""
    return g * xp.sign(x)


_abs_grad.vjp(g=lambda v, x: _abs_grad(v, x), x=lambda v: None)
abs.vjp(x=lambda g, x: _abs_grad(g, x))


@primitive(elementwise=True)
def sign(xp: Any, x: Any) -> Any:
    """-1, 0 or 1."""
    return x.copy() if x.dtype.kind == "b" else xp.sign(x)


sign.vjp(x=lambda g: None)


@primitive(elementwise=True, real=True)
def exp(xp: Any, x: Any) -> Any:
    """e ** x."""
    return xp.exp(x)


exp.vjp(x=lambda g, y: g * y)


@primitive(elementwise=True, real=True)
def expm1(xp: Any, x: Any) -> Any:
    """e ** x - 1, accurate near 0."""
    return xp.expm1(x)


expm1.vjp(x=lambda g, y: g * (y + 1))


@primitive(elementwise=True, real=True)
def log(xp: Any, x: Any) -> Any:
    """The natural logarithm of x."""
    return xp.log(x)


log.vjp(x=lambda g, x: g / x)


@primitive(elementwise=True, real=True)
def log1p(xp: Any, x: Any) -> Any:
    """log(1 + x), accurate near 0."""
    return xp.log1p(x)


log1p.vjp(x=lambda g, x: g / (x + 1))


@primitive(elementwise=True, real=True)
def log2(xp: Any, x: Any) -> Any:
    """The logarithm of x to the base 2."""
    return xp.log2(x)


log2.vjp(x=lambda g, x: g / (x * math.log(2)))


@primitive(elementwise=True, real=True)
def log10(xp: Any, x: Any) -> Any:
    """The logarithm of x to the base 10."""
    return xp.log10(x)


log10.vjp(x=lambda g, x: g / (x * math.log(10)))


@primitive(elementwise=True, real=True)
def sqrt(xp: Any, x: Any) -> Any:
    """x ** (1/2)."""
    return xp.sqrt(x)


sqrt.vjp(x=lambda g, y: g / (y * 2))


@primitive(elementwise=True, real=True)
def rsqrt(xp: Any, x: Any) -> Any:
    """x ** (-1/2)."""
    return 1 / xp.sqrt(x)


rsqrt.vjp(x=lambda g, y: g * (y * y * y * -0.5))


@primitive(elementwise=True)
def square(xp: Any, x: Any) -> Any:
    """x * x; booleans give int64."""
    return xp.square(x.astype(int64) if x.dtype.kind == "b" else x)


@primitive(elementwise=True)
def _square_grad(xp: Any, g: Any, x: Any) -> Any:
    """2 g x."""
    return g * x * 2


_square_grad.vjp(g=lambda v, x: _square_grad(v, x), x=lambda v, g: _square_grad(v, g))
square.vjp(x=lambda g, x: _square_grad(g, x))


@primitive(elementwise=True, real=True)
def reciprocal(xp: Any, x: Any) -> Any:
    """1 / x."""
    return 1 / x


reciprocal.vjp(x=lambda g, y: -g * (y * y))


@primitive(elementwise=True, real=True)
def sin(xp: Any, x: Any) -> Any:
    """The sine of x."""
    return xp.sin(x)


def _sin_by_x(g: Tensor, x: Tensor) -> Tensor:
    return g * cos(x)


sin.vjp(x=_sin_by_x)


@primitive(elementwise=True, real=True)
def cos(xp: Any, x: Any) -> Any:
    """The cosine of x."""
    return xp.cos(x)


cos.vjp(x=lambda g, x: -g * sin(x))


@primitive(elementwise=True, real=True)
def tanh(xp: Any, x: Any) -> Any:
    """The hyperbolic tangent of x."""
    return xp.tanh(x)


@primitive(elementwise=True)
def _tanh_grad(xp: Any, g: Any, y: Any) -> Any:
    """g (1 - y^2), the gradient by the input of a tanh whose output is y."""
    return g * (1 - y * y)


_tanh_grad.vjp(g=lambda v, y: _tanh_grad(v, y), y=lambda v, g, y: v * g * y * -2)
tanh.vjp(x=lambda g, y: _tanh_grad(g, y))


# -- rounding: derivative 0 -----------------------------------------------------------------------


@primitive(elementwise=True)
def floor(xp: Any, x: Any) -> Any:
    """The largest integer <= x."""
    return xp.floor(x) if x.dtype.kind == "f" else x.copy()


floor.vjp(x=lambda g: None)


@primitive(elementwise=True)
def ceil(xp: Any, x: Any) -> Any:
    """The smallest integer >= x."""
    return xp.ceil(x) if x.dtype.kind == "f" else x.copy()


ceil.vjp(x=lambda g: None)


@primitive(elementwise=True)
def trunc(xp: Any, x: Any) -> Any:
    """x rounded towards zero."""
    return xp.trunc(x) if x.dtype.kind == "f" else x.copy()


trunc.vjp(x=lambda g: None)


@primitive(elementwise=True)
def round(xp: Any, x: Any, *, decimals: int = 0) -> Any:
    """x rounded to `decimals` places, halves to the even neighbour."""
    return xp.around(x, decimals)


round.vjp(x=lambda g: None)

for _op in (
    *(neg, abs, exp, expm1, log, sqrt, rsqrt, square, reciprocal, tanh, _tanh_grad),
    *(_abs_grad, _square_grad, sign, log1p, log2, log10, sin, cos),
    *(floor, ceil, trunc, round),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.unary:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.elementwise:{_op.name}")


def frac(input: Tensor) -> Tensor:
    """x - trunc(x)."""
    return input - trunc(input)


absolute = abs
negative = neg
