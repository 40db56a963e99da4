"""The error function."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import primitive
from tinygan.backend.dtypes import float32, float64
from tinygan.backend.erf import CENTRE_32, CENTRE_64, HIGH, LOW, TAIL_32, TAIL_64
from tinygan.ops.unary import exp

__all__ = ["erf"]


def _polynomial(coefficients: tuple[float, ...], u: Any) -> Any:
    value = coefficients[0]
    for c in coefficients[1:]:
        value = value * u + c
    return value


@primitive(elementwise=True, real=True)
def erf(xp: Any, x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    double = x.dtype == float64
    z = x if double else x.astype(float32)
    size = xp.minimum(xp.abs(z), 6)  # 1 - erf(6) is 2e-17
    square = size * size
    centre = z * _polynomial(CENTRE_64 if double else CENTRE_32, 2 * square - 1)
    u = (2 / (1 + 0.4 * size) - (LOW + HIGH)) / (HIGH - LOW)
    tail = xp.exp(-square) * _polynomial(TAIL_64 if double else TAIL_32, u)
    return xp.where(size < 1, centre, xp.sign(z) * (1 - tail)).astype(x.dtype)


erf.vjp(x=lambda g, x: g * exp(-(x * x)) * (2 / math.sqrt(math.pi)))
erf.kernel("cpu", "tinygan.backend.cpu.unary:erf")
erf.kernel("cuda", "tinygan.backend.cuda.elementwise:erf")
