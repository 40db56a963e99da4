"""Picking rows by index, and the adjoints, which add; one-hot vectors.

An index out of range stops the device where it has not been checked before.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda import changes
from tinygan.backend.cuda.copy import DIMS, THREADS, WORDS, contiguous, grid_of, merged, table_of
from tinygan.backend.cuda.source import C_NAMES, FLOATS, Kernel
from tinygan.backend.kernels import launches

INTEGER = np.dtype(np.int64)
WALK = np.dtype(
    [("sizes", np.int32, DIMS)] + [(n, np.int64, DIMS) for n in ("to", "from", "at", "k")]
)
NOWHERE = -1  # no index

_pick = Kernel("indexing.cu", "pick", WORDS)
_add_rows = Kernel("indexing.cu", "add_rows", FLOATS)
_one_hot = Kernel("indexing.cu", "one_hot")

Steps = tuple[int, ...]


@launches
def take(x: Any, index: Any, *, dim: int, out: Any = None) -> Any:
    shape = (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :])
    y = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    return _picked(x, index, y, dim)


@launches
def embedding(input: Any, weight: Any, *, padding_idx: int | None = None, out: Any = None) -> Any:
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        return NotImplemented
    return _rows(weight, input, NOWHERE, out)


@launches
def looked_up(x: Any, input: Any, *, padding_idx: int | None, out: Any = None) -> Any:
    return _rows(x, input, NOWHERE if padding_idx is None else padding_idx % len(x), out)


def _rows(table: Any, index: Any, zero: int, out: Any) -> Any:
    index = as_int64(index)
    if table.ndim != 2 or index is None:
        return NotImplemented
    y = out
    if y is None:
        y = backend_for("cuda").xp.empty((*index.shape, table.shape[1]), table.dtype)
    return _picked(table, index, y, 0, zero)


def _picked(x: Any, index: Any, y: Any, dim: int, zero: int = NOWHERE) -> Any:
    within = (0,) * index.ndim
    start = (*steps(x)[:dim], *within, *steps(x)[dim + 1 :])
    at = ((0,) * dim, steps(index), (0,) * (x.ndim - dim - 1))
    return y if pick(x, index, y, dim, start, sum(at, ()), zero) else NotImplemented


def pick(
    x: Any, index: Any, y: Any, dim: int, start: Steps, at: Steps, zero: int = NOWHERE
) -> bool:
    """y = x picked along a dimension; of y's dimensions the steps in x and in the index."""
    walk = walk_of(y.shape, steps(y), start, at)
    if x.dtype != y.dtype or x.itemsize not in WORDS or index.dtype != INTEGER or walk is None:
        return False
    if y.size:
        along = np.int64(steps(x)[dim]), np.int64(x.shape[dim]), np.int64(zero)
        _pick[x.itemsize](grid_of(y.size), (THREADS,), (x, index, y, *walk, *along))
    return True


@launches
def take_grad(x: Any, index: Any, *, dim: int, size: int, out: Any = None) -> Any:
    shape = (*x.shape[:dim], size, *x.shape[dim + index.ndim :])
    y = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    return _added(x, index, y, dim, NOWHERE)


@launches
def embedding_grad(
    g: Any, input: Any, *, count: int, padding_idx: int | None, out: Any = None
) -> Any:
    y = backend_for("cuda").xp.empty((count, g.shape[-1]), g.dtype) if out is None else out
    index = as_int64(input)
    skipped = NOWHERE if padding_idx is None else padding_idx % count
    return NotImplemented if index is None else _added(g, index, y, 0, skipped)


def _added(x: Any, index: Any, y: Any, dim: int, skipped: int) -> Any:
    if index.ndim != 1:  # as one dimension
        x = x if x.flags.c_contiguous else contiguous(x)
        if x is NotImplemented:
            return NotImplemented
        x = x.reshape(*x.shape[:dim], index.size, *x.shape[dim + index.ndim :])
    if not index.flags.c_contiguous:
        index = contiguous(index)
    others = [d for d in range(y.ndim) if d != dim]
    rows = y.shape, steps(y), steps(x), (0,) * y.ndim
    shape, *rest = (tuple([row[d] for d in others]) for row in rows)
    walk = walk_of(shape, *rest)
    if x.dtype not in C_NAMES or y.dtype != x.dtype or index.dtype != INTEGER or walk is None:
        return NotImplemented
    if y.size:
        groups = -(-prod(shape) // THREADS)
        along = np.int64(steps(y)[dim]), np.int64(steps(x)[dim])
        numbers = np.int32(index.size), np.int32(groups), np.int64(skipped)
        arguments = (x, index, y, *walk, *along, *numbers)
        _add_rows[x.dtype]((y.shape[dim] * groups,), (THREADS,), arguments)
    return y


@launches
def one_hot(x: Any, *, num_classes: int, out: Any = None) -> Any:
    index = as_int64(x)
    y = backend_for("cuda").xp.empty((*x.shape, num_classes), INTEGER) if out is None else out
    if index is None or not y.flags.c_contiguous or y.size >= 1 << 31:
        return NotImplemented
    if y.size:
        index = index if index.flags.c_contiguous else contiguous(index)
        sizes = np.uint32(num_classes), np.uint32(y.size)
        _one_hot[()](grid_of(y.size), (THREADS,), (index, y, *sizes))
    return y


# -- walks ----------------------------------------------------------------------------------------


def as_int64(index: Any) -> Any:
    """An index of integers as the kernels take it, None if it is none."""
    if index.dtype == INTEGER:
        return index
    done = changes.cast(index, dtype=INTEGER) if index.dtype.kind in "iu" else NotImplemented
    return None if done is NotImplemented else done


def steps(x: Any) -> tuple[int, ...]:
    """The strides counted in numbers."""
    return tuple([step // x.itemsize for step in x.strides])


@lru_cache(maxsize=4096)
def walk_of(
    shape: Steps, to: Steps, start: Steps, at: Steps, k: Steps = (), *, sort: bool = True
) -> tuple[np.ndarray, np.int32, np.uint32] | None:
    """The loops over a result as kernels take them; None if there are too many, or numbers."""
    loops = list(zip(shape, to, start, at, k or (0,) * len(shape), strict=True))
    if sort:
        loops.sort(key=lambda loop: -abs(loop[1]))
    loops, size = merged(loops), prod(shape)
    if len(loops) > DIMS or size >= 1 << 31:
        return None
    return table_of(loops, WALK), np.int32(len(loops)), np.uint32(size)
