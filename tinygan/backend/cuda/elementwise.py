"""Arithmetic, rounding, comparison and selection: the functions in functions.cuh."""

from __future__ import annotations

from typing import Any

from tinygan.backend.cuda.mapping import Elementwise
from tinygan.backend.kernels import launches

# -- arithmetic -----------------------------------------------------------------------------------

neg = Elementwise("x", "-x")
abs = Elementwise("x", "abs(x)")
square = Elementwise("x", "square(x)")
sqrt = Elementwise("x", "sqrt(x)")
rsqrt = Elementwise("x", "inverse_root(x)")
reciprocal = Elementwise("x", "reciprocal(x)")
exp = Elementwise("x", "exp(x)")
expm1 = Elementwise("x", "expm1(x)")
log = Elementwise("x", "log(x)")
log1p = Elementwise("x", "log1p(x)")
log2 = Elementwise("x", "log2(x)")
log10 = Elementwise("x", "log10(x)")
sin = Elementwise("x", "sin(x)")
cos = Elementwise("x", "cos(x)")
asin = Elementwise("x", "asin(x)")
acos = Elementwise("x", "acos(x)")
atan = Elementwise("x", "atan(x)")
atan2 = Elementwise("x other", "atan2(x, other)")
tanh = Elementwise("x", "tanh(x)")
tanh_grad = Elementwise("g y", "tanh_grad(g, y)")
erf = Elementwise("x", "erf(x)")
sign = Elementwise("x", "sign(x)")
abs_grad = Elementwise("g x", "g * sign(x)")
square_grad = Elementwise("g x", "g * x * 2")
floor = Elementwise("x", "floor(x)")
ceil = Elementwise("x", "ceil(x)")
trunc = Elementwise("x", "trunc(x)")
_nearest = Elementwise("x", "rint(x)")
_add = Elementwise("x other", "x + other")
_add_multiple = Elementwise("x other alpha", "x + alpha * other")
_sub = Elementwise("x other", "x - other")
mul = Elementwise("x other", "x * other")
true_divide = Elementwise("x other", "x / other")
maximum = Elementwise("x other", "larger(x, other)")
minimum = Elementwise("x other", "smaller(x, other)")
remainder = Elementwise("x other", "remainder_of(x, other)")
floor_divide = Elementwise("x other", "floor_divide(x, other)")
_power = Elementwise("x exponent", "pow(x, exponent)")
POWERS = {2: square, 0.5: sqrt, -1: reciprocal}


@launches
def add(x: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Any:
    return _add(x, other, out=out) if alpha == 1 else _add_multiple(x, other, alpha, out=out)


@launches
def sub(x: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Any:
    return _sub(x, other, out=out) if alpha == 1 else _add_multiple(x, other, -alpha, out=out)


@launches
def pow(x: Any, exponent: Any, *, out: Any = None) -> Any:
    if isinstance(exponent, (int, float)) and exponent in POWERS:
        return POWERS[exponent](x, out=out)
    return _power(x, exponent, out=out)


@launches
def round(x: Any, *, decimals: int, out: Any = None) -> Any:
    return NotImplemented if decimals else _nearest(x, out=out)


# -- comparison and selection ---------------------------------------------------------------------

eq = Elementwise("x other", "x == other", truth=True)
ne = Elementwise("x other", "x != other", truth=True)
lt = Elementwise("x other", "x < other", truth=True)
le = Elementwise("x other", "x <= other", truth=True)
gt = Elementwise("x other", "x > other", truth=True)
ge = Elementwise("x other", "x >= other", truth=True)
isnan = Elementwise("x", "x != x", truth=True)
isinf = Elementwise("x", "bool(isinf(x))", truth=True)
isfinite = Elementwise("x", "bool(isfinite(x))", truth=True)
where = Elementwise("condition x other", "condition ? x : other", masked=True)


@launches
def masked_fill(x: Any, mask: Any, value: Any, *, out: Any = None) -> Any:
    return where(mask, value, x, out=out)
