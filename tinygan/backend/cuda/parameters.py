"""Tables of parameters: many arrays for one launch, by their addresses.

A table is an argument of the launch, passed by value: gradients may be elsewhere at every step,
and nothing is copied to the device to say where. An argument's size is limited, so that 60
parameters go into a launch and more take another one.
"""

from __future__ import annotations

from operator import is_
from typing import Any

import numpy as np

from tinygan.backend.cuda.copy import copy, is_dense
from tinygan.backend.cuda.mapping import empty
from tinygan.backend.cuda.sets import alike
from tinygan.backend.cuda.source import C_NAMES, Kernel, by_value

ROWS, COLUMNS = 60, 8
CHUNK, SIZE, PARAMETER, GRADIENT, STATE, STEP = 0, 1, 2, 3, 4, 7  # columns
TABLE = np.dtype([("rows", np.int64, (ROWS, COLUMNS)), ("found", np.int64)])
THREADS = 256
PIECE = 1024  # numbers that a block takes at least: a vector for each thread
BLOCKS = 2048  # from which a block takes more

Arrays = list[Any]


def over(
    kernel: Kernel,
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    state: list[Arrays],
    step: Any,
    hyper: Any,
    choices: tuple[bool, ...],
    found: Any = None,
) -> Any:
    """Launch the kernel over all parameters; step: one for each, one for all, or None.

    Where there is something in `found`, rules update nothing.
    """
    arrays = [p, *state, step if isinstance(step, list) else [step]]
    known = memory.get("table")
    if known is None or not _same(known[0], arrays):
        tables = _tables(p, state, arrays[-1])
        if tables is None:
            return NotImplemented
        known = memory["table"] = [list(column) for column in arrays], tables
    placed: list[Any] = []
    for gradient, x in zip(g, p, strict=True):
        placed.append(gradient if alike(gradient, x) else empty([x], x.dtype))
        if placed[-1] is not gradient and not copy(gradient, placed[-1]):
            return NotImplemented
    counts = [0 if step is None else ROWS for _ in known[1]]
    if step is not None and not isinstance(step, list):  # every launch reads it, the last counts
        counts = [0] * (len(counts) - 1) + [1]
    launch = kernel[p[0].dtype]
    options = [hyper, *map(np.int32, choices)]
    for i, (table, counted) in enumerate(zip(known[1], counts, strict=True)):
        there = placed[i * ROWS : (i + 1) * ROWS]
        table["rows"][: len(there), GRADIENT] = [x.data.ptr for x in there]
        table["found"] = 0 if found is None else found.data.ptr
        start(launch, table, len(there), min(counted, len(there)), options)
    return None


def start(launch: Any, table: np.ndarray, rows: int, counted: int, options: list[Any]) -> None:
    """Launch over the rows of a table, whose chunks are set here; the first `counted` steps count.

    Chunks are larger where there is much to do.
    """
    sizes = table["rows"][:rows, SIZE].tolist()
    length = PIECE * max(1, sum(sizes) // (PIECE * BLOCKS))
    first, firsts = 0, []
    for size in sizes:
        firsts.append(first)
        first += -(-size // length)
    table["rows"][:rows, CHUNK] = firsts
    numbers = map(np.int32, (rows, counted, length))
    launch((max(first, 1),), (THREADS,), (by_value(table), *numbers, *options))


def _same(known: list[Arrays], arrays: list[Arrays]) -> bool:
    return all(len(a) == len(b) and all(map(is_, a, b)) for a, b in zip(known, arrays, strict=True))


def _tables(p: Arrays, state: list[Arrays], steps: Arrays) -> list[np.ndarray] | None:
    """The tables but for gradients and chunks; None if these arrays are left to the reference."""
    tables = [np.zeros((), TABLE) for _ in range(0, len(p), ROWS)]
    for i, x in enumerate(p):
        own = [column[i] for column in state]
        if x.dtype != p[0].dtype or x.dtype not in C_NAMES or not is_dense(x):
            return None
        if any(s is not None and not alike(s, x) for s in own):
            return None
        step = steps[min(i, len(steps) - 1)]
        if step is not None and step.dtype != np.float32:
            return None
        row = tables[i // ROWS]["rows"][i % ROWS]
        row[[SIZE, PARAMETER, STEP]] = x.size, x.data.ptr, 0 if step is None else step.data.ptr
        row[STATE : STATE + len(own)] = [0 if s is None else s.data.ptr for s in own]
    return tables
