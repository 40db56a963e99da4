"""Changes in place, as launches."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import elementwise, threads
from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.copy import copy, fill

INTEGER = np.dtype(np.int64)


def add_to(x: Any, value: Any) -> Any:
    """x += value: a number to a count, or an array of the same shape and type."""
    if x.dtype == INTEGER and not x.ndim and type(value) is int:
        threads.run(_count, 1, (x, value), 1)
        return x
    if getattr(value, "shape", None) != x.shape or value.dtype != x.dtype:
        return NotImplemented
    return elementwise.add(x, value, alpha=1, out=x)


def assign(x: Any, value: Any) -> Any:
    """x[...] = value, a number or an array of the same shape and type."""
    if not x.flags.writeable:
        return NotImplemented
    if isinstance(value, (int, float)):
        return x if fill(x, value) else NotImplemented
    if not isinstance(value, np.ndarray):
        return NotImplemented
    if np.may_share_memory(x, value) or not copy(value, x):
        return NotImplemented
    return x


@compiled
def _count(counters, x, amount):
    done = 0
    while take(counters) >= 0:
        done += 1
        x[()] += amount
    return finish(counters, done)
