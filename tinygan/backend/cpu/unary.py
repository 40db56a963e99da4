"""Functions of one number, in one pass over memory each.

Constants are float32 that are exact, so that a function serves for float64 too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import polynomials, waves
from tinygan.backend.cpu.mapping import mapped
from tinygan.backend.kernels import launches

F = np.float32
ZERO, ONE, TWO = F(0), F(1), F(2)
_exp_of, _expm1_of, _tanh_of = polynomials.exp, polynomials.expm1, polynomials.tanh
_log_of, _log1p_of, _erf_of = polynomials.log, polynomials.log1p, polynomials.erf
_log2_of, _log10_of = polynomials.log2, polynomials.log10
_sin_of, _cos_of = waves.sin, waves.cos


@mapped(exact=True)
def neg(x):
    return -x


@mapped(exact=True)
def abs(x):
    return np.abs(x)


@mapped(exact=True)
def square(x):
    return x * x


@mapped(exact=True)
def square_grad(g, x):
    return g * x * TWO


@mapped(exact=True)
def sqrt(x):
    return np.sqrt(x)


@mapped(exact=True)
def rsqrt(x):
    return ONE / np.sqrt(x)


@mapped(exact=True)
def reciprocal(x):
    return ONE / x


@mapped
def exp(x):
    return _exp_of(x)


@mapped
def expm1(x):
    return _expm1_of(x)


@mapped
def log(x):
    return _log_of(x)


@mapped
def log1p(x):
    return _log1p_of(x)


@mapped
def log2(x):
    return _log2_of(x)


@mapped
def log10(x):
    return _log10_of(x)


@mapped
def sin(x):
    return _sin_of(x)


@mapped
def cos(x):
    return _cos_of(x)


@mapped
def erf(x):
    return _erf_of(x)


@mapped
def tanh(x):
    return _tanh_of(x)


@mapped
def tanh_grad(g, y):
    return g * (ONE - y * y)


# -- signs and rounding ---------------------------------------------------------------------------


@mapped(exact=True)
def sign(x):
    y = ONE if x > ZERO else x
    return -ONE if x < ZERO else y


@mapped(exact=True)
def abs_grad(g, x):
    return g * (ONE if x > 0 else -ONE if x < 0 else x)


@mapped(exact=True)
def floor(x):
    return np.floor(x)


@mapped(exact=True)
def ceil(x):
    return np.ceil(x)


@mapped(exact=True)
def trunc(x):
    return np.trunc(x)


@mapped(exact=True)
def _nearest(x):
    return np.rint(x)


@launches
def round(x: Any, *, decimals: int, out: Any = None) -> Any:
    return NotImplemented if decimals else _nearest(x, out=out)
