"""Tables of parameters: many arrays for one launch.

What a kernel needs of the arrays is in a table, a row by parameter: the first of its chunks, its
size, the addresses of the parameter, its gradient, its state arrays (0 for one that is not there)
and its step count. The last thread to finish counts the steps.
"""

from __future__ import annotations

from operator import is_
from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import finish, inlined
from tinygan.backend.cpu.copy import copy
from tinygan.backend.cpu.loops import nested, numbers_at
from tinygan.backend.cpu.memory import address, scratch

KINDS = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}
STEP = np.empty(0, np.float32)
PARALLEL = 1 << 16  # numbers from which waking other threads costs less than it brings
PIECE = 1 << 13  # numbers per chunk

Arrays = list[Any]
CHUNK, SIZE, PARAMETER, GRADIENT, STATE = range(5)  # columns of the table


def over(
    kernel: Any,
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    state: list[Arrays],
    step: Any,
    hyper: Any,
    choices: tuple[bool, ...],
) -> Any:
    """Launch the kernel over all parameters; step: one for each, one for all, or None."""
    recorded = threads.recording.tape is not None
    known: tuple[Arrays, np.ndarray, np.ndarray, int] | None = memory.get("table")
    arrays = [p, *state, step if isinstance(step, list) else [step]]
    if recorded or known is None or not _same(known[0], arrays):
        table = _table(p, state, arrays[-1])
        if table is None:
            return NotImplemented
        steps = np.array([0 if s is None else address(s) for s in arrays[-1]])
        chunks = int(table[-1, CHUNK]) - (-int(table[-1, SIZE]) // PIECE)
        known = ([list(column) for column in arrays], table, steps, chunks)
        if not recorded:
            memory["table"] = known
    _, table, steps, chunks = known
    placed: list[np.ndarray] = []  # keeps copies alive
    for gradient, x in zip(g, p, strict=True):
        same = _like(gradient, x)
        if same is None:
            return NotImplemented
        placed.append(same)
    table[:, GRADIENT] = [address(x) for x in placed]
    number = threads.get_num_threads() if chunks * PIECE > PARALLEL else 1
    arguments = (KINDS[p[0].dtype], table, steps, hyper, *choices)
    threads.run(kernel, max(chunks, 1), arguments, number)
    return None


def _same(known: list[Arrays], arrays: list[Arrays]) -> bool:
    return all(len(a) == len(b) and all(map(is_, a, b)) for a, b in zip(known, arrays, strict=True))


def _table(p: Arrays, state: list[Arrays], steps: Arrays) -> np.ndarray | None:
    """The table but for the gradients; None if these arrays are left to the reference."""
    table = np.zeros((len(p), STATE + len(state) + 1), np.int64)
    chunk = 0
    for i, x in enumerate(p):
        own = [column[i] for column in state]
        if x.dtype != p[0].dtype or x.dtype not in KINDS or not _dense(x):
            return None
        if any(s is not None and (s.dtype != x.dtype or s.strides != x.strides) for s in own):
            return None
        step = steps[min(i, len(steps) - 1)]
        if step is not None and step.dtype != np.float32:
            return None
        places = [0 if a is None else address(a) for a in (*own, step)]
        table[i] = chunk, x.size, address(x), 0, *places
        chunk += -(-x.size // PIECE)
    return table


def _dense(x: np.ndarray) -> bool:
    """Whether its numbers lie one after the other, in whatever order."""
    return x.flags.c_contiguous or [d[1] for d in nested(x.shape, x.strides)] == [x.itemsize]


def _like(gradient: np.ndarray, p: np.ndarray) -> np.ndarray | None:
    """The gradient in the memory order of its parameter; None where it cannot be copied."""
    if gradient.dtype != p.dtype:
        return None
    if gradient.strides == p.strides or (gradient.flags.c_contiguous and p.flags.c_contiguous):
        return gradient
    order = sorted(range(p.ndim), key=lambda d: -p.strides[d])
    same = scratch([p.shape[d] for d in order], p.dtype)
    if not copy(gradient.transpose(order), same):
        return None
    return same


# -- in kernels ------------------------------------------------------------------------------------


@inlined
def find_row(table, row, chunk):
    """The row that a chunk belongs to, from an earlier one on."""
    while row + 1 < table.shape[0] and table[row + 1, CHUNK] <= chunk:
        row += 1
    return row


@inlined
def part(table, row, chunk, column, kind):
    """The numbers of an array in a chunk; none if there is no such array."""
    start = (chunk - table[row, CHUNK]) * PIECE
    count = min(PIECE, table[row, SIZE] - start)
    place = table[row, column]
    return numbers_at(place + start * kind.itemsize, count if place else 0, kind)


@inlined
def update_number(table, row):
    """The number of this update of a parameter."""
    return np.float64(numbers_at(table[row, table.shape[1] - 1], 1, STEP)[0]) + 1


@inlined
def counted(counters, done, steps):
    """Finish; who is last counts the updates."""
    last = finish(counters, done)
    if last:
        for i in range(len(steps)):
            if steps[i]:
                numbers_at(steps[i], 1, STEP)[0] += np.float32(1)
    return last
