"""Loops over arrays of one shape, of whatever strides: how they are nested, and where they read."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import populate_array

from tinygan.backend.cpu.compile import LANES, inlined
from tinygan.backend.cpu.emit import WORD, Writer, word
from tinygan.backend.cpu.native import written

DEPTH = 4  # loops
PIECE = 1 << 14  # numbers in a chunk, about
SPARE = 512  # numbers at a time in memory of a thread's own

Strides = tuple[int, ...]


def nested(shape: tuple[int, ...], *strides: Strides) -> list[tuple[int, ...]]:
    """Dimensions (size, stride of each array), outermost first: in the order of the first array.

    What can be one loop is one, and loops that run once are left out.
    """
    given = [(n, *steps) for n, *steps in zip(shape, *strides, strict=True) if n != 1]
    given.sort(key=lambda dim: [-abs(step) for step in dim[1:]])
    dims: list[tuple[int, ...]] = []
    for size, *steps in given:
        if dims and all(a == size * b for a, b in zip(dims[-1][1:], steps, strict=True)):
            size *= dims.pop()[0]
        dims.append((size, *steps))
    return dims


@lru_cache(maxsize=4096)
def plan(shape: tuple[int, ...], itemsize: int, *strides: Strides) -> np.ndarray | None:
    """The loops as a table for kernels: rows of (size, strides in numbers), DEPTH of them.

    None where there are more, or where a stride is not a whole number of elements.
    """
    dims = nested(shape, *strides)
    if len(dims) > DEPTH or any(step % itemsize for dim in dims for step in dim[1:]):
        return None
    table = np.zeros((DEPTH, 1 + len(strides)), np.int64)
    table[:, 0] = 1
    for row, (size, *steps) in zip(table[DEPTH - len(dims) :], dims, strict=True):
        row[:] = size, *[step // itemsize for step in steps]
    table.setflags(write=False)
    return table


@written
def numbers_at(context: Any, address: Any, count: Any, like: Any) -> Any:
    """`count` numbers of the type of the array `like`, one after the other from an address on."""
    kind = types.Array(like.dtype, 1, "C")

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, count, _ = arguments
        array = context.make_array(kind)(context, builder)
        item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        word = count.type
        populate_array(
            array,
            data=builder.inttoptr(address, context.get_data_type(kind.dtype).as_pointer()),
            shape=cgutils.pack_array(builder, [count]),
            strides=cgutils.pack_array(builder, [word(item)]),
            itemsize=word(item),
            meminfo=None,
        )
        return array._getvalue()

    return kind(types.int64, types.int64, like), code


@written
def spare(context: Any, count: Any) -> Any:
    """The address of memory for SPARE numbers that lives as long as the calling function runs."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = cgutils.alloca_once(builder, WORD, size=SPARE)
        return builder.ptrtoint(place, WORD)

    return types.int64(types.int64), code


@written
def move(context: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy so many bytes from one address to another."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source, size = arguments
        target = builder.inttoptr(target, cgutils.voidptr_t)
        cgutils.raw_memcpy(builder, target, builder.inttoptr(source, cgutils.voidptr_t), size, 1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), code


@written
def transpose_tile(context: Any, x: Any, x_row: Any, y: Any, y_row: Any) -> Any:
    """Copy LANES x LANES words of 4 bytes, transposed; rows are that many bytes apart."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_row, y, y_row = arguments
        write = Writer(builder)

        def at(start: Any, step: Any, row: int) -> Any:
            return write.floats(builder.add(start, builder.mul(step, word(row))))

        rows = [write.load(at(x, x_row, i)) for i in range(LANES)]
        for i, row in enumerate(write.transposed(rows)):
            write.store(row, at(y, y_row, i))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), code


@inlined
def place(plan, array, row):
    """How far into an array the innermost loop starts for the `row`-th time, in numbers."""
    offset = 0
    for level in range(plan.shape[0] - 2, -1, -1):
        outer = row // plan[level, 0]
        offset += (row - outer * plan[level, 0]) * plan[level, array]
        row = outer
    return offset
