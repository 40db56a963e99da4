"""Sets of numbers in memory, as sets.cuh has them: how they lie, and how threads share them.

All of it follows from shapes and strides alone, so that results do as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tinygan.backend.cuda.source import FLOATS, Launch, by_value

THREADS = 256  # of a block
FULL = 264  # blocks that fill a large device
ALONE = 16  # units of work for a thread from which sets are cut into pieces

Loop = tuple[int, int]  # how often, and how far from one to the next

TABLE = np.dtype(
    [
        ("count", np.int32), ("inner", np.int32),
        ("outer_step", np.int64), ("inner_step", np.int64),
        ("size", np.int32), ("width", np.int32),
        ("line_step", np.int64), ("step", np.int64),
        ("along", np.int32), ("by_line", np.int32), ("pieces", np.int32),
    ],
    align=True,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sets:
    """A plan: the kernels that it is for have its table as their first parameter."""

    count: int  # of sets
    size: int  # numbers in a set
    vector: int  # whether a unit of work is 16 bytes, else it is a number
    blocks: int  # without pieces
    pieces: int  # for reductions
    shares: int  # pieces where every number is written
    tables: dict[int, np.ndarray]  # by the number of pieces

    def launch(self, kernel: Launch, pieces: int, *arguments: Any) -> None:
        kernel((self.blocks * pieces,), (THREADS,), (self.tables[pieces], *arguments))


def sets_of(x: Any, dims: Iterable[int], *, numbered: bool = True) -> Sets | None:
    """How the sets lie that x has over `dims`, from its front; None if not as a kernel takes.

    They are numbered as their dimensions are, or, where it does not matter, as they lie.
    """
    if x.dtype not in FLOATS or not 0 < x.size < 1 << 31:
        return None
    return _plan(x.shape, x.strides, tuple(sorted(dims)), x.itemsize, numbered)


def alike(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape and type lie in the same order."""
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    return x.strides == y.strides or all(
        n == 1 or s == t for n, s, t in zip(x.shape, x.strides, y.strides, strict=True)
    )


@lru_cache(maxsize=1024)
def _plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dims: tuple[int, ...],
    size: int,
    numbered: bool,
) -> Sets | None:
    loops = [(n, s // size) for n, s in zip(shape, strides, strict=True)]
    if any(s % size for s in strides):
        return None
    others = [loops[d] for d in range(len(shape)) if d not in dims]
    kept = _merged(others if numbered else _as_they_lie(others))
    inside = _merged(_as_they_lie([loops[d] for d in dims]))
    if len(kept) > 2 or len(inside) > 2:
        return None
    (outer, inner), (lines, width) = [[(1, 0)] * (2 - len(two)) + two for two in (kept, inside)]
    return _planned(outer, inner, lines, width, size)


def _as_they_lie(loops: list[Loop]) -> list[Loop]:
    return sorted(loops, key=lambda loop: -abs(loop[1]))


def _merged(loops: Sequence[Loop]) -> list[Loop]:
    """Loops, outermost first, of which those that continue each other are one."""
    result: list[Loop] = []
    for count, step in loops:
        if count == 1:
            continue
        if result and result[-1][1] == count * step:
            count *= result.pop()[0]
        result.append((count, step))
    return result


def _planned(outer: Loop, inner: Loop, lines: Loop, width: Loop, size: int) -> Sets:
    count, length = outer[0] * inner[0], lines[0] * width[0]
    by_line = length > 1 and (width[1] == 1 or inner[1] != 1)
    together = 16 // size
    if by_line:
        vector = width[1] == 1 and width[0] % together == 0
        vector &= all(step % together == 0 for _, step in (outer, inner, lines))
    else:
        vector = inner[1] == 1 and inner[0] % together == 0
        vector &= all(step % together == 0 for _, step in (outer, lines, width))
    units, each = count, length  # sets, or vectors of them, and units of work in each
    if vector and by_line:
        each, width = each // together, (width[0] // together, together)
    elif vector:
        units, inner = units // together, (inner[0] // together, together)
    if by_line:
        along = min(THREADS, _power(-(-each // 4)))
    else:  # so many sets side by side that warps read whole lines of 128 bytes, if there are
        abreast = min(8 if vector else 32, _power(units))
        along = min(THREADS // abreast, _power(-(-each // 4)))
    blocks = -(-units // (THREADS // along))
    pieces, shares = 1, min(-(-each // (along * 4)), -(-8 * FULL // blocks))
    if each > ALONE * along:
        pieces = min(-(-each // (along * 8)), -(-FULL // blocks))
    numbers = (units, inner[0], outer[1], inner[1], each, width[0], lines[1], width[1])
    tables = {
        n: by_value(np.array((*numbers, along, by_line, n), TABLE)) for n in (1, pieces, shares)
    }
    return Sets(count, length, int(vector), blocks, pieces, shares, tables)


def _power(n: int) -> int:
    """The power of two from n up."""
    return 1 << max(n - 1, 0).bit_length()
