"""Functions of one number that become vector code: polynomials for float32, the C library's else.

Errors in units of the last place of float32, against float64: exp, log, log1p and log2 at most 2,
the others 3; the tests try a number in every 997, and over all 2^32 exp is off by at most 1.07,
tanh by 1.34, sigmoid by 2.41. NaN and infinity come out as from NumPy. Polynomials are the
interpolants at Chebyshev's points, the highest power first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import overload

from tinygan.backend.cpu.compile import IN_LOOPS, in_loops
from tinygan.backend.cpu.native import written
from tinygan.backend.erf import CENTRE_32, CENTRE_64, HIGH, LOW, TAIL_32, TAIL_64

F, INT = np.float32, np.int32

LOG2E, LOG2 = F(1 / math.log(2)), F(math.log(2))
LOG2HIGH, LOG2LOW = F(0.693359375), F(math.log(2) - 0.693359375)
LOG10E = F(1 / math.log(10))
LOG10LOW = F(1 / math.log(10) - float(LOG10E))
LOG10OF2HIGH, LOG10OF2LOW = F(0.301025390625), F(math.log10(2) - 0.301025390625)
ROUND = F(1.5 * 2**23)  # added, it leaves the nearest integer in the low bits

EXP = (0.00139345445, 0.00836377647, 0.0416664568, 0.166665734, 0.500000001)
ATANH = (0.11622506, 0.108510776, 0.142963262, 0.1999985, 0.333333337)
TANH = (0.00227270492, -0.00832640232, 0.0217636337, -0.0539586242, 0.13333301, -0.333333332)
EXPM1 = (2.49397416e-05, 0.000199621861, 0.00138886728, 0.00833318204, 0.0416666677, 0.166666671,
         0.5)  # fmt: skip


@written
def bits(context: Any, x: Any) -> Any:
    """The bits of a float32 as an int32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), code


@written
def number(context: Any, x: Any) -> Any:
    """The float32 with the bits of an int32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), code


def polynomial(coefficients: tuple[float, ...], kind: Any = F) -> Any:
    """Horner's scheme, written out."""
    text = f"kind({coefficients[0]!r})"
    for c in coefficients[1:]:
        text = f"({text} * z + kind({c!r}))"
    names: dict[str, Any] = {"kind": kind, "__name__": __name__}
    exec(f"def horner(z):\n    return {text}", names)
    return in_loops(names["horner"])


def by_type(double: Callable[..., Any]) -> Any:
    """A function for float32 with another for float64, chosen when a kernel is compiled."""

    def decorate(single: Callable[..., Any]) -> Any:
        def function(x):
            raise NotImplementedError("only kernels call this")

        def choose(x):
            return single if x == types.float32 else double

        function.__name__ = single.__name__
        overload(function, jit_options=IN_LOOPS)(choose)
        return function

    return decorate


_exp, _atanh, _tanh, _expm1 = (polynomial(c) for c in (EXP, ATANH, TANH, EXPM1))


@by_type(lambda x: np.exp(x))
def exp(x):
    y = F(89.0) if x > F(89.0) else x
    y = F(-104.0) if y < F(-104.0) else y
    shifted = y * LOG2E + ROUND
    n = shifted - ROUND
    r = (y - n * LOG2HIGH) - n * LOG2LOW
    p = F(1) + (r + r * r * _exp(r))
    power = bits(shifted) - bits(ROUND)
    half = power >> INT(1)
    low, high = number((half + INT(127)) << INT(23)), number((power - half + INT(127)) << INT(23))
    return p * low * high


@by_type(lambda x: np.expm1(x))
def expm1(x):
    r = F(0.5) if x > F(0.5) else x
    r = F(-0.5) if r < F(-0.5) else r
    near = r + r * r * _expm1(r)
    return near if abs(x) < F(0.5) else exp(x) - F(1)


@in_loops
def _near_log(f):
    """log(1 + f) for f in about (-0.3, 1]: 2 atanh(s), s = f / (2 + f), from the exact f on."""
    s = f / (F(2) + f)
    z = s * s
    return f - s * (f - F(2) * z * _atanh(z))


@in_loops
def _log_terms(x):
    """log(m) and e of x = m 2^e, 0.7 < m < 1.42, for positive numbers."""
    tiny = x < F(2**-126)
    scaled = x * F(2**23) if tiny else x
    e = (bits(scaled) - INT(0x3F3504F3)) >> INT(23)
    m = number(bits(scaled) - (e << INT(23)))
    return _near_log(m - F(1)), F(e) - F(23) if tiny else F(e)


@in_loops
def _as_log(x, y):
    """y, and what a logarithm is where x is not a positive number."""
    y = x if x > F(3.4028234e38) else y
    y = F(-np.inf) if x == 0 else y
    return y if x >= 0 else F(np.nan)


@by_type(lambda x: np.log(x))
def log(x):
    near, e = _log_terms(x)
    return _as_log(x, near + e * LOG2LOW + e * LOG2HIGH)


@by_type(lambda x: np.log2(x))
def log2(x):
    near, e = _log_terms(x)
    return _as_log(x, near * LOG2E + e)


@by_type(lambda x: np.log10(x))
def log10(x):
    near, e = _log_terms(x)
    return _as_log(x, near * LOG10E + (near * LOG10LOW + e * LOG10OF2LOW) + e * LOG10OF2HIGH)


@by_type(lambda x: np.log1p(x))
def log1p(x):
    whole = F(1) + x
    lost = x - (whole - F(1)) if abs(x) < F(1) else F(1) - (whole - x)
    y = log(whole) + lost / whole
    return y if whole > 0 and whole < F(np.inf) else log(whole)


@by_type(lambda x: np.log1p(x))
def log1p_unit(x):
    """log(1 + x) for 0 <= x <= 1."""
    return _near_log(x)


@by_type(lambda x: np.log1p(-x))
def log_complement(x):
    """log(1 - x) for 0 <= x <= 1, else nan or a number of no meaning."""
    near = _near_log(-x)
    return near if x < F(0.5) else log(F(1) - x)


@by_type(lambda x: np.tanh(x))
def tanh(x):
    size = abs(x)
    z = size * size
    near = x + x * (z * _tanh(z))
    far = F(1) - F(2) / (exp(F(2) * size) + F(1))
    far = -far if x < 0 else far
    return near if size < F(0.625) else far


@in_loops
def sigmoid(x):
    e = exp(-abs(x))
    return (e if x < 0 else F(1)) / (F(1) + e)


@in_loops
def softplus(x):
    """log(1 + exp(x))."""
    return (x if x > 0 else F(0)) + log1p_unit(exp(-abs(x)))


_centre_32, _tail_32 = polynomial(CENTRE_32), polynomial(TAIL_32)
_centre_64, _tail_64 = (polynomial(c, np.float64) for c in (CENTRE_64, TAIL_64))


@in_loops
def _erf_64(x):
    size = 6.0 if abs(x) > 6.0 else abs(x)
    square = size * size
    centre = x * _centre_64(2 * square - 1)
    tail = 1 - np.exp(-square) * _tail_64((2 / (1 + 0.4 * size) - (LOW + HIGH)) / (HIGH - LOW))
    return centre if size < 1 else (tail if x > 0 else -tail)


@by_type(lambda x: _erf_64(x))
def erf(x):
    size = F(6) if abs(x) > F(6) else abs(x)
    square = size * size
    centre = x * _centre_32(F(2) * square - F(1))
    u = (F(2) / (F(1) + F(0.4) * size) - F(LOW + HIGH)) * F(1 / (HIGH - LOW))
    tail = F(1) - exp(-square) * _tail_32(u)
    return centre if size < F(1) else (tail if x > 0 else -tail)
