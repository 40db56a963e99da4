"""Extremes along dimensions and where they are, counts of what is not 0, and running sums.

All are NumPy's results to the last bit, so small arrays are left to NumPy outside of a recording.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import lines, threads
from tinygan.backend.cpu.compile import LANES, compiled, finish, inlined, take
from tinygan.backend.cpu.extreme_tiles import ABREAST, among, extreme, lane_of
from tinygan.backend.cpu.lines import FLOATS
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.kernels import launches
from tinygan.backend.layout import axes_of

INTEGER, BOOL = np.dtype(np.int64), np.dtype(np.bool_)
SMALL = 1 << 14  # numbers that NumPy takes as fast
PIECE = 1 << 14  # numbers of a long line in a chunk


def _left_to_numpy(x: Any, kinds: tuple[Any, ...]) -> bool:
    return x.dtype not in kinds or (x.size < SMALL and threads.recording.tape is None)


@launches
def amax(x: Any, *, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    return _extremes(x, dim, keepdim, 1, out)


@launches
def amin(x: Any, *, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    return _extremes(x, dim, keepdim, -1, out)


def _extremes(x: Any, dim: Any, keepdim: bool, sign: int, out: Any) -> Any:
    if _left_to_numpy(x, FLOATS):
        return NotImplemented
    found = lines.reduction(x, dim, keepdim, x.dtype, out)
    if found is None:
        return NotImplemented
    if found.x.shape[2] > 1:
        lines.run(_columns, found.x, (found.x, sign, found.y))
        return found.done()
    rows = found.x[:, :, 0]
    partial = _of_pieces(rows, sign)
    rows = partial if partial.size else rows
    _run(_rows, rows, (rows, sign, 1, found.y.reshape(-1)))
    return found.done()


def _of_pieces(rows: np.ndarray, sign: int) -> np.ndarray:
    """The extremes (R, P) of the pieces of long rows; of none, (R, 0), if they are short."""
    pieces = -(-rows.shape[1] // PIECE)
    partial = scratch((len(rows), pieces if pieces > 1 else 0), rows.dtype)
    if partial.size:
        _run(_rows, rows, (rows, sign, pieces, partial.reshape(-1)))
    return partial


@launches
def argmax(x: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    return _places(x, dim, keepdim, 1, out)


@launches
def argmin(x: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    return _places(x, dim, keepdim, -1, out)


def _places(x: Any, dim: int | None, keepdim: bool, sign: int, out: Any) -> Any:
    order = tuple(range(x.ndim)) if dim is None else None  # in which places are counted
    if _left_to_numpy(x, FLOATS):
        return NotImplemented
    found = lines.reduction(x, dim, keepdim, INTEGER, out, order)
    if found is None:
        return NotImplemented
    if found.x.shape[2] > 1:
        lines.run(_column_places, found.x, (found.x, sign, found.y))
    else:
        rows = found.x[:, :, 0]
        _run(_row_places, rows, (rows, sign, 1, _of_pieces(rows, sign), found.y.reshape(-1)))
    return found.done()


@launches
def any(x: Any, *, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    return _counted(x, dim, keepdim, "any", out)


@launches
def all(x: Any, *, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    return _counted(x, dim, keepdim, "all", out)


@launches
def count_nonzero(x: Any, *, dim: Any = None, out: Any = None) -> Any:
    return _counted(x, dim, False, "count", out)


def _counted(x: Any, dim: Any, keepdim: bool, asked: str, out: Any) -> Any:
    axes = axes_of(x.ndim, dim) or ()
    order = (*[d for d in range(x.ndim) if d not in axes], *sorted(axes))
    if axes and len(axes) == x.ndim:
        order = lines.order_of(x)
    dtype = INTEGER if asked == "count" else BOOL
    if _left_to_numpy(x, (*FLOATS, BOOL)):
        return NotImplemented
    found = lines.reduction(x, dim, keepdim, dtype, out, order)
    if found is None:
        return NotImplemented
    rows = found.x[:, :, 0]
    pieces = -(-rows.shape[1] // PIECE)
    partial = scratch(len(rows) * pieces, INTEGER)
    _run(_counts, rows, (rows, 0, pieces, partial))
    least = {"count": -1, "any": 0, "all": rows.shape[1] - 1}[asked]
    threads.run(_decide, 1, (partial, pieces, least, found.y.reshape(-1)), 1)
    return found.done()


@launches
def cumsum(x: Any, *, dim: int, dtype: Any = None, out: Any = None) -> Any:
    if _left_to_numpy(x, FLOATS) or not x.size or not x.ndim or dtype not in (None, x.dtype):
        return NotImplemented
    result = np.empty_like(x) if out is None else out
    order = lines.order_of(result)
    if result.dtype != x.dtype or not result.transpose(order).flags.c_contiguous:
        return NotImplemented
    x, y = (lines.as_lines(a, order, (dim % x.ndim,)) for a in (x, result))
    if x is None or y is None:
        return NotImplemented
    lines.run(_running, x, (x, y))
    return result


def _run(kernel: Any, rows: np.ndarray, arguments: tuple[Any, ...]) -> None:
    """A launch over rows, each in pieces, of which a chunk has some."""
    pieces = arguments[2]
    share = max(1, lines.SHARE // rows.shape[1]) if pieces == 1 else 1
    number = threads.get_num_threads() if rows.size > lines.PARALLEL else 1
    threads.run(kernel, -(-len(rows) // share) * pieces, (*arguments, share), number)


# -- kernels --------------------------------------------------------------------------------------


@inlined
def _pieces(chunk, rows, columns, pieces, share):
    """The rows of a chunk, and which of their columns."""
    if pieces == 1:
        return chunk * share, min((chunk + 1) * share, rows), 0, columns
    row = chunk // pieces
    start = (chunk - row * pieces) * PIECE
    return row, row + 1, start, min(start + PIECE, columns)


@compiled
def _rows(counters, x, sign, pieces, y, share):
    sign = x.dtype.type(sign)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last, start, end = _pieces(chunk, len(x), x.shape[1], pieces, share)
        for row in range(first, last):
            place = row if pieces == 1 else chunk
            at = x.ctypes.data + (row * x.shape[1] + start) * x.itemsize
            y[place] = extreme(at, end - start, sign) * sign
    return finish(counters, done)


@inlined
def _place(xs, sign):
    """Where the extreme of some numbers is first, or the first NaN."""
    size = xs.itemsize
    lanes = LANES * 4 // size
    top = extreme(xs.ctypes.data, xs.size, sign) * sign
    place, lane = 0, lanes
    while place + ABREAST * lanes <= xs.size and not among(xs.ctypes.data + place * size, top):
        place += ABREAST * lanes
    while lane == lanes:
        lane = lane_of(xs.ctypes.data + place * size, xs.size - place, top)
        place += lane
    return place


@compiled
def _row_places(counters, x, sign, pieces, partial, y, share):
    """`partial` has the extremes of the rows' pieces, if those are more than one."""
    sign = x.dtype.type(sign)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last, _, _ = _pieces(chunk, len(x), x.shape[1], pieces, share)
        for row in range(first, last):
            if partial.size == 0:
                y[row] = _place(x[row], sign)
            else:
                start = _place(partial[row], sign) * PIECE
                y[row] = start + _place(x[row, start : start + PIECE], sign)
    return finish(counters, done)


@compiled
def _columns(counters, x, sign, y, group, share):
    sign = x.dtype.type(sign)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, x, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, x, group)
            ys = y[n, start:end]
            ys[:] = x[n, 0, start:end]
            for i in range(1, x.shape[1]):
                xs = x[n, i, start:end]
                for c in range(xs.size):
                    v = xs[c] * sign
                    ys[c] = xs[c] if v > ys[c] * sign or v != v else ys[c]
    return finish(counters, done)


@compiled
def _column_places(counters, x, sign, y, group, share):
    sign = x.dtype.type(sign)
    tops = np.empty(group, x.dtype)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, x, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, x, group)
            ys, top = y[n, start:end], tops[: end - start]
            ys[:] = 0
            for c in range(top.size):
                top[c] = x[n, 0, start + c] * sign
            for i in range(1, x.shape[1]):
                xs = x[n, i, start:end]
                for c in range(xs.size):
                    v = xs[c] * sign
                    better = v > top[c] or (v != v and top[c] == top[c])
                    ys[c] = i if better else ys[c]
                    top[c] = v if better else top[c]
    return finish(counters, done)


@compiled
def _counts(counters, x, _, pieces, y, share):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last, start, end = _pieces(chunk, len(x), x.shape[1], pieces, share)
        for row in range(first, last):
            xs = x[row, start:end]
            count = 0
            for i in range(len(xs)):
                count += xs[i] != 0
            y[row if pieces == 1 else chunk] = count
    return finish(counters, done)


@compiled
def _decide(counters, counts, pieces, least, y):
    """The counts, or whether they are above `least`, if that is not below 0."""
    done = 0
    while take(counters) >= 0:
        done += 1
        for row in range(y.size):
            count = 0
            for piece in range(row * pieces, (row + 1) * pieces):
                count += counts[piece]
            y[row] = count if least < 0 else count > least
    return finish(counters, done)


@compiled
def _running(counters, x, y, group, share):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, x, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, x, group)
            y[n, 0, start:end] = x[n, 0, start:end]
            for i in range(1, x.shape[1]):
                xs, before, ys = x[n, i, start:end], y[n, i - 1, start:end], y[n, i, start:end]
                for c in range(xs.size):
                    ys[c] = before[c] + xs[c]
    return finish(counters, done)
