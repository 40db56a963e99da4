"""Arithmetic between tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import result_dtype
from tinygan.ops.unary import _square_grad, log, trunc

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "div",
    "divide",
    "floor_divide",
    "lerp",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "pow",
    "remainder",
    "sub",
    "subtract",
    "true_divide",
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


sub.vjp(x=lambda g: g, other=lambda g, alpha: -g if alpha == 1 else g * -alpha)


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


def _refuse_zero(xp: Any, x: Any, other: Any) -> None:
    """Integers have no infinity or NaN to say it. On a GPU nobody waits to look."""
    if xp is np and np.result_type(x, other).kind in "iu" and np.size(x) and not np.all(other):
        raise ZeroDivisionError(
            "integers are divided by 0; with a floating-point tensor (x.float()) the result is "
            "infinite or NaN"
        )


@primitive(elementwise=True)
def floor_divide(xp: Any, x: Any, other: Any) -> Any:
    """floor(x / other), whose derivative is 0."""
    _refuse_zero(xp, x, other)
    return x // other


floor_divide.vjp(x=lambda g: None, other=lambda g: None)


@primitive(elementwise=True)
def remainder(xp: Any, x: Any, other: Any) -> Any:
    """x - floor(x / other) * other: what remains has the sign of `other`."""
    _refuse_zero(xp, x, other)
    return x % other


remainder.vjp(x=lambda g: g, other=lambda g, x, other: -g * floor_divide(x, other))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """x / other; with `rounding_mode` "trunc" or "floor" rounded towards zero or down."""
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ValueError(
            f"div: rounding_mode is None, 'trunc' or 'floor', it was given as {rounding_mode!r}"
        )
    dtype = result_dtype([a.array if isinstance(a, Tensor) else a for a in (input, other)])
    if dtype.kind in "iu":
        quotient = floor_divide(input, other)
        return quotient + ((remainder(input, other) != 0) & ((input < 0) != (other < 0))).to(dtype)
    return trunc(true_divide(input, other)).to(dtype)


@primitive(elementwise=True)
def pow(xp: Any, x: Any, exponent: Any) -> Any:
    """x ** exponent."""
    truth = xp.result_type(x, exponent).kind == "b"  # which NumPy makes int8
    return (x**exponent).astype(bool) if truth else x**exponent


def _pow_by_base(g: Tensor, x: Any, exponent: Any) -> Tensor | None:
    if not isinstance(exponent, Tensor):
        if exponent == 0:
            return None
        if exponent == 2:
            return _square_grad(g, x)
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


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, min), max), the bounds being numbers, tensors or absent (not both)."""
    if min is None and max is None:
        raise ValueError("clamp: expected min, max or both")
    if min is not None:
        input = clamp_min(input, min)
    return input if max is None else clamp_max(input, max)


for _op in (add, sub, mul, true_divide, floor_divide, remainder, pow, maximum, minimum):
    _op.kernel("cpu", f"tinygan.backend.cpu.elementwise:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.elementwise:{_op.name}")
clamp_min.kernel("cpu", "tinygan.backend.cpu.elementwise:maximum")
clamp_max.kernel("cpu", "tinygan.backend.cpu.elementwise:minimum")
clamp_min.kernel("cuda", "tinygan.backend.cuda.elementwise:maximum")
clamp_max.kernel("cuda", "tinygan.backend.cuda.elementwise:minimum")

# -- compositions ---------------------------------------------------------------------------------


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """x + weight * (end - x)."""
    return add(input, mul(sub(end, input), weight))


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """x + value * tensor1 * tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """x + value * tensor1 / tensor2."""
    return add(input, true_divide(tensor1, tensor2), alpha=value)


clip = clamp
divide = div
multiply = mul
subtract = sub
