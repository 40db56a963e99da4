"""Gather and scatter: an index for every place along a dimension. See `indexing`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.changes import write
from tinygan.backend.cuda.copy import THREADS, WORDS, copy, fill, grid_of, is_dense
from tinygan.backend.cuda.indexing import INTEGER, pick, steps, walk_of
from tinygan.backend.cuda.mapping import empty
from tinygan.backend.cuda.source import C_NAMES, FLOATS, Kernel
from tinygan.backend.kernels import launches

OWNER = np.dtype(np.int32)

_add_places = Kernel("indexing.cu", "add_places", FLOATS)
_claim = Kernel("indexing.cu", "claim")
_put = Kernel("indexing.cu", "put", WORDS, (0, 1))


@launches
def gather(x: Any, index: Any, *, dim: int, out: Any = None) -> Any:
    y = backend_for("cuda").xp.empty(index.shape, x.dtype) if out is None else out
    start = _without(steps(x), dim)
    return y if pick(x, index, y, dim, start, steps(index)) else NotImplemented


@launches
def gather_grad(x: Any, index: Any, *, dim: int, shape: tuple[int, ...], out: Any = None) -> Any:
    y = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    if x.dtype not in C_NAMES or y.dtype != x.dtype or index.dtype != INTEGER:
        return NotImplemented
    part = y[tuple([slice(None if d == dim else n) for d, n in enumerate(index.shape)])]
    along = tuple([int(d == dim) for d in range(y.ndim)])
    start, at = (_without(steps(a), dim) for a in (x, index))
    walk = walk_of(part.shape, steps(part), start, at, along)
    if walk is None or (part.shape != y.shape and not fill(y, 0)):
        return NotImplemented
    if part.size:
        lines = np.int64(steps(x)[dim]), np.int64(steps(index)[dim]), np.int32(index.shape[dim])
        arguments = (x, index, part, *walk, *lines)
        _add_places[x.dtype](grid_of(part.size), (THREADS,), arguments)
    return y


@launches
def scatter(x: Any, index: Any, src: Any, *, dim: int, out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    return y if copy(x, y) and _scattered(y, index, src, dim) else NotImplemented


@launches
def put(x: Any, value: Any, index: Any, *, out: Any = None) -> Any:
    y = backend_for("cuda").xp.empty(x.shape, x.dtype) if out is None else out
    if not y.flags.c_contiguous or not copy(x, y):
        return NotImplemented
    if not isinstance(value, (int, float)):
        value = backend_for("cuda").xp.broadcast_to(value, index.shape)
    flat = y.reshape(-1)
    return y if _scattered(flat, index, value, None) else NotImplemented


def _scattered(y: Any, index: Any, source: Any, dim: int | None) -> bool:
    """Put the source into y where the index says; of several for one place the last stays.

    `dim` None: y is a vector, and every number of the index a place in it.
    """
    contested = not isinstance(source, (int, float)) and source.size > 1
    if isinstance(source, (int, float)):
        number = backend_for("cuda").xp.empty((), y.dtype)
        if not fill(number, source):
            return False
        source = backend_for("cuda").xp.broadcast_to(number, index.shape)
    if source.dtype != y.dtype or y.itemsize not in WORDS or index.dtype != INTEGER:
        return False
    to = (0,) * index.ndim if dim is None else _without(steps(y), dim)
    walk = walk_of(index.shape, to, steps(source), steps(index), sort=False)
    if walk is None or not is_dense(y):
        return False
    step = np.int64(steps(y)[dim or 0])
    grid = grid_of(index.size)
    owner: Any = index  # nobody asks for it
    if index.size and contested:
        owner = empty([y], OWNER)
        if not write(owner, -1):
            return False
        _claim[()](grid, (THREADS,), (index, owner, *walk, step))
    if index.size:
        _put[y.itemsize, int(contested)](grid, (THREADS,), (source, index, owner, y, *walk, step))
    return True


def _without(steps: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """The steps, none along a dimension."""
    return (*steps[:dim], 0, *steps[dim + 1 :])
