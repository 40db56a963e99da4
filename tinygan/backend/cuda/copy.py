"""Copies from one memory order to another."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.mapping import empty
from tinygan.backend.cuda.source import Kernel, by_value
from tinygan.backend.kernels import launches

WORDS = (1, 2, 4, 8)
DIMS = 6  # loops at most
LOOPS = np.dtype([("sizes", np.int32, DIMS), ("to", np.int64, DIMS), ("from", np.int64, DIMS)])
THREADS, BLOCKS = 256, 2048  # of a block, and at most: then a thread does more
TILE = 32
LEAST = 16  # rows and columns from which a tile pays

_copy = Kernel("copy.cu", "copy", (*WORDS, 16))
_transpose = Kernel("copy.cu", "transpose", WORDS)
_fill = Kernel("copy.cu", "fill", WORDS)

Loop = tuple[int, int, int]  # how often, and the steps in the result and in the source


def copy(x: Any, y: Any) -> bool:
    """y[...] = x, of the same type, by a launch; False if they are too large or too scattered."""
    if x.shape != y.shape or x.dtype != y.dtype or y.itemsize not in WORDS:
        return False
    if not y.size:
        return True
    places = x.data.ptr | y.data.ptr | 16
    plan = _plan(y.shape, y.itemsize, y.strides, x.strides, places & -places)
    if plan is None:
        return False
    launch, grid, block, arguments = plan
    launch(grid, block, (x, y, *arguments))
    return True


def fill(y: Any, value: Any) -> bool:
    """y[...] = a number, by a launch; False as for `copy`."""
    found = None if y.itemsize not in WORDS else _everywhere(y.shape, y.itemsize, y.strides)
    if found is None:
        return False
    if y.size:
        _fill[y.itemsize](grid_of(y.size), (THREADS,), (word_of(value, y.dtype), y, *found))
    return True


def word_of(value: Any, dtype: Any) -> np.uint64:
    """The bytes of a number as the kernels take them."""
    return np.uint64(int.from_bytes(np.array(value, dtype).tobytes(), "little"))


def grid_of(size: int) -> tuple[int]:
    """Blocks for so many threads."""
    return (min(BLOCKS, -(-size // THREADS)),)


def is_dense(x: Any) -> bool:
    """Whether its numbers lie one after the other, in whatever order."""
    order = sorted(range(x.ndim), key=lambda d: -x.strides[d])
    return bool(x.flags.c_contiguous or x.transpose(order).flags.c_contiguous)


@launches
def clone(x: Any, *, out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    return y if copy(x, y) else NotImplemented


@launches
def contiguous(x: Any, *, out: Any = None) -> Any:
    y = backend_for("cuda").xp.empty(x.shape, x.dtype) if out is None else out
    return y if copy(x, y) else NotImplemented


@launches
def reshape(x: Any, *, shape: tuple[int, ...], out: Any = None) -> Any:
    """A view where the numbers can stay where they are."""
    if out is None:
        if _stays(x.shape, x.strides, shape):
            return x.reshape(shape)
        y = contiguous(x)
        return y if y is NotImplemented else y.reshape(shape)
    if not out.flags.c_contiguous:
        return NotImplemented
    return out if copy(x, out.reshape(x.shape)) else NotImplemented


@launches
def channels_last(x: Any, *, out: Any = None) -> Any:
    if out is None:
        n, c, h, w = x.shape
        out = backend_for("cuda").xp.empty((n, h, w, c), x.dtype).transpose(0, 3, 1, 2)
    return out if copy(x, out) else NotImplemented


# -- plans ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _plan(
    shape: tuple[int, ...],
    itemsize: int,
    to: tuple[int, ...],
    start: tuple[int, ...],
    alignment: int,
) -> Any:
    """A launch, its grid and block, and its arguments but for the arrays."""
    loops = _loops(shape, itemsize, to, start)
    if loops is None or prod(shape) >= 1 << 31:
        return None
    rows = next((loop for loop in loops[:-1] if loop[2] == 1 and loop[0] >= LEAST), None)
    columns = loops[-1]
    if rows is not None and columns[1] == 1 and columns[0] >= LEAST:
        outer = [loop for loop in loops[:-1] if loop is not rows]
        sizes = np.int32(rows[0]), np.int32(columns[0]), np.int64(columns[2]), np.int64(rows[1])
        blocks = prod([loop[0] for loop in outer])
        blocks *= -(-rows[0] // TILE) * -(-columns[0] // TILE)
        tiles = (table_of(outer), np.int32(len(outer)), *sizes)
        return _transpose[itemsize], (blocks,), (TILE, 8), tiles
    word, loops = _wider(loops, itemsize, alignment)
    size = prod([loop[0] for loop in loops])
    arguments = (table_of(loops), np.int32(len(loops)), np.uint32(size))
    return _copy[word], grid_of(size), (THREADS,), arguments


@lru_cache(maxsize=4096)
def _everywhere(shape: tuple[int, ...], itemsize: int, strides: tuple[int, ...]) -> Any:
    """The loops over one array as kernels take them, and their number and size."""
    loops = _loops(shape, itemsize, strides, strides)
    if loops is None or prod(shape) >= 1 << 31:
        return None
    return table_of(loops), np.int32(len(loops)), np.uint32(prod(shape))


def _loops(
    shape: tuple[int, ...], itemsize: int, to: tuple[int, ...], start: tuple[int, ...]
) -> list[Loop] | None:
    """As few loops as can be, in the order of the result; steps are counted in numbers."""
    if any(step % itemsize for step in (*to, *start)):
        return None
    loops = [(n, t // itemsize, s // itemsize) for n, t, s in zip(shape, to, start, strict=True)]
    loops = merged(sorted(loops, key=lambda loop: (-abs(loop[1]), -abs(loop[2]))))
    return loops if len(loops) <= DIMS else None


def merged(loops: list[Any]) -> list[Any]:
    """Loops (how often, steps) made one where their numbers follow each other; at least one."""
    result: list[Any] = []
    for n, *steps in loops:
        if result and list(result[-1][1:]) == [n * step for step in steps]:
            result[-1] = (result[-1][0] * n, *steps)
        elif n > 1:
            result.append((n, *steps))
    return result or [(1, 0, 0)]


@lru_cache(maxsize=4096)
def _stays(shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether an array can be seen under a new shape: dimensions that share a size are in order."""
    if 0 in shape:
        return True
    rest = prod(shape) // -prod(new) if -1 in new else 1  # what -1 stands for
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    sizes = [n for n in [rest if n == -1 else n for n in new] if n != 1]
    while old:
        n, joined = sizes.pop(0), [old.pop(0)]
        while n != prod([m for m, _ in joined]):
            if n < prod([m for m, _ in joined]):
                n *= sizes.pop(0)
            else:
                joined.append(old.pop(0))
        if any(s != m * t for (_, s), (m, t) in pairwise(joined)):
            return False
    return True


def _wider(loops: list[Loop], itemsize: int, alignment: int) -> tuple[int, list[Loop]]:
    """The widest words that can be copied, and the loops over them."""
    n, *steps = loops[-1]
    for word in (16, 8, 4, 2):
        k = word // itemsize
        if k > 1 and alignment >= word and steps == [1, 1] and n % k == 0:
            if any(t % k or s % k for _, t, s in loops[:-1]):
                continue
            outer = [(m, t // k, s // k) for m, t, s in loops[:-1]]
            return word, [*outer, (n // k, 1, 1)]
    return itemsize, loops


def table_of(loops: list[Any], kind: np.dtype[Any] = LOOPS) -> np.ndarray:
    """The loops as the structure that kernels take."""
    table = np.zeros((), kind)
    for name, column in zip(kind.names or (), zip(*loops, strict=True), strict=False):
        table[name][: len(loops)] = column
    return by_value(table)
