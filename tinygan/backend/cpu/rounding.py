"""Factors rounded to half the bits in one pass over memory, as `tinygan.backend.rounding` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend import rounding
from tinygan.backend.cpu.mapping import mapped
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.cpu.polynomials import bits as bits_of
from tinygan.backend.cpu.polynomials import number as of_bits

F, INT = np.float32, np.int32
LEAST, MOST = F(2**-14), F(65520)  # of float16: with all its bits; rounded to infinity
EVENLY = F(0.75)  # its last bit is 2^-24, that of the smallest numbers of float16
INFINITE = F(np.inf)


@mapped(exact=True)
def _float16(x):
    size = np.abs(x)
    bits = bits_of(size)
    nearest = of_bits((bits + (INT(0xFFF) + ((bits >> INT(13)) & INT(1)))) & INT(~0x1FFF))
    nearest = (size + EVENLY) - EVENLY if size < LEAST else nearest
    nearest = INFINITE if size >= MOST else nearest
    return np.copysign(nearest, x) if x == x else x


@mapped(exact=True)
def _bfloat16(x):
    bits = bits_of(x)
    nearest = of_bits((bits + (INT(0x7FFF) + ((bits >> INT(16)) & INT(1)))) & INT(~0xFFFF))
    return nearest if x == x else x


KERNELS = {"float16": _float16, "bfloat16": _bfloat16}


def rounded(x: Any, precision: str | None) -> Any:
    """x with its numbers rounded, in memory of its own that lies as x does."""
    if precision is None or x.dtype != np.float32:
        return x
    order = sorted(range(x.ndim), key=lambda d: -x.strides[d])
    own = scratch([x.shape[d] for d in order], x.dtype)
    own = own.transpose([order.index(d) for d in range(x.ndim)])
    done = KERNELS[precision](x, out=own)
    if done is NotImplemented:
        with np.errstate(over="ignore"):
            return rounding.rounded(np, x, precision)
    return done
