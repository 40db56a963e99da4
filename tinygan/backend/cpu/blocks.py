"""Blocks: how passes over a matrix that end in a number per column are cut into chunks.

A chunk is a block of rows of a group of columns. The cut depends on the shape only, so that sums
over blocks have the same bits whoever computes them.
"""

from __future__ import annotations

from typing import NamedTuple

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import inlined

PARALLEL = 1 << 15  # numbers for which waking other threads costs less than it brings
FEW_ROWS = 512  # that one block holds, whatever the number of columns
GROUP = 64  # columns in a chunk of such a block, or a multiple of it; one of every vector
SHARE = 1 << 13  # numbers in a chunk, where there are columns enough
WIDE_GROUP = 512  # columns in a chunk otherwise
BLOCK = 1 << 15  # numbers in a block otherwise, so that it stays in the second cache
BLOCKS = 64  # above it blocks grow instead, lest adding them up take long


class Plan(NamedTuple):
    """Rows in a block, columns in a group, and how many there are."""

    rows: int
    group: int
    blocks: int
    groups: int
    threads: int

    @property
    def chunks(self) -> int:
        return self.blocks * self.groups


def plan(count: int, columns: int) -> Plan:
    """For a matrix of so many rows and columns."""
    if count <= FEW_ROWS:
        rows, group = count, min(columns, GROUP * max(1, SHARE // (GROUP * count)))
    else:
        group = min(columns, WIDE_GROUP)
        rows = max(BLOCK // group, -(-count // BLOCKS))
    number = threads.get_num_threads() if count * columns > PARALLEL else 1
    return Plan(rows, group, -(-count // rows), -(-columns // group), number)


@inlined
def block(chunk, shape, rows, group):
    """The rows and columns of a chunk: first, end, first, end."""
    groups = (shape[1] + group - 1) // group
    row, column = chunk // groups * rows, chunk % groups * group
    return row, min(row + rows, shape[0]), column, min(column + group, shape[1])
