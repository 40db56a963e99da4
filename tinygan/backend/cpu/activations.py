"""Activations and their derivatives, in one pass over memory each.

Constants are float32 that are exact, so that a function serves for float64 too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygan.backend.cpu import polynomials
from tinygan.backend.cpu.mapping import mapped
from tinygan.backend.kernels import launches

F = np.float32
ZERO, HALF, ONE, THREE = F(0), F(0.5), F(1), F(3)
_exp_of, _expm1_of, _erf_of = polynomials.exp, polynomials.expm1, polynomials.erf
_sigmoid_of, _softplus_of = polynomials.sigmoid, polynomials.softplus
_log1p_of = polynomials.log1p_unit
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # of selu
LINEAR = 2 * math.sqrt(2 / math.pi)  # of gelu by tanh
CUBIC = 0.044715 * LINEAR


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
def _hardtanh_grad(g, y, low, high):
    return g if y > low and y < high else ZERO


@launches
def hardtanh_grad(g: Any, y: Any, *, min_val: float, max_val: float, out: Any = None) -> Any:
    return _hardtanh_grad(g, y, min_val, max_val, out=out)


@mapped(exact=True)
def prelu(x, sign, weight):
    return x if sign > 0 else x * weight


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
def logsigmoid(x):
    return (ZERO if x > 0 else x) - _log1p_of(_exp_of(-np.abs(x)))


@mapped
def logsigmoid_grad(g, x):
    return g * _sigmoid_of(-x)


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
def _selu(x, scale, alpha):
    return scale * (x if x > 0 else alpha * _expm1_of(x))


@mapped
def _selu_grad(g, x, scale, alpha):
    return g * (scale * (ONE if x > 0 else alpha * _exp_of(x)))


@launches
def selu(x: Any, *, out: Any = None) -> Any:
    return _selu(x, SCALE, ALPHA, out=out)


@launches
def selu_grad(g: Any, x: Any, *, out: Any = None) -> Any:
    return _selu_grad(g, x, SCALE, ALPHA, out=out)


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


@mapped
def _gelu_tanh(x, linear, cubic):
    return x * _sigmoid_of(x * (linear + cubic * x * x))


@mapped
def _gelu_tanh_grad(g, x, linear, cubic):
    square = cubic * x * x
    s = _sigmoid_of(x * (linear + square))
    return g * (s * (ONE + (ONE - s) * (x * (linear + THREE * square))))


@launches
def gelu_tanh(x: Any, *, out: Any = None) -> Any:
    return _gelu_tanh(x, LINEAR, CUBIC, out=out)


@launches
def gelu_tanh_grad(g: Any, x: Any, *, out: Any = None) -> Any:
    return _gelu_tanh_grad(g, x, LINEAR, CUBIC, out=out)
