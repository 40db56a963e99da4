"""Arithmetic of arrays in one pass over memory: what is done with the numbers at one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import powers
from tinygan.backend.cpu.mapping import mapped
from tinygan.backend.cpu.unary import reciprocal, sqrt, square
from tinygan.backend.kernels import launches

_power_of = powers.power
HALF, ONE = np.float32(0.5), np.float32(1)


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
    return _power_of(x, exponent)


POWERS = {2: square, 0.5: sqrt, -1: reciprocal}


@launches
def pow(x: Any, exponent: Any, *, out: Any = None) -> Any:
    if isinstance(exponent, (int, float)) and exponent in POWERS:
        return POWERS[exponent](x, out=out)
    return _power(x, exponent, out=out)


# -- division with a remainder --------------------------------------------------------------------


@mapped(exact=True)
def remainder(x, other):
    rest = np.fmod(x, other)
    return rest + other if rest != 0 and (rest < 0) != (other < 0) else rest


@mapped(exact=True)
def floor_divide(x, other):
    rest = np.fmod(x, other)
    below = (x - rest) / other
    if rest != 0 and (rest < 0) != (other < 0):
        below -= ONE
    whole = np.floor(below)
    if below - whole > HALF:
        whole += ONE
    return x / other if other == 0 else whole
