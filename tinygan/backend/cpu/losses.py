"""Losses by element and their derivatives, in one pass over memory each.

Constants are float32 that are exact, so that a function serves for float64 too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import polynomials
from tinygan.backend.cpu.mapping import mapped
from tinygan.backend.kernels import launches

F = np.float32
ZERO, HALF, ONE = F(0), F(0.5), F(1)
_exp_of, _sigmoid_of = polynomials.exp, polynomials.sigmoid
_log_of, _log_complement_of = polynomials.log, polynomials.log_complement
_log1p_of = polynomials.log1p_unit
LEAST = F(-100)  # of the logarithms in a cross entropy


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


@mapped
def _huber(x, t, delta):
    far = np.abs(x - t)
    near = delta if far > delta else far
    return near * (far - near * HALF)


@mapped
def _huber_grad(g, x, t, delta):
    d = x - t
    d = delta if d > delta else d
    return g * (-delta if d < -delta else d)


@launches
def huber(x: Any, t: Any, *, delta: float, out: Any = None) -> Any:
    return _huber(x, t, delta, out=out)


@launches
def huber_grad(g: Any, x: Any, t: Any, *, delta: float, out: Any = None) -> Any:
    return _huber_grad(g, x, t, delta, out=out)
