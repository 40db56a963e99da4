"""x ** y for float32 as vector code: 2^(y log2 |x|) in float64, where it is not one of its limits.

Rounded from float64: off by at most 0.51 units in the last place. float64 itself is left to the C
library. What is not a product of logarithms (signs, zeros, infinities, nan) is as in C.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import overload

from tinygan.backend.cpu.compile import IN_LOOPS, in_loops
from tinygan.backend.cpu.native import written
from tinygan.backend.cpu.polynomials import bits, polynomial

F, D, INT, LONG = np.float32, np.float64, np.int32, np.int64
ZERO, HALF, ONE, TWO, INFINITE, NAN = F(0), F(0.5), F(1), F(2), F(np.inf), F(np.nan)

ROUND = D(1.5 * 2**52)  # added, it leaves the nearest integer in the low bits
LEAST = 300.0  # an exponent beyond float32's
LOG2 = (0.24192404, 0.26153470258, 0.32061332320, 0.41219844927896, 0.57707801692243,
        0.96179669392518, 2.8853900817779268)  # fmt: skip
EXP2 = (1.53037004e-05, 0.000154697292, 0.00133334784752, 0.00961802561323, 0.05550410906323,
        0.24022651213499, 0.69314718055684, 0.99999999995957)  # fmt: skip
_log2, _exp2 = polynomial(LOG2, D), polynomial(EXP2, D)


@written
def long_bits(context: Any, x: Any) -> Any:
    """The bits of a float64 as an int64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


@written
def long_number(context: Any, x: Any) -> Any:
    """The float64 with the bits of an int64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), code


@in_loops
def _positive(x, y):
    """x ** y for a positive number x and a number y."""
    wide = D(x)
    e = (long_bits(wide) - LONG(0x3FE6A09E667F3BCD)) >> LONG(52)
    m = long_number(long_bits(wide) - (e << LONG(52)))  # x = m 2^e, 0.7 < m < 1.42
    s = (m - 1) / (m + 1)
    power = D(y) * (s * _log2(s * s) + D(e))
    power = LEAST if power > LEAST else power
    power = -LEAST if power < -LEAST else power
    shifted = power + ROUND
    n = long_bits(shifted) - long_bits(ROUND)
    return F(_exp2(power - (shifted - ROUND)) * long_number((n + LONG(1023)) << LONG(52)))


@in_loops
def _single(x, y):
    size = abs(x)
    z = _positive(size, y)
    z = (ZERO if y > 0 else INFINITE) if size == 0 else z
    z = (INFINITE if y > 0 else ZERO) if size == INFINITE else z
    whole = np.rint(y) == y
    odd = whole & (np.rint(y * HALF) * TWO != y)
    z = -z if (bits(x) < INT(0)) & odd else z
    z = NAN if (x < 0) & (size < INFINITE) & (not whole) else z
    z = x + y if (x != x) | (y != y) else z
    return ONE if (y == 0) | (x == 1) | ((size == 1) & (abs(y) == INFINITE)) else z


def power(x, y):
    """x ** y."""
    raise NotImplementedError("only kernels call this")


@overload(power, jit_options=IN_LOOPS)
def _power(x, y):
    return (lambda x, y: _single(x, y)) if x == types.float32 else (lambda x, y: x**y)
