"""Functions of numbers, applied to every element of arrays that broadcast: one launch each.

A function takes up to four operands. The innermost loop runs over numbers that lie one after the
other; an operand that does not is brought into a small buffer first, a number as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numba import types

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, in_loops, inlined, native, take
from tinygan.backend.cpu.loops import DEPTH, PIECE, SPARE, move, numbers_at, plan, spare
from tinygan.backend.cpu.memory import address
from tinygan.backend.cpu.native import call6
from tinygan.backend.layout import Where, common_order

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
BOOL, INTEGER = np.dtype(np.bool_), np.dtype(np.int64)
KINDS = {t: np.empty(0, t) for t in (*FLOATS, BOOL, INTEGER)}
BYTES, HALVES, WORDS = (np.empty(0, t) for t in (np.uint8, np.uint32, np.uint64))
OPERANDS = 4
BUFFERED = 512  # numbers at a time where an operand needs a buffer
EXACT = 1 << 53  # up to it integers are floats
SMALL = 1 << 14  # numbers that NumPy computes as fast
PARALLEL = 1 << 14  # numbers from which waking other threads costs less than it brings

# In place it works block by block in memory of its own: the compiler makes vectors only for a loop
# that does not write what it reads.
LOOP = """
def {name}(y, a, b, c, d, count):
    own = {in_place}
    block = SPARE if own else max(count, 1)
    buffer = spare(0)
    for first in range(0, count, block):
        number = min(block, count - first)
        result = numbers_at(buffer if own else y, number, RESULT)
        {reads}
        for i in range(number):
            result[i] = function({values})
        if own:
            move(y + first * RESULT.itemsize, buffer, number * RESULT.itemsize)
    return 0
"""


class Mapped:
    """A function of numbers for arrays: `mapped(x, y, out=out)`, also with numbers for arrays.

    The result has the operands' type, or is of booleans (`truth`); with `masked` the first
    operand is an array of booleans, with `logic` the others may be too, with `integers` also of
    int64.
    """

    launches = True

    def __init__(
        self,
        function: Callable[..., Any],
        exact: bool,
        truth: bool,
        masked: bool,
        logic: bool,
        integers: bool,
    ) -> None:
        self.function = function
        self.small = SMALL if exact else 0
        self.truth, self.masked = truth, masked
        self.types = (*FLOATS, *(BOOL,) * logic, *(INTEGER,) * integers)
        self.inner: dict[np.dtype[Any], int] = {}

    def __call__(self, *operands: Any, out: Any = None) -> Any:
        dtype: Any = None
        largest = 0
        for i, x in enumerate(operands):
            if isinstance(x, np.ndarray):
                if x.size > largest:
                    largest = x.size
                if i or not self.masked:
                    if dtype is None:
                        dtype = x.dtype
                    elif x.dtype != dtype:
                        return NotImplemented
                elif x.dtype != BOOL:
                    return NotImplemented
        if largest < self.small and threads.recording.tape is None:
            return NotImplemented
        if dtype is None and out is not None:
            dtype = out.dtype
        if dtype is None or dtype not in self.types:
            return NotImplemented
        given_numbers = [x for x in operands if not isinstance(x, np.ndarray)]
        if dtype == INTEGER and any(
            not float(x).is_integer() or abs(x) > EXACT for x in given_numbers
        ):
            return NotImplemented
        given = BOOL if self.truth else dtype
        if out is not None and out.dtype != given:
            return NotImplemented
        layout = _layout(
            None if out is None else (out.shape, out.strides),
            given.itemsize,
            1 if self.masked else dtype.itemsize,
            dtype.itemsize,
            *[(x.shape, x.strides) if isinstance(x, np.ndarray) else None for x in operands],
        )
        if layout is None:
            return NotImplemented
        shape, inverse, size, table, cut, chunks = layout
        if out is None:
            out = (
                np.empty(shape, given)
                if inverse is None
                else np.empty(shape, given).transpose(inverse)
            )
        if not size:
            return out
        numbers = _constants(dtype, *map(repr, map(float, given_numbers)))
        places = [0] * OPERANDS
        place = address(numbers)
        for i, x in enumerate(operands):
            if isinstance(x, np.ndarray):
                places[i] = address(x)
            else:
                places[i] = place
                place += dtype.itemsize
        inner = self.loop(dtype)
        number = threads.get_num_threads() if size > PARALLEL else 1
        threads.run(_map, chunks, (inner, numbers, table, cut, address(out), *places), number)
        return out

    def loop(self, dtype: np.dtype[Any]) -> int:
        """The address of the innermost loop for a type: (y, a, b, c, d, count)."""
        return self.inner.get(dtype) or self._compile(dtype)

    def _compile(self, dtype: np.dtype[Any]) -> int:
        function = self.function
        code, name = function.__code__, f"{function.__name__}_{dtype.name}"
        operands = "abcd"[: code.co_argcount]
        kinds = ["FIRST" if x == "a" and self.masked else "KIND" for x in operands]
        reads = [
            f"{x}_ = numbers_at({x} + first * {k}.itemsize, number, {k})"
            for x, k in zip(operands, kinds, strict=True)
        ]
        values = ", ".join(f"{x}_[i]" for x in operands)
        in_place = " or ".join(f"y == {x}" for x in operands)
        loop = LOOP.strip().format(name=name, reads="; ".join(reads), values=values,
                                   in_place=in_place)  # fmt: skip
        names: dict[str, Any] = {
            "__name__": function.__module__,
            "numbers_at": numbers_at,
            "spare": spare,
            "move": move,
            "SPARE": SPARE,
            "function": in_loops(function),
            "KIND": KINDS[dtype],
            "FIRST": KINDS[BOOL],
            "RESULT": KINDS[BOOL if self.truth else dtype],
        }
        exec(compile("\n" * code.co_firstlineno + loop, code.co_filename, "exec"), names)
        compiled_loop = native(*[types.int64] * 6)(names[name])
        self.inner[dtype] = compiled_loop.address
        _loops.append(compiled_loop)
        return int(compiled_loop.address)


_loops: list[Any] = []  # compiled code lives as long as what it belongs to


def mapped(
    function: Any = None,
    *,
    exact: bool = False,
    truth: bool = False,
    masked: bool = False,
    logic: bool = False,
    integers: bool = False,
) -> Any:
    """The kernel of a function of up to `OPERANDS` numbers.

    One that is `exact`, NumPy's results to the last bit, leaves small arrays to NumPy; another is
    always used, so that a step has the same results whether it is recorded or not.
    """
    if function is None:
        options = {"exact": exact, "truth": truth, "masked": masked, "logic": logic}
        return partial(mapped, **options, integers=integers)
    return Mapped(function, exact, truth, masked, logic, integers)


@lru_cache(maxsize=1024)
def _constants(dtype: np.dtype[Any], *numbers: str) -> np.ndarray:
    """The numbers as bytes: a copy of each that lives on."""
    with np.errstate(over="ignore"):  # as float32 a large number is infinite
        return np.array([float(x) for x in numbers]).astype(dtype).view(np.uint8)


@lru_cache(maxsize=8192)
def _layout(
    out: Where | None, given: int, first: int, item: int, *operands: Where | None
) -> tuple[Any, ...] | None:
    """How to run over operands.

    `given`, `first` and `item` are the bytes of the elements of the result, of the first operand
    and of the others. What is returned: the shape of the result's memory, how to transpose it
    (None: not at all), its size, the plan, how it is cut, and in how many chunks.
    """
    try:
        shape = np.broadcast_shapes(*[x[0] for x in operands if x is not None])
    except ValueError:
        return None
    size = int(np.prod(shape))
    order = list(range(len(shape)))
    if out is None:
        order = common_order(shape, [x for x in operands if x is not None])
        steps, reach = [0] * len(shape), item
        for d in reversed(order):
            steps[d] = reach
            reach *= shape[d]
    else:
        if out[0] != shape:
            return None
        steps = [s * item // given if not s % given else 1 for s in out[1]]
    strides = [tuple(steps)]
    for i, x in enumerate(operands):
        if x is None:
            strides.append((0,) * len(shape))
            continue
        own = first if i == 0 else item
        missing = len(shape) - len(x[0])
        scaled = [0 if n == 1 else s * item // own for n, s in zip(*x, strict=True)]
        strides.append((0,) * missing + tuple(scaled))
    table = plan(shape, item, *strides) if size else np.ones((DEPTH, 1), np.int64)
    if table is None or (size > 1 and table[-1, 1] != 1):
        return None
    unused = np.zeros((DEPTH, OPERANDS - len(operands)), np.int64)
    unused[-1] = 1
    table = np.concatenate([table, unused], 1)
    rows, width = int(np.prod(table[:-1, 0])), int(table[-1, 0])
    buffered = bool((table[-1, 2:] != 1).any())
    columns = max(min(width, BUFFERED if buffered else PIECE), 1)
    tiles = rows * -(-width // columns) if size else 0
    together = max(1, PIECE // columns)
    cut = np.array([columns, tiles, together, given, first, item, buffered])
    turned = order != list(range(len(shape)))
    inverse = [order.index(d) for d in range(len(shape))] if turned else None
    memory = tuple(shape[d] for d in order)
    return memory, inverse, size, table, cut, -(-tiles // together)


@inlined
def _offset(table, column, place):
    """How many numbers into an array a place in all four loops is."""
    i, j, k, n = place
    return i * table[0, column] + j * table[1, column] + k * table[2, column] + n * table[3, column]


@inlined
def _collect(x, step, count, buffer, kind):
    """Bring numbers that are `step` apart into a buffer."""
    to = numbers_at(buffer, count, kind)
    if step == 0:
        value = numbers_at(x, 1, kind)[0]
        for k in range(count):
            to[k] = value
    else:
        for k in range(count):
            to[k] = numbers_at(x + k * step * kind.itemsize, 1, kind)[0]


@compiled
def _map(counters, inner, numbers, table, cut, y, a, b, c, d):
    columns, tiles, together = cut[0], cut[1], cut[2]
    across = -(-table[3, 0] // columns)
    buffers = np.empty(cut[6] * OPERANDS * BUFFERED, np.uint64)
    operands = (a, b, c, d)
    places = np.empty(OPERANDS, np.int64)
    filled = np.zeros(OPERANDS, np.bool_)  # with one number for all places
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for tile in range(chunk * together, min(tiles, (chunk + 1) * together)):
            row = tile // across
            left = (tile - row * across) * columns
            width = min(columns, table[3, 0] - left)
            i = j = k = 0
            if row:
                j = row // table[2, 0]
                k = row - j * table[2, 0]
                i = j // table[1, 0]
                j -= i * table[1, 0]
            place = (i, j, k, left)
            for n in range(OPERANDS):
                item = cut[4] if n == 0 else cut[5]
                step = table[3, n + 2]
                x = operands[n] + _offset(table, n + 2, place) * item
                if step == 1:
                    places[n] = x
                elif not filled[n]:
                    same = table[0, n + 2] | table[1, n + 2] | table[2, n + 2] | step
                    filled[n] = same == 0
                    count = columns if filled[n] else width
                    buffer = buffers[n * BUFFERED :].ctypes.data
                    places[n] = buffer
                    if item == 1:
                        _collect(x, step, count, buffer, BYTES)
                    elif item == 4:
                        _collect(x, step, count, buffer, HALVES)
                    else:
                        _collect(x, step, count, buffer, WORDS)
            to = y + _offset(table, 1, place) * cut[3]
            call6(inner, to, places[0], places[1], places[2], places[3], width)
    return finish(counters, done)
