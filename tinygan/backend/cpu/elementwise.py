"""Elementwise ops in one pass over memory: what each does with the numbers at one place.

Constants are float32 that are exact, so that a function serves for float64 too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygan.backend.cpu import polynomials
from tinygan.backend.cpu.mapping import BOOL, mapped
from tinygan.backend.kernels import launches

F = np.float32
ZERO, HALF, ONE = F(0), F(0.5), F(1)
_exp_of, _expm1_of, _log_of = polynomials.exp, polynomials.expm1, polynomials.log
_tanh_of, _sigmoid_of, _softplus_of = polynomials.tanh, polynomials.sigmoid, polynomials.softplus
_erf_of, _log1p_of = polynomials.erf, polynomials.log1p_unit
_log_complement_of = polynomials.log_complement
LEAST = F(-100)  # of the logarithms in a cross entropy

# -- functions of one number ----------------------------------------------------------------------


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


# -- arithmetic -----------------------------------------------------------------------------------


@mapped(exact=True)
def _add(x, other):
    return x + other


@mapped
def _add_multiple(x, other, alpha):
    return x + alpha * other


@mapped(exact=True)
def _sub(x, other):
    return x - other


@launches
def add(x: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Any:
    return _add(x, other, out=out) if alpha == 1 else _add_multiple(x, other, alpha, out=out)


@launches
def sub(x: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Any:
    return _sub(x, other, out=out) if alpha == 1 else _add_multiple(x, other, -alpha, out=out)


@mapped(exact=True)
def mul(x, other):
    return x * other


@mapped(exact=True)
def true_divide(x, other):
    return x / other


@mapped(exact=True)
def maximum(x, other):
    return x if x > other or x != x else other


@mapped(exact=True)
def minimum(x, other):
    return x if x < other or x != x else other


@mapped
def _power(x, exponent):
    return x**exponent


POWERS = {2: square, 0.5: sqrt, -1: reciprocal}


@launches
def pow(x: Any, exponent: Any, *, out: Any = None) -> Any:
    if isinstance(exponent, (int, float)) and exponent in POWERS:
        return POWERS[exponent](x, out=out)
    return _power(x, exponent, out=out)


# -- comparison and selection ---------------------------------------------------------------------


@mapped(exact=True, truth=True)
def eq(x, other):
    return x == other


@mapped(exact=True, truth=True)
def ne(x, other):
    return x != other


@mapped(exact=True, truth=True)
def lt(x, other):
    return x < other


@mapped(exact=True, truth=True)
def le(x, other):
    return x <= other


@mapped(exact=True, truth=True)
def gt(x, other):
    return x > other


@mapped(exact=True, truth=True)
def ge(x, other):
    return x >= other


@mapped(exact=True, masked=True)
def where(condition, x, other):
    return x if condition else other


@launches
def masked_fill(x: Any, mask: Any, value: Any, *, out: Any = None) -> Any:
    return where(mask, value, x, out=out)


@launches
def cast(x: Any, *, dtype: Any, out: Any = None) -> Any:
    if x.dtype != BOOL or out is None:
        return NotImplemented
    return where(x, 1.0, 0.0, out=out)


# -- activations and their derivatives ------------------------------------------------------------


@mapped(exact=True)
def relu(x):
    return ZERO if x <= 0 else x


@mapped(exact=True)
def _hardtanh(x, low, high):
    y = low if x < low else x
    return high if y > high else y


@launches
def hardtanh(x: Any, *, min_val: float, max_val: float, out: Any = None) -> Any:
    return _hardtanh(x, min_val, max_val, out=out)


@mapped(exact=True)
def _leaky_relu(x, slope):
    return x if x > 0 else x * slope


@mapped(exact=True)
def _leaky_relu_grad(g, sign, slope):
    return g if sign > 0 else g * slope


@launches
def leaky_relu(x: Any, *, negative_slope: float, out: Any = None) -> Any:
    return _leaky_relu(x, negative_slope, out=out)


@launches
def leaky_relu_grad(g: Any, sign: Any, *, negative_slope: float, out: Any = None) -> Any:
    return _leaky_relu_grad(g, sign, negative_slope, out=out)


@mapped
def tanh(x):
    return _tanh_of(x)


@mapped
def tanh_grad(g, y):
    return g * (ONE - y * y)


@mapped
def sigmoid(x):
    return _sigmoid_of(x)


@mapped
def sigmoid_grad(g, y):
    return g * (y * (ONE - y))


@mapped
def _softplus(x, beta, threshold):
    z = x * beta
    return x if z > threshold else _softplus_of(z) / beta


@mapped
def _softplus_grad(g, x, beta, threshold):
    z = x * beta
    return g if z > threshold else g * _sigmoid_of(z)


@mapped
def _softplus_of_itself(x, threshold):
    return x if x > threshold else _softplus_of(x)


@launches
def softplus(x: Any, *, beta: float, threshold: float, out: Any = None) -> Any:
    if beta == 1:
        return _softplus_of_itself(x, threshold, out=out)
    return _softplus(x, beta, threshold, out=out)


@launches
def softplus_grad(g: Any, x: Any, *, beta: float, threshold: float, out: Any = None) -> Any:
    return _softplus_grad(g, x, beta, threshold, out=out)


@mapped
def silu(x):
    return x * _sigmoid_of(x)


@mapped
def silu_grad(g, x):
    s = _sigmoid_of(x)
    return g * (s * (ONE + x * (ONE - s)))


@mapped
def _elu(x, alpha):
    return x if x > 0 else alpha * _expm1_of(x)


@mapped
def _elu_grad(g, x, alpha):
    return g if x > 0 else g * (alpha * _exp_of(x))


@launches
def elu(x: Any, *, alpha: float, out: Any = None) -> Any:
    return _elu(x, alpha, out=out)


@launches
def elu_grad(g: Any, x: Any, *, alpha: float, out: Any = None) -> Any:
    return _elu_grad(g, x, alpha, out=out)


@mapped
def _gelu(x, scale):
    return x * (_erf_of(x * scale) + ONE) * HALF


@mapped
def _gelu_grad(g, x, scale, density):
    below = (_erf_of(x * scale) + ONE) * HALF
    return g * (below + x * (density * _exp_of(-HALF * x * x)))


@launches
def gelu(x: Any, *, out: Any = None) -> Any:
    return _gelu(x, math.sqrt(0.5), out=out)


@launches
def gelu_grad(g: Any, x: Any, *, out: Any = None) -> Any:
    return _gelu_grad(g, x, math.sqrt(0.5), 1 / math.sqrt(2 * math.pi), out=out)


# -- losses by element ----------------------------------------------------------------------------


@mapped
def logistic_loss(x, t):
    tail = _log1p_of(_exp_of(-np.abs(x)))
    return (ONE - t) * ((x if x > 0 else ZERO) + tail) + t * ((ZERO if x > 0 else -x) + tail)


@mapped
def logistic_loss_grad(g, x, t):
    return g * ((ONE - t) * _sigmoid_of(x) - t * _sigmoid_of(-x))


@mapped
def bernoulli_cross_entropy(p, t):
    log_p, log_not_p = _log_of(p), _log_complement_of(p)
    log_p = LEAST if log_p < LEAST else log_p
    log_not_p = LEAST if log_not_p < LEAST else log_not_p
    return (t - ONE) * log_not_p - t * log_p


@mapped
def _bernoulli_cross_entropy_grad(g, p, t, least):
    variance = p * (ONE - p)
    return g * (p - t) / (least if variance < least else variance)


@launches
def bernoulli_cross_entropy_grad(g: Any, p: Any, t: Any, *, out: Any = None) -> Any:
    return _bernoulli_cross_entropy_grad(g, p, t, 1e-12, out=out)
