"""Gather and scatter: an index for every place along a dimension. See `indexing`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import lines
from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.copy import copy, fill
from tinygan.backend.cpu.indexing import INTEGER, WORDS, left_to_numpy
from tinygan.backend.cpu.lines import FLOATS
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.kernels import launches


@launches
def gather(x: Any, index: Any, *, dim: int, out: Any = None) -> Any:
    if left_to_numpy(index.size) or not x.size:
        return NotImplemented
    y = np.empty(index.shape, x.dtype) if out is None else out
    found = _lines_of(dim, index, x[_region(x, index, dim)], y)
    if found is None or y.itemsize not in WORDS:
        return NotImplemented
    places, numbers, results = found
    word: Any = WORDS[x.itemsize]
    lines.run(_gather, results, (numbers.view(word), places, results.view(word)))
    return y


@launches
def gather_grad(x: Any, index: Any, *, dim: int, shape: tuple[int, ...], out: Any = None) -> Any:
    y = np.empty(shape, x.dtype) if out is None else out
    if x.dtype not in FLOATS or not x.size or not y.size:
        return NotImplemented
    region = _region(y, index, dim)
    part = y[region]
    target = y if part.shape == y.shape else scratch(part.shape, y.dtype)
    found = _lines_of(dim, index, x, target)
    if found is None or (target is not y and not fill(y, 0)):
        return NotImplemented
    places, numbers, results = found
    lines.run(_gather_grad, results, (numbers, places, results))
    return y if target is y or copy(target, part) else NotImplemented


@launches
def scatter(x: Any, index: Any, src: Any, *, dim: int, out: Any = None) -> Any:
    if left_to_numpy(x.size) or not index.size or x.dtype not in FLOATS:
        return NotImplemented
    if not isinstance(src, np.ndarray):
        source = scratch(index.shape, x.dtype)
        fill(source, src)
    elif src.dtype == x.dtype:
        source = np.broadcast_to(src, index.shape)
    else:
        return NotImplemented
    y = np.empty_like(x) if out is None else out
    part = y[_region(y, index, dim)]
    target = y if part.shape == y.shape else scratch(part.shape, y.dtype)
    if not copy(x, y) or (target is not y and not copy(part, target)):
        return NotImplemented
    found = _lines_of(dim, index, source, target)
    if found is None:
        return NotImplemented
    places, numbers, results = found
    lines.run(_scatter, results, (numbers, places, results))
    return y if target is y or copy(target, part) else NotImplemented


@launches
def put(x: Any, value: Any, index: Any, *, out: Any = None) -> Any:
    if out is None or not out.flags.c_contiguous or not copy(x, out):
        return NotImplemented
    flat = out.reshape(-1)
    if isinstance(value, np.ndarray):
        value = _flat(np.broadcast_to(value, index.shape))
    index = _flat(index)
    if index is None or value is None:
        return NotImplemented
    done = scatter(flat, index, value, dim=0, out=flat)
    return done if done is NotImplemented else out


def _flat(x: np.ndarray) -> np.ndarray | None:
    """x in row-major order, copied by a launch where it lies otherwise."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    dense = scratch(x.shape, x.dtype)
    return dense.reshape(-1) if copy(x, dense) else None


def _region(x: np.ndarray, index: np.ndarray, dim: int) -> tuple[slice, ...]:
    """The part of x that an index reaches, whose other sizes may be smaller."""
    return tuple(slice(None if d == dim else n) for d, n in enumerate(index.shape))


def _lines_of(dim: int, index: Any, x: Any, y: Any) -> Any:
    """Index, x and y as lines along a dimension, None where that cannot be; y is no copy."""
    order = lines.order_of(y)
    if index.dtype != INTEGER or not y.transpose(order).flags.c_contiguous:
        return None
    found = [lines.as_lines(a, order, (dim,)) for a in (index, x, y)]
    return None if any(a is None for a in found) else found


# -- kernels --------------------------------------------------------------------------------------


@inlined
def _inside(k, x):
    return 0 <= k < x.shape[1]


@compiled
def _gather(counters, x, index, y, group, share):
    nothing = ~x.dtype.type(0)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, y, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, y, group)
            for i in range(y.shape[1]):
                for c in range(start, end):
                    k = index[n, i, c]
                    y[n, i, c] = x[n, k, c] if _inside(k, x) else nothing
    return finish(counters, done)


@compiled
def _gather_grad(counters, x, index, y, group, share):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, y, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, y, group)
            for k in range(y.shape[1]):
                y[n, k, start:end] = 0
            for i in range(x.shape[1]):
                for c in range(start, end):
                    k = index[n, i, c]
                    if _inside(k, y):
                        y[n, k, c] += x[n, i, c]
    return finish(counters, done)


@compiled
def _scatter(counters, x, index, y, group, share):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, y, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, y, group)
            outside = 0
            for i in range(x.shape[1]):
                for c in range(start, end):
                    k = index[n, i, c]
                    if _inside(k, y):
                        y[n, k, c] = x[n, i, c]
                    else:
                        outside += 1
            if outside:
                for i in range(x.shape[1]):
                    for c in range(start, end):
                        if not _inside(index[n, i, c], y):
                            y[n, :, c] = np.nan
    return finish(counters, done)
