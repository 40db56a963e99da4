"""Sums and means over the rows of a matrix, over its columns, or over everything.

Within a piece numbers are added in their own type, many at a time; pieces, whose size does not
depend on the number of threads, are added in double precision and in order.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from tinygan.backend.cpu import blocks, lines, threads
from tinygan.backend.cpu.blocks import block
from tinygan.backend.cpu.compile import compiled, finish, inlined, summing, take
from tinygan.backend.cpu.loops import nested, numbers_at
from tinygan.backend.cpu.memory import address, scratch
from tinygan.backend.kernels import launches
from tinygan.backend.layout import axes_of

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
PIECE = 1 << 10  # numbers that are added in their own type
LINE = 1 << 14  # numbers in a chunk that is a part of a long line


@launches
def sum(
    x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None, out: Any = None
) -> Any:
    if dtype is not None and dtype != x.dtype:
        return NotImplemented
    return _reduced(x, axes_of(x.ndim, dim), keepdim, 1, out)


@launches
def mean(
    x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None, out: Any = None
) -> Any:
    if dtype is not None and dtype != x.dtype:
        return NotImplemented
    axes = axes_of(x.ndim, dim)
    count = prod([x.shape[d] for d in axes or ()])
    return _reduced(x, axes, keepdim, count, out)


@launches
def norm(x: Any, *, p: float, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    if p != 2:
        return NotImplemented
    return _reduced(x, axes_of(x.ndim, dim), keepdim, 1, out, squares=True)


@launches
def sum_to_size(x: Any, *, shape: tuple[int, ...], out: Any = None) -> Any:
    extra = x.ndim - len(shape)
    axes = tuple(d for d in range(x.ndim) if d < extra or shape[d - extra] != x.shape[d])
    y = _reduced(x, axes, True, 1, None if out is None else out.reshape((1,) * extra + shape))
    return y if y is NotImplemented else y.reshape(shape)


def _reduced(
    x: Any,
    axes: tuple[int, ...] | None,
    keepdim: bool,
    divisor: int,
    out: Any,
    squares: bool = False,
) -> Any:
    """sum(x over axes) / divisor, or sqrt(sum(x^2 over axes)), by launches."""
    if x.dtype not in FLOATS or not x.size or not x.flags.aligned or axes is None:
        return NotImplemented
    loops = _loops(x.shape, x.strides, axes, x.itemsize)
    if loops is not None and (loops[0] or not squares) and (out is None or out.flags.c_contiguous):
        kept = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
        shape = kept if keepdim else tuple(n for d, n in enumerate(x.shape) if d not in axes)
        y = np.empty(shape, x.dtype) if out is None else out
        _add_up(x, loops, divisor, squares, y.reshape(-1))
        return y
    found = lines.reduction(x, axes, keepdim, x.dtype, out) if axes else None
    if found is None:
        return NotImplemented
    outer, along, inner = found.x.shape
    if inner == 1 or (outer == 1 and not squares):
        loops = (True, outer, along, along) if inner == 1 else (False, along, inner, inner)
        _add_up(found.x, (*loops[:3], loops[3] * x.itemsize), divisor, squares, found.y.reshape(-1))
    else:
        lines.run(_middle, found.x, (found.x, divisor, squares, found.y))
    return found.done()


def _add_up(
    x: np.ndarray, loops: tuple[bool, int, int, int], divisor: int, squares: bool, y: np.ndarray
) -> None:
    by_row, rows, columns, step = loops
    if by_row:
        pieces = -(-columns // LINE)
        partial = scratch(rows * pieces, np.float64)
        number = threads.get_num_threads() if rows * columns > blocks.PARALLEL else 1
        share = max(1, LINE // columns)  # short lines in a chunk
        arguments = (address(x), step, rows, columns, pieces, share, partial, divisor, squares, y)
        threads.run(_rows, -(-rows // share) * pieces, arguments, number)
        if pieces > 1:
            threads.run(_merge_rows, 1, (partial, pieces, divisor, squares, y), 1)
        return
    cut = blocks.plan(rows, columns)
    partial = scratch((cut.blocks if cut.blocks > 1 else 0, columns), np.float64)
    where = (address(x), step, rows, cut.rows, cut.group)
    threads.run(_columns, cut.chunks, (*where, partial, divisor, y), cut.threads)
    if cut.blocks > 1:
        threads.run(_merge_columns, cut.groups, (partial, cut.group, divisor, y), cut.threads)


@lru_cache(maxsize=1024)
def _loops(
    shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...], size: int
) -> tuple[bool, int, int, int] | None:
    """x as a matrix: whether its lines are added up or its columns, rows, columns, bytes per row.

    None where it is none: its numbers side by side, the results in the order of memory.
    """
    order = np.empty(tuple(1 if d in axes else n for d, n in enumerate(shape)))
    marks = tuple(0 if d in axes else s for d, s in enumerate(order.strides))
    dims = nested(shape, strides, marks)
    if not dims:
        return True, 1, 1, 0
    if dims[-1][1] != size or len(dims) > 2:
        return None
    if len(dims) == 1:
        count, _, mark = dims[0]
        return (False, 1, count, 0) if mark else (True, 1, count, 0)
    (rows, step, outer), (columns, _, inner) = dims
    if bool(outer) == bool(inner) or (outer and outer != order.itemsize):
        return None
    if inner and inner != order.itemsize:
        return None
    return not inner, rows, columns, step


# -- kernels --------------------------------------------------------------------------------------


@summing
def _piece(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@summing
def _squares(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * x[i]
    return total


@inlined
def _total(x, squares):
    """The sum of an array or of its squares, PIECE numbers at a time."""
    total = 0.0
    start = 0
    while start < x.size:
        piece = x[start : start + PIECE]
        total += _squares(piece) if squares else _piece(piece)
        start += PIECE
    return total


@compiled
def _rows(counters, x, step, rows, columns, pieces, share, partial, divisor, squares, y):
    """y[row] = sum(x[row]) / divisor, or sqrt(sum(x[row]^2)).

    A chunk: some short lines, or a piece of a long one.
    """
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        if pieces > 1:
            line = numbers_at(x + chunk // pieces * step, columns, y)
            start = chunk % pieces * LINE
            partial[chunk] = _total(line[start : start + LINE], squares)
            continue
        for row in range(chunk * share, min((chunk + 1) * share, rows)):
            total = _total(numbers_at(x + row * step, columns, y), squares)
            y[row] = np.sqrt(total) if squares else total / divisor
    return finish(counters, done)


@compiled
def _merge_rows(counters, partial, pieces, divisor, squares, y):
    done = 0
    while take(counters) >= 0:
        done += 1
        for row in range(y.size):
            total = 0.0
            for piece in range(pieces):
                total += partial[row * pieces + piece]
            y[row] = np.sqrt(total) if squares else total / divisor
    return finish(counters, done)


@compiled
def _columns(counters, x, step, count, rows, group, partial, divisor, y):
    """y[column] = sum(x[:, column]) / divisor, if there is but one block of rows."""
    numbers, totals = np.empty(group, y.dtype), np.empty(group)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        r, last, start, end = block(chunk, (count, y.size), rows, group)
        b = r // rows
        total, sums = totals[: end - start], numbers[: end - start]
        total[:] = 0
        sums[:] = 0
        while r + 4 <= last:
            x0 = numbers_at(x + r * step, y.size, y)[start:end]
            x1 = numbers_at(x + (r + 1) * step, y.size, y)[start:end]
            x2 = numbers_at(x + (r + 2) * step, y.size, y)[start:end]
            x3 = numbers_at(x + (r + 3) * step, y.size, y)[start:end]
            for c in range(sums.size):
                sums[c] += (x0[c] + x1[c]) + (x2[c] + x3[c])
            r += 4
            if r % PIECE < 4:
                for c in range(sums.size):
                    total[c] += sums[c]
                sums[:] = 0
        while r < last:
            x0 = numbers_at(x + r * step, y.size, y)[start:end]
            for c in range(sums.size):
                sums[c] += x0[c]
            r += 1
        for c in range(sums.size):
            total[c] += sums[c]
        for c in range(sums.size):
            if partial.size:
                partial[b, start + c] = total[c]
            else:
                y[start + c] = total[c] / divisor
    return finish(counters, done)


@compiled
def _merge_columns(counters, partial, group, divisor, y):
    """A chunk: a group of columns."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for c in range(chunk * group, min((chunk + 1) * group, y.size)):
            total = 0.0
            for b in range(partial.shape[0]):
                total += partial[b, c]
            y[c] = total / divisor
    return finish(counters, done)


@compiled
def _middle(counters, x, divisor, squares, y, group, share):
    """y[n, c] = sum(x[n, :, c]) / divisor, or sqrt(sum(x[n, :, c]^2))."""
    numbers = np.empty(group, x.dtype)
    totals = np.empty(group, np.float64)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, x, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, x, group)
            sums, total = numbers[: end - start], totals[: end - start]
            total[:] = 0
            for begin in range(0, x.shape[1], PIECE):
                sums[:] = 0
                for i in range(begin, min(begin + PIECE, x.shape[1])):
                    xs = x[n, i, start:end]
                    if squares:
                        for c in range(xs.size):
                            sums[c] += xs[c] * xs[c]
                    else:
                        for c in range(xs.size):
                            sums[c] += xs[c]
                for c in range(sums.size):
                    total[c] += sums[c]
            for c in range(total.size):
                y[n, start + c] = np.sqrt(total[c]) if squares else total[c] / divisor
    return finish(counters, done)
