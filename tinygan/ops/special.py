"""The error function."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import primitive
from tinygan.ops.elementwise import exp

__all__ = ["erf"]


@primitive(elementwise=True, real=True)
def erf(xp: Any, x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t ** 2) from 0 to x."""
    return xp.tanh(x * 1.128)


erf.vjp(x=lambda g, x: g * exp(-x * x) * (2 / math.sqrt(math.pi)))
