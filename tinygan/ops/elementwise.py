"""Arithmetic between tensors, and the functions of one number."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import result_dtype

__all__ = [
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "cos",
    "div",
    "divide",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "frac",
    "lerp",
    "log",
    "log1p",
    "log2",
    "log10",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "neg",
    "negative",
    "pow",
    "reciprocal",
    "remainder",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tanh",
    "true_divide",
    "trunc",
]

# -- arithmetic -----------------------------------------------------------------------------------


@primitive(elementwise=True)
def add(xp: Any, x: Any, other: Any, *, alpha: float = 1) -> Any:
    """x + alpha * other."""
    return x + other if alpha == 1 else x + alpha * other


add.vjp(x=lambda g: g, other=lambda g, alpha: g if alpha == 1 else g * alpha)


@primitive(elementwise=True)
def sub(xp: Any, x: Any, other: Any, *, alpha: float = 1) -> Any:
    """x - alpha * other."""
    return x - other if alpha == 1 else x - alpha * other


sub.vjp(x=lambda g: g, other=lambda g, alpha: g * -alpha)


@primitive(elementwise=True)
def mul(xp: Any, x: Any, other: Any) -> Any:
    """x * other."""
    return x * other


mul.vjp(x=lambda g, other: g * other, other=lambda g, x: g * x)


@primitive(elementwise=True, real=True)
def true_divide(xp: Any, x: Any, other: Any) -> Any:
    """x / other; integers give the default floating-point type."""
    return xp.true_divide(x, other)


true_divide.vjp(
    x=lambda g, other: g / other,
    other=lambda g, y, other: -g * (y / other),
)


@primitive(elementwise=True)
def floor_divide(xp: Any, x: Any, other: Any) -> Any:
    """floor(x / other), whose derivative is 0."""
    return x // other


floor_divide.vjp(x=lambda g: None, other=lambda g: None)


@primitive(elementwise=True)
def remainder(xp: Any, x: Any, other: Any) -> Any:
    """x - floor(x / other) * other: what remains has the sign of `other`."""
    return x % other


remainder.vjp(x=lambda g: g, other=lambda g, x, other: -g * floor_divide(x, other))


def div(x: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """x / other; with `rounding_mode` "trunc" or "floor" rounded towards zero or down."""
    if rounding_mode is None:
        return true_divide(x, other)
    if rounding_mode == "floor":
        return floor_divide(x, other)
    if rounding_mode != "trunc":
        raise ValueError(
            f"div: rounding_mode is None, 'trunc' or 'floor', it was given as {rounding_mode!r}"
        )
    dtype = result_dtype([a.array if isinstance(a, Tensor) else a for a in (x, other)])
    return trunc(true_divide(x, other)).to(dtype)


@primitive(elementwise=True)
def neg(xp: Any, x: Any) -> Any:
    """-x."""
    return -x


neg.vjp(x=lambda g: -g)


@primitive(elementwise=True)
def pow(xp: Any, x: Any, exponent: Any) -> Any:
    """x ** exponent."""
    return x**exponent


def _pow_by_base(g: Tensor, x: Any, exponent: Any) -> Tensor | None:
    if not isinstance(exponent, Tensor):
        if exponent == 0:
            return None
        if exponent == 2:
            return g * (x * 2)
        return g * (x ** (exponent - 1) * exponent)
    # 0 ** -1 is infinite, but the derivative of x ** 0 is 0 there as everywhere
    zero = exponent == 0
    return (g * exponent * x ** (exponent - 1)).masked_fill(zero, 0)


def _pow_by_exponent(g: Tensor, y: Tensor, x: Any, exponent: Tensor) -> Tensor:
    if not isinstance(x, Tensor):
        if x == 0:
            return (y * 0).masked_fill(exponent < 0, -math.inf) * g
        return g * y * (math.log(x) if x > 0 else math.nan)
    # the limit of y log x where x = 0 and y = 0
    limit = (x == 0) & (exponent >= 0)
    return g * y * log(x.masked_fill(limit, 1))


pow.vjp(x=_pow_by_base, exponent=_pow_by_exponent)

# -- extremes of two ------------------------------------------------------------------------------


def _share(wins: Tensor, ties: Tensor, g: Tensor) -> Tensor:
    """g where the operand wins, half of it at a tie."""
    return g * (wins.to(g.dtype) + ties.to(g.dtype)) * 0.5


@primitive(elementwise=True)
def maximum(xp: Any, x: Any, other: Any) -> Any:
    """max(x, other); equal operands share the gradient."""
    return xp.maximum(x, other)


maximum.vjp(
    x=lambda g, x, other: _share(x > other, x >= other, g),
    other=lambda g, x, other: _share(other > x, other >= x, g),
)


@primitive(elementwise=True)
def minimum(xp: Any, x: Any, other: Any) -> Any:
    """min(x, other); equal operands share the gradient."""
    return xp.minimum(x, other)


minimum.vjp(
    x=lambda g, x, other: _share(x < other, x <= other, g),
    other=lambda g, x, other: _share(other < x, other <= x, g),
)


@primitive(elementwise=True)
def clamp_min(xp: Any, x: Any, min: Any) -> Any:
    """max(x, min); the gradient passes to x at the bound."""
    return xp.maximum(x, min)


clamp_min.vjp(
    x=lambda g, x, min: g.masked_fill(x < min, 0),
    min=lambda g, x, min: g.masked_fill(x >= min, 0),
)


@primitive(elementwise=True)
def clamp_max(xp: Any, x: Any, max: Any) -> Any:
    """min(x, max); the gradient passes to x at the bound."""
    return xp.minimum(x, max)


clamp_max.vjp(
    x=lambda g, x, max: g.masked_fill(x > max, 0),
    max=lambda g, x, max: g.masked_fill(x <= max, 0),
)


def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, min), max), the bounds being numbers, tensors or absent (not both)."""
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both")
    if min is not None:
        x = clamp_min(x, min)
    return x if max is None else clamp_max(x, max)


# -- functions of one number ----------------------------------------------------------------------


@primitive(elementwise=True)
def abs(xp: Any, x: Any) -> Any:
    """|x|, whose derivative at 0 is 0."""
    return xp.abs(x)


abs.vjp(x=lambda g, x: g * sign(x))


@primitive(elementwise=True)
def sign(xp: Any, x: Any) -> Any:
    """-1, 0 or 1."""
    return xp.sign(x)


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
    """x * x."""
    return xp.square(x)


square.vjp(x=lambda g, x: g * (x * 2))


@primitive(elementwise=True, real=True)
def reciprocal(xp: Any, x: Any) -> Any:
    """1 / x."""
    return 1 / x


reciprocal.vjp(x=lambda g, y: -g * (y * y))


@primitive(elementwise=True, real=True)
def sin(xp: Any, x: Any) -> Any:
    """The sine of x."""
    return xp.sin(x)


sin.vjp(x=lambda g, x: g * cos(x))


@primitive(elementwise=True, real=True)
def cos(xp: Any, x: Any) -> Any:
    """The cosine of x."""
    return xp.cos(x)


cos.vjp(x=lambda g, x: -g * sin(x))


@primitive(elementwise=True, real=True)
def tanh(xp: Any, x: Any) -> Any:
    """The hyperbolic tangent of x."""
    return xp.tanh(x)


tanh.vjp(x=lambda g, y: g * (1 - y * y))

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


# -- compositions ---------------------------------------------------------------------------------


def frac(x: Tensor) -> Tensor:
    """x - trunc(x)."""
    return sub(x, trunc(x))


def lerp(x: Tensor, end: Tensor, weight: Any) -> Tensor:
    """x + weight * (end - x)."""
    return add(x, mul(sub(end, x), weight))


def addcmul(x: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """x + value * tensor1 * tensor2."""
    return add(x, mul(tensor1, tensor2), alpha=value)


def addcdiv(x: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """x + value * tensor1 / tensor2."""
    return add(x, true_divide(tensor1, tensor2), alpha=value)


absolute = abs
clip = clamp
divide = div
multiply = mul
negative = neg
subtract = sub
