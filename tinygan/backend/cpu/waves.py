"""Sine and cosine as vector code, right for the largest numbers too: x = (n / 4 + r) turns.

For float32 a turn is split off in float64. 1 / (2 pi) comes in pieces of 28 bits, so that the
product of a number with each piece, and what remains of it without whole turns, is exact: the sum
is r to float64's precision however large x is (Payne and Hanek's method). Errors: at most 2 units
in the last place, as tested. float64 is left to the C library.
"""

from __future__ import annotations

import math

import numpy as np

from tinygan.backend.cpu.compile import in_loops
from tinygan.backend.cpu.polynomials import by_type, polynomial

F, INT = np.float32, np.int32

TURNS = (
    0.15915494225919247, 8.327028684640414e-10, 5.69002511952534e-19, 6.3170650472507054e-27,
    4.170716914254881e-35, 2.897178338357036e-44,
)  # fmt: skip
SINE = (2.72499258e-06, -0.000198400867, 0.00833333187, -0.166666667)
COSINE = (2.44637883e-05, -0.00138875892, 0.0416666506, -0.5)
_sine, _cosine = polynomial(SINE), polynomial(COSINE)
T0, T1, T2, T3, T4, T5 = TURNS


@in_loops
def _part(x, turns):
    """x * turns without whole turns."""
    y = x * turns
    return y - np.rint(y)


@in_loops
def _quarters(x):
    """n and 2 pi r, |r| <= 1/8."""
    wide = np.float64(x)
    a, b, c = _part(wide, T0), _part(wide, T1), _part(wide, T2)
    d, e, f = _part(wide, T3), _part(wide, T4), _part(wide, T5)
    n = np.rint((a + b + c + d + e + f) * 4)
    r = (a - n * 0.25) + b + c + d + e + f  # largest first: each sum is exact, or small
    return INT(n), F(r * (2 * math.pi))


@in_loops
def _wave(n, r):
    """sin(n pi / 2 + r)."""
    z = r * r
    sine, cosine = r + r * z * _sine(z), F(1) + z * _cosine(z)
    y = cosine if n & INT(1) else sine
    return -y if n & INT(2) else y


@by_type(lambda x: np.sin(x))
def sin(x):
    n, r = _quarters(x)
    return _wave(n, r)


@by_type(lambda x: np.cos(x))
def cos(x):
    n, r = _quarters(x)
    return _wave(n + INT(1), r)
