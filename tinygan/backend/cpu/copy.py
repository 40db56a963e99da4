"""Copies from one memory order to another."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import LANES, compiled, finish, inlined, take
from tinygan.backend.cpu.loops import PIECE, Strides, numbers_at, place, plan, transpose_tile
from tinygan.backend.cpu.memory import address, scratch
from tinygan.backend.kernels import launches
from tinygan.backend.layout import order_of_copy

PARALLEL = 1 << 17  # bytes from which waking other threads costs less than it brings
ROWS, COLUMNS = 16, 4096  # of what is copied at a time
KINDS = {size: np.empty(0, f"u{size}") for size in (1, 2, 4, 8)}  # copied as words of that size


def copy(x: np.ndarray, out: np.ndarray) -> bool:
    """out[...] = x, of the same type, by a launch; False if there are too many dimensions."""
    kind = KINDS.get(out.itemsize)
    if x.shape != out.shape or x.dtype != out.dtype or kind is None:
        return False
    table = _table(out.shape, out.itemsize, out.strides, x.strides)
    if table is None:
        return False
    if out.size:
        sizes = table[:, 0].tolist()
        rows, columns = min(sizes[2], ROWS), min(sizes[3], COLUMNS)
        tiles = sizes[0] * sizes[1] * -(-sizes[2] // rows) * -(-sizes[3] // columns)
        together = max(1, PIECE // (rows * columns))
        number = threads.get_num_threads() if out.nbytes > PARALLEL else 1
        arguments = (kind, address(x), address(out), table, tiles, together)
        threads.run(_copy, -(-tiles // together), arguments, number)
    return True


def fill(out: np.ndarray, value: float) -> bool:
    """out[...] = value, by a launch; False if there are too many dimensions."""
    number = np.full((), value, out.dtype)
    if threads.recording.tape is not None:
        threads.recording.tape.keep(number)
    return copy(np.broadcast_to(number, out.shape), out)


def ordered(x: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """x itself if its dimensions lie in memory in this order, outermost first, else a copy.

    The copy is scratch memory and has the shape of `x`.
    """
    turned = x.transpose(order)
    if turned.flags.c_contiguous and turned.flags.aligned:
        return x
    result = scratch(turned.shape, x.dtype)
    if not copy(turned, result):
        raise NotImplementedError(f"no copy of an array of {x.ndim} dimensions and {x.dtype}")
    return result.transpose([order.index(d) for d in range(x.ndim)])


def fits(x: Any) -> bool:
    """Whether `ordered` can copy x."""
    return x.ndim <= 4 and x.itemsize in KINDS


@launches
def clone(x: Any, *, out: Any = None) -> Any:
    if out is None and threads.recording.tape is None and x.nbytes < PARALLEL:
        return NotImplemented
    result = np.empty_like(x, order=order_of_copy(x)) if out is None else out
    return result if copy(x, result) else NotImplemented


@launches
def contiguous(x: Any, *, out: Any = None) -> Any:
    result = np.empty(x.shape, x.dtype) if out is None else out
    return result if copy(x, result) else NotImplemented


@launches
def reshape(x: Any, *, shape: tuple[int, ...], out: Any = None) -> Any:
    """Where the numbers cannot stay where they are."""
    if out is None or not out.flags.c_contiguous:
        return NotImplemented
    return out if copy(x, out.reshape(x.shape)) else NotImplemented


@launches
def channels_last(x: Any, *, out: Any = None) -> Any:
    if out is None:
        n, c, h, w = x.shape
        out = np.empty((n, h, w, c), x.dtype).transpose(0, 3, 1, 2)
    return out if copy(x, out) else NotImplemented


@lru_cache(maxsize=4096)
def _table(shape: tuple[int, ...], itemsize: int, to: Strides, start: Strides) -> np.ndarray | None:
    """The plan, in its last two loops the dimensions that are next to each other in memory."""
    table = plan(shape, itemsize, to, start)
    if table is None:
        return None
    steps = np.where(table[:, 0] > 1, abs(table[:, 2]), np.iinfo(np.int64).max)
    nearest = int(np.argmin(steps[:3]))
    if table[3, 2] != 1 and nearest < 2:
        table = table.copy()
        table[[nearest, 2]] = table[[2, nearest]]
        table.setflags(write=False)  # as the plan is, or the kernel would be compiled once more
    return table


@inlined
def _each(kind, x, x_row, x_step, y, y_row, y_step, top, bottom, left, right):
    """Copy the numbers of a rectangle one by one."""
    item = kind.itemsize
    for row in range(top, bottom):
        for k in range(left, right):
            value = numbers_at(x + item * (row * x_row + k * x_step), 1, kind)[0]
            numbers_at(y + item * (row * y_row + k * y_step), 1, kind)[0] = value


@compiled
def _copy(counters, kind, x, y, table, tiles, together):
    rows, columns = min(table[2, 0], ROWS), min(table[3, 0], COLUMNS)
    across = -(-table[3, 0] // columns)
    down = -(-table[2, 0] // rows)
    item = kind.itemsize
    y_row, x_row = table[2, 1], table[2, 2]
    y_step, x_step = table[3, 1], table[3, 2]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for tile in range(chunk * together, min(tiles, (chunk + 1) * together)):
            outer = tile // (across * down)
            i = tile // across % down * rows
            j = tile % across * columns
            height, width = min(rows, table[2, 0] - i), min(columns, table[3, 0] - j)
            first = outer * table[2, 0] + i
            to = y + item * (place(table, 1, first) + j * y_step)
            start = x + item * (place(table, 2, first) + j * x_step)
            if x_step == 1 and y_step == 1:
                for row in range(height):
                    xs = numbers_at(start + item * row * x_row, width, kind)
                    ys = numbers_at(to + item * row * y_row, width, kind)
                    for k in range(width):
                        ys[k] = xs[k]
            elif x_step == 0 and y_step == 1:
                for row in range(height):
                    value = numbers_at(start + item * row * x_row, 1, kind)[0]
                    ys = numbers_at(to + item * row * y_row, width, kind)
                    for k in range(width):
                        ys[k] = value
            elif item == 4 and x_row == 1 and y_step == 1:
                last_row, last = height - height % LANES, width - width % LANES
                for row in range(0, last_row, LANES):
                    for k in range(0, last, LANES):
                        source, target = start + 4 * (row + k * x_step), to + 4 * (row * y_row + k)
                        transpose_tile(source, 4 * x_step, target, 4 * y_row)
                _each(kind, start, 1, x_step, to, y_row, 1, 0, last_row, last, width)
                _each(kind, start, 1, x_step, to, y_row, 1, last_row, height, 0, width)
            else:
                _each(kind, start, x_row, x_step, to, y_row, y_step, 0, height, 0, width)
    return finish(counters, done)
