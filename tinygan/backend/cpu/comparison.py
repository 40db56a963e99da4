"""Comparisons, logic and selection in one pass over memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.loops import PIECE
from tinygan.backend.cpu.mapping import BOOL, FLOATS, INTEGER, PARALLEL, mapped
from tinygan.backend.cpu.memory import flat
from tinygan.backend.kernels import launches

INFINITE = np.float32(np.inf)


@mapped(exact=True, truth=True, integers=True)
def eq(x, other):
    return x == other


@mapped(exact=True, truth=True, integers=True)
def ne(x, other):
    return x != other


@mapped(exact=True, truth=True, integers=True)
def lt(x, other):
    return x < other


@mapped(exact=True, truth=True, integers=True)
def le(x, other):
    return x <= other


@mapped(exact=True, truth=True, integers=True)
def gt(x, other):
    return x > other


@mapped(exact=True, truth=True, integers=True)
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


@mapped(exact=True, masked=True, integers=True)
def where(condition, x, other):
    return x if condition else other


@launches
def masked_fill(x: Any, mask: Any, value: Any, *, out: Any = None) -> Any:
    return where(mask, value, x, out=out)


@launches
def cast(x: Any, *, dtype: Any, out: Any = None) -> Any:
    if out is None:
        return NotImplemented
    if x.dtype == BOOL:
        return where(x, 1.0, 0.0, out=out)
    numbers = flat(x, out)
    if numbers is None or x.dtype not in (*FLOATS, INTEGER) or out.dtype not in FLOATS:
        return NotImplemented
    number = threads.get_num_threads() if x.size > PARALLEL else 1
    threads.run(_converted, -(-x.size // PIECE), tuple(numbers), number)
    return out


@compiled
def _converted(counters, x, y):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for i in range(chunk * PIECE, min((chunk + 1) * PIECE, len(x))):
            y[i] = x[i]
    return finish(counters, done)
