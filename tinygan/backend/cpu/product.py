"""The product of two matrices, or of many pairs of them, as tiles that stay in registers.

The right matrix is packed into panels of up to three vectors of columns; a panel and some rows of
the left matrix, read where they are, are a chunk. Where the right matrix lies so that its columns
are contiguous (the weights of a dense layer) the smaller of the two is packed by transposition: if
that is the left one, the transposed product w^T x^T is computed and stored transposed.
"""

from __future__ import annotations

import numpy as np

from tinygan.backend.cpu.compile import LANES, compiled, finish, inlined, take
from tinygan.backend.cpu.epilogue import pass_over
from tinygan.backend.cpu.product_tiles import ROWS, get, pack, pack_across, put, tile

DEPTH = 1024  # rows of a panel that are multiplied at a time: they stay in the second cache
FEW = 2 * ROWS  # rows of the left matrix for which a panel is read where it is, not packed


# A product (m, k) @ (k, n), or a batch of them, steps in bytes, and how it is cut into chunks
PLAN = np.dtype(
    [
        (name, np.int64)
        for name in (
            "m", "n", "k",
            "size",  # of a number
            "left_row", "left_step", "left_batch",
            "right_step", "right_column", "right_batch",
            "packed_batch",
            "out_row", "out_batch",
            "across",  # 1 if it is the transposed product, stored transposed
            "relu",
            "vectors",  # of columns
            "panels",  # of one pair
            "blocks",  # of rows, for each panel
            "height",  # rows in a block
        )
    ]
)  # fmt: skip


def panels(vectors: int) -> int:
    """How many panels so many vectors are: of three as far as possible, none of one."""
    return max(-(-vectors // 3), 1)


@inlined
def _panel(number, vectors):
    """Where a panel begins, in vectors, and how many it has."""
    count = (vectors + 2) // 3
    twos = 3 * count - vectors
    if vectors < 3:
        return 0, vectors
    first = count - twos  # those of three come first
    if number < first:
        return 3 * number, 3
    return 3 * first + 2 * (number - first), 2


@inlined
def _pack(vectors, count, source, step, columns, panel, one):
    if vectors == 3:
        pack(3, count, source, step, columns, panel, one)
    elif vectors == 2:
        pack(2, count, source, step, columns, panel, one)
    else:
        pack(1, count, source, step, columns, panel, one)


@inlined
def _tile(
    vectors, across, count, plan, left, height, panel, step, bias, out, row, add, relu, slope
):
    a, b = plan.left_row, plan.left_step
    if across:
        if vectors == 3:
            tile(3, 1, count, left, a, b, height, panel, step, bias, out, row, add, relu, slope)
        elif vectors == 2:
            tile(2, 1, count, left, a, b, height, panel, step, bias, out, row, add, relu, slope)
        else:
            tile(1, 1, count, left, a, b, height, panel, step, bias, out, row, add, relu, slope)
    elif vectors == 3:
        tile(3, 0, count, left, a, b, height, panel, step, bias, out, row, add, relu, slope)
    elif vectors == 2:
        tile(2, 0, count, left, a, b, height, panel, step, bias, out, row, add, relu, slope)
    else:
        tile(1, 0, count, left, a, b, height, panel, step, bias, out, row, add, relu, slope)


@compiled
def pack_panels(counters, plans, right, packed, one):
    """All panels of a right matrix whose columns are contiguous. A chunk: a vector of k."""
    plan = plans[0]
    size = plan.size
    lanes = LANES * 4 // size
    depth = (plan.k + lanes - 1) // lanes
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        batch, k = chunk // depth, chunk % depth * lanes
        source = right + batch * plan.right_batch + k * size
        target = packed.ctypes.data + batch * plan.packed_batch
        for p in range(plan.panels):
            first, vectors = _panel(p, plan.vectors)
            row = vectors * lanes * size
            panel = target + (first * depth * lanes + k * vectors) * lanes * size
            for v in range(vectors):
                column = (first + v) * lanes
                pack_across(
                    plan.k - k,
                    source + column * plan.right_column,
                    plan.right_column,
                    plan.n - column,
                    panel + v * lanes * size,
                    row,
                    one,
                )
    return finish(counters, done)


@compiled
def product(counters, plans, left, right, packed, out, bias, slope, function, one):
    """out = f(left @ right + bias). A chunk: a panel, and a block of rows.

    The matrices are addresses; `packed` is one if the panels were packed before, else 0. So is the
    function that follows f.
    """
    plan = plans[0]
    size = plan.size
    lanes = LANES * 4 // size
    words = 3 * LANES  # zeros, a bias, the rows of a tile and those of a panel are so many words
    depth = (plan.k + lanes - 1) // lanes * lanes
    parts = 1 if plan.across else (plan.k + DEPTH - 1) // DEPTH
    part = (plan.k + parts - 1) // parts
    memory = np.empty(words * (2 + ROWS + (0 if packed else part)), np.int64)
    memory[: 2 * words] = 0
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        zeros = memory.ctypes.data  # asked for here: the memory is freed after its last mention
        shift, corner, own = zeros + 8 * words, zeros + 16 * words, zeros + 8 * words * (2 + ROWS)
        batch, rest = chunk // (plan.panels * plan.blocks), chunk % (plan.panels * plan.blocks)
        block, p = rest // plan.panels, rest % plan.panels
        first, vectors = _panel(p, plan.vectors)
        column = first * lanes
        width = vectors * lanes
        columns = min(width, plan.n - column)
        top, bottom = block * plan.height, min((block + 1) * plan.height, plan.m)
        in_place = not packed and columns == width and bottom - top <= FEW
        start = left + batch * plan.left_batch
        target = out + batch * plan.out_batch
        if bias and not plan.across:
            for j in range(columns):
                put(shift + j * size, get(bias + (column + j) * size, one))
        for k in range(0, plan.k, part):
            count = min(part, plan.k - k)
            step = width * size
            if packed:
                panel = packed + batch * plan.packed_batch
                panel += (first * depth + k * vectors) * lanes * size
            else:
                panel = right + batch * plan.right_batch + k * plan.right_step + column * size
                if in_place:
                    step = plan.right_step
                else:
                    _pack(vectors, count, panel, plan.right_step, columns, own, one)
                    panel = own
            add, last = k > 0, k + count == plan.k
            relu, final = plan.relu * last, slope if last else one
            for i in range(top, bottom, ROWS):
                height = min(ROWS, bottom - i)
                added = shift if bias and last else zeros
                if bias and plan.across:
                    for r in range(height):
                        put(shift + r * size, get(bias + (i + r) * size, one))
                if plan.across:
                    place = target + column * plan.out_row + i * size
                else:
                    place = target + i * plan.out_row + column * size
                line = start + i * plan.left_row + k * plan.left_step
                whole = height == ROWS and columns == width and not (function and last)
                to, row = place, plan.out_row
                if not whole:
                    to, row = corner, (ROWS if plan.across else width) * size
                    if add:
                        _copy(plan, place, plan.out_row, to, row, height, columns, one)
                _tile(
                    vectors, plan.across, count, plan, line, height, panel, step, added, to, row,
                    add, relu, final,
                )  # fmt: skip
                if function and last:
                    pass_over(function, to, ROWS * width)
                if not whole:
                    _copy(plan, to, row, place, plan.out_row, height, columns, one)
    return finish(counters, done)


@inlined
def _copy(plan, source, source_row, target, target_row, height, columns, one):
    """The part of a tile that is there, from one place to another."""
    rows, count = (columns, height) if plan.across else (height, columns)
    for i in range(rows):
        for j in range(count):
            at = j * plan.size
            put(target + i * target_row + at, get(source + i * source_row + at, one))
