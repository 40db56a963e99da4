"""Picking rows by index and its adjoints, which add: in the order of the index, as NumPy does.

What adds is split over results, so several indices for one place are added up by one thread.
While nothing is recorded an index out of range is left to NumPy, which raises an error. A
recorded step looks at no values: there a place outside gives nan (in integers -1).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygan.backend.cpu import lines, threads
from tinygan.backend.cpu.compile import compiled, finish
from tinygan.backend.cpu.compile import take as take_chunk
from tinygan.backend.cpu.lines import FLOATS
from tinygan.backend.kernels import launches

INTEGER = np.dtype(np.int64)
SMALL = 1 << 14  # numbers that NumPy picks as fast
WORDS = {4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}
COLUMNS, PARTS = 512, 16  # of a result that is added to: columns in a chunk, and at least chunks


@launches
def check_index(index: Any, *, size: int, negative: bool, op: str, out: Any = None) -> Any:
    """In a recorded step: what picks by the index looks whether it is in range."""
    flat = _flat(index)
    if out is None or flat is None or not out.flags.c_contiguous or out.dtype != INTEGER:
        return NotImplemented
    shift = size if negative else 0
    threads.run(_counted_from_the_front, 1, (flat, shift, out.reshape(-1)), 1)
    return out


def _flat(index: Any) -> Any:
    """An index in the order of C, None if kernels do not take it."""
    if index.dtype != INTEGER or not index.size:
        return None
    found = lines.as_lines(index, tuple(range(index.ndim)), ())
    return None if found is None else found.reshape(-1)


def left_to_numpy(size: int) -> bool:
    return size == 0 or (size < SMALL and threads.recording.tape is None)


@launches
def take(x: Any, index: Any, *, dim: int, out: Any = None) -> Any:
    shape = (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :])
    if left_to_numpy(prod(shape)) or x.itemsize not in WORDS:
        return NotImplemented
    flat = _flat(index)
    y = np.empty(shape, x.dtype) if out is None else out
    order = lines.order_of(y) if index.ndim == 1 else tuple(range(x.ndim))
    rows = lines.as_lines(x, order, (dim,))
    if index.ndim == 1 and y.transpose(order).flags.c_contiguous:
        y = y.transpose(order)
    if rows is None or flat is None or not y.flags.c_contiguous:
        return NotImplemented
    _pick(rows, flat, y.reshape(len(rows), flat.size, rows.shape[2]))
    return y if out is None else out


@launches
def embedding(input: Any, weight: Any, *, padding_idx: int | None = None, out: Any = None) -> Any:
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        return NotImplemented
    return _rows(weight, input, -1, out)


@launches
def looked_up(x: Any, input: Any, *, padding_idx: int | None, out: Any = None) -> Any:
    return _rows(x, input, -1 if padding_idx is None else padding_idx % len(x), out)


def _rows(table: Any, index: Any, zero: int, out: Any) -> Any:
    y = np.empty((*index.shape, *table.shape[1:]), table.dtype) if out is None else out
    if table.ndim != 2 or not y.size or table.itemsize not in WORDS:
        return NotImplemented
    if not y.flags.c_contiguous or not _in_range(index, len(table)):
        return NotImplemented
    rows, flat = lines.as_lines(table, (0, 1), (0,)), _flat(index)
    if rows is None or flat is None:
        return NotImplemented
    _pick(rows, flat, y.reshape(1, flat.size, -1), zero)
    return y


def _in_range(index: np.ndarray, size: int) -> bool:
    """Whether an index can be used; a recorded one can."""
    return threads.recording.tape is not None or bool(
        index.min(initial=0) >= 0 and index.max(initial=0) < size
    )


def _pick(x: np.ndarray, index: np.ndarray, y: np.ndarray, zero: int = -1) -> None:
    """y[n, i] = x[n, index[i]], 0 where the index is `zero`, of contiguous arrays."""
    word: Any = WORDS[4]
    share = max(1, lines.SHARE // y.shape[2])
    number = threads.get_num_threads() if y.size > lines.PARALLEL else 1
    arguments = (x.view(word), index, y.view(word), zero, share)
    threads.run(_pick_rows, -(-len(y) * index.size // share), arguments, number)


@launches
def take_grad(x: Any, index: Any, *, dim: int, size: int, out: Any = None) -> Any:
    shape = (*x.shape[:dim], size, *x.shape[dim + index.ndim :])
    if x.dtype not in FLOATS or not x.size or not size:
        return NotImplemented
    y = np.empty(shape, x.dtype) if out is None else out
    alone = index.ndim == 1  # then y may lie as x does
    order = lines.order_of(y) if alone else tuple(range(x.ndim))
    turned = y.transpose(order) if alone else y
    rows, flat = lines.as_lines(x, order, (dim,) if alone else ()), _flat(index)
    if rows is None or flat is None or not turned.flags.c_contiguous:
        return NotImplemented
    if not alone:
        rows = rows.reshape(prod(shape[:dim]), index.size, -1)
    _add_up(rows, flat, turned.reshape(len(rows), size, rows.shape[2]))
    return y


@launches
def embedding_grad(
    g: Any, input: Any, *, count: int, padding_idx: int | None, out: Any = None
) -> Any:
    if g.dtype not in FLOATS or not g.size or not count or not _in_range(input, count):
        return NotImplemented
    y = np.empty((count, g.shape[-1]), g.dtype) if out is None else out
    rows, flat = lines.as_lines(g, tuple(range(g.ndim)), ()), _flat(input)
    if rows is None or flat is None or not y.flags.c_contiguous:
        return NotImplemented
    skipped = -1 if padding_idx is None else padding_idx % count
    _add_up(rows.reshape(1, flat.size, -1), flat, y[None], skipped)
    return y


def _add_up(x: np.ndarray, index: np.ndarray, y: np.ndarray, skipped: int = -1) -> None:
    """y[n, k] = the sum of x[n, i] over all i with index[i] = k, but 0 for k = `skipped`."""
    outer, size, columns = y.shape
    group = min(columns, COLUMNS)
    pieces = outer * -(-columns // group)
    height = -(-size // max(1, PARTS // pieces))
    arguments = (x, index, y, skipped, height, group)
    number = threads.get_num_threads() if max(x.size, y.size) > lines.PARALLEL else 1
    threads.run(_add_rows, pieces * -(-size // height), arguments, number)


@launches
def one_hot(x: Any, *, num_classes: int, out: Any = None) -> Any:
    y = np.empty((*x.shape, num_classes), INTEGER) if out is None else out
    flat = _flat(x)
    if not y.size or flat is None or not y.flags.c_contiguous or not _in_range(x, num_classes):
        return NotImplemented
    share = max(1, lines.SHARE // num_classes)
    number = threads.get_num_threads() if y.size > lines.PARALLEL else 1
    arguments = (flat, y.reshape(flat.size, num_classes), share)
    threads.run(_one_hot, -(-x.size // share), arguments, number)
    return y


# -- kernels --------------------------------------------------------------------------------------


@compiled
def _counted_from_the_front(counters, index, size, y):
    done = 0
    while take_chunk(counters) >= 0:
        done += 1
        for i in range(len(index)):
            y[i] = index[i] + size if index[i] < 0 else index[i]
    return finish(counters, done)


@compiled
def _pick_rows(counters, x, index, y, zero, share):
    nothing = ~x.dtype.type(0)  # the bits of a nan
    count = len(index)
    done = 0
    while True:
        chunk = take_chunk(counters)
        if chunk < 0:
            break
        done += 1
        for row in range(chunk * share, min((chunk + 1) * share, len(y) * count)):
            n = row // count
            i = row - n * count
            k = index[i]
            ys = y[n, i]
            if k == zero:
                ys[:] = 0
            elif 0 <= k < x.shape[1]:
                xs = x[n, k]
                for c in range(ys.size):
                    ys[c] = xs[c]
            else:
                ys[:] = nothing
    return finish(counters, done)


@compiled
def _add_rows(counters, x, index, y, skipped, height, group):
    parts = (y.shape[1] + height - 1) // height
    groups = (y.shape[2] + group - 1) // group
    done = 0
    while True:
        chunk = take_chunk(counters)
        if chunk < 0:
            break
        done += 1
        n = chunk // (parts * groups)
        part = chunk // groups % parts
        start = chunk % groups * group
        end = min(start + group, y.shape[2])
        first, last = part * height, min((part + 1) * height, y.shape[1])
        for k in range(first, last):
            y[n, k, start:end] = 0
        for i in range(len(index)):
            k = index[i]
            if first <= k < last and k != skipped:
                xs, ys = x[n, i, start:end], y[n, k, start:end]
                for c in range(ys.size):
                    ys[c] += xs[c]
    return finish(counters, done)


@compiled
def _one_hot(counters, index, y, share):
    done = 0
    while True:
        chunk = take_chunk(counters)
        if chunk < 0:
            break
        done += 1
        for i in range(chunk * share, min((chunk + 1) * share, len(index))):
            k = index[i]
            found = 0 <= k < y.shape[1]
            y[i] = 0 if found else -1
            if found:
                y[i, k] = 1
    return finish(counters, done)
