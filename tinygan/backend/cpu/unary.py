"""Functions of one number, in one pass over memory each.

Constants are float32 that are exact, so that a function serves for float64 too.
"""

from __future__ import annotations

import numpy as np

from tinygan.backend.cpu import polynomials
from tinygan.backend.cpu.mapping import mapped

F = np.float32
ONE = F(1)
_exp_of, _expm1_of, _log_of = polynomials.exp, polynomials.expm1, polynomials.log
_tanh_of, _erf_of = polynomials.tanh, polynomials.erf


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
def erf(x):
    return _erf_of(x)


@mapped
def tanh(x):
    return _tanh_of(x)


@mapped
def tanh_grad(g, y):
    return g * (ONE - y * y)
