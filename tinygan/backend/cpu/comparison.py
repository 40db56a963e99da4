"""Comparisons, logic and selection in one pass over memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu.mapping import BOOL, mapped
from tinygan.backend.kernels import launches

INFINITE = np.float32(np.inf)


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


@mapped(exact=True, truth=True)
def isnan(x):
    return x != x


@mapped(exact=True, truth=True)
def isinf(x):
    return np.abs(x) == INFINITE


@mapped(exact=True, truth=True)
def isfinite(x):
    return np.abs(x) < INFINITE


# -- logic ----------------------------------------------------------------------------------------


@mapped(exact=True, truth=True, logic=True)
def logical_and(x, other):
    return (x != 0) & (other != 0)


@mapped(exact=True, truth=True, logic=True)
def logical_or(x, other):
    return (x != 0) | (other != 0)


@mapped(exact=True, truth=True, logic=True)
def logical_xor(x, other):
    return (x != 0) != (other != 0)


@mapped(exact=True, truth=True, logic=True)
def logical_not(x):
    return x == 0


def _of_booleans(kernel: Any) -> Any:
    """The operation by bits, for booleans: that of logic."""

    @launches
    def by_bits(*operands: Any, out: Any = None) -> Any:
        if any(getattr(x, "dtype", None) != BOOL for x in operands):
            return NotImplemented
        return kernel(*operands, out=out)

    return by_bits


bitwise_and, bitwise_or, bitwise_xor, bitwise_not = map(
    _of_booleans, (logical_and, logical_or, logical_xor, logical_not)
)

# -- selection ------------------------------------------------------------------------------------


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
