"""The convolution trio for kernels of 4 x 4 in steps of 2, with 9 products in place of 16.

Steps of 2 divide such a kernel into four of 2 x 2, each of which meets pixels of its own, without
steps: a convolution is the sum of four, its gradient by the input is four side by side. Results are
computed by squares of 2 x 2, as `winograd_tiles` says: pixels and weights become factors at 9
positions, the sums over channels are a product of matrices at each position, and the results are
sums of those.

Differences of pixels are rounded once more than the definition does, and where a pixel is infinite
they are no numbers: results that are not finite are noticed, and all are computed again as defined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.memory import address, aligned, image_place, scratch
from tinygan.backend.cpu.moves import set_word
from tinygan.backend.cpu.tiles import ROWS
from tinygan.backend.cpu.winograd_plans import SPREAD_SQUARES, Tables
from tinygan.backend.cpu.winograd_tiles import (
    POSITIONS,
    result_tile,
    spread_tile,
    sums_tile,
    weight_tile,
)

OTHERS = 16  # kernels of each lane in a chunk of weights
BOTH, SPREAD, MULTIPLY = range(3)  # what a launch does


class Memory(NamedTuple):
    """Addresses, and steps in bytes."""

    x: int
    x_image: int
    x_row: int
    x_pixel: int
    out: int
    out_image: int
    out_row: int
    out_pixel: int
    weights: int  # their factors
    factors: int  # of the pixels, if they are shared
    bias: int


@compiled
def weigh(counters, plan, steps, w, factors, zeros, spoilt):
    """The factors of weights. A chunk: some kernels for each column of a panel.

    The steps: in w from the kernels of one column to those of the next and from one row to the
    next, how many rows, in the factors from one of the four small kernels to the next.
    """
    column_step, other_step, others, kernel_step, mirrored = steps
    size = zeros.itemsize
    blocks = (others + OTHERS - 1) // OTHERS
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        if chunk == 0:
            spoilt[0] = 0
        panel, block = chunk // blocks, chunk % blocks
        for other in range(block * OTHERS, min(block * OTHERS + OTHERS, others)):
            for column in range(0, plan.wide, plan.lanes):
                source = (panel * plan.wide + column) * column_step + other * other_step
                target = factors + size * ((panel * plan.depth + other) * plan.wide + column)
                if mirrored:
                    weight_tile(1, zeros, w + size * source, column_step, target, kernel_step,
                                plan.position)  # fmt: skip
                else:
                    weight_tile(0, zeros, w + size * source, column_step, target, kernel_step,
                                plan.position)  # fmt: skip
    return finish(counters, done)


@inlined
def spread(plan, memory, corners, p, first, last, target, row, vector, position, zeros, words):
    """The factors of some squares of a phase; the steps between them count numbers."""
    size = zeros.itemsize
    vectors = plan.channels // plan.lanes
    for square in range(first, last):
        line = square // plan.across
        image = line // plan.down
        i, j = line % plan.down, square % plan.across
        base = memory.x + image * memory.x_image
        for window in range(plan.windows):
            top = corners[p + window, 0] + i * plan.square_step
            left = corners[p + window, 1] + j * plan.square_step
            for r in range(3):
                y = top + r * plan.pixel_step
                inside = y >= 0 and y < plan.height
                for s in range(3):
                    x = left + s * plan.pixel_step
                    place = base + y * memory.x_row + x * memory.x_pixel
                    if not inside or x < 0 or x >= plan.width:
                        place = zeros.ctypes.data
                    set_word(words + 8 * (3 * r + s), place)
            to = target + size * ((square - first) * row + window * vectors * vector)
            spread_tile(3, zeros, vectors, words, 0, to, vector, position)


@compiled
def products(
    counters, plan, memory, corners, zeros, stage, first_square, last_square, slope, relu, spoilt
):
    """Results from factors. A chunk: some squares of a phase, in the stage MULTIPLY of a panel."""
    size = zeros.itemsize
    own = np.empty(POSITIONS * plan.block * plan.pitch + 16 if stage == BOTH else 16, zeros.dtype)
    sums = np.empty(POSITIONS * plan.block * plan.wide + plan.wide + 16, zeros.dtype)
    words = np.empty(16, np.int64)
    sums_at = (sums.ctypes.data + 63) // 64 * 64
    unused = sums_at + size * POSITIONS * plan.block * plan.wide
    pointers = words.ctypes.data
    squares = SPREAD_SQUARES if stage == SPREAD else plan.block
    blocks = (last_square - first_square + squares - 1) // squares
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first_panel, last_panel = 0, plan.panels
        if stage == BOTH:
            p, block = chunk % plan.phases, chunk // plan.phases
            factors = (own.ctypes.data + 63) // 64 * 64
            step = plan.block * plan.pitch
        else:
            p, block = chunk // blocks % plan.phases, chunk % blocks
            if stage == MULTIPLY:
                first_panel = chunk // (blocks * plan.phases)
                last_panel = first_panel + 1
            step = plan.squares * plan.pitch
            factors = memory.factors + size * (p * POSITIONS * step + block * squares * plan.pitch)
        first = first_square + block * squares
        last = min(first + squares, last_square)
        if stage != MULTIPLY:
            spread(plan, memory, corners, p, first, last, factors, plan.pitch, plan.lanes, step,
                   zeros, pointers)  # fmt: skip
        if stage == SPREAD:
            continue
        for panel in range(first_panel, last_panel):
            for position in range(POSITIONS):
                weights = memory.weights + size * plan.position * (p * POSITIONS + position)
                weights += size * panel * plan.depth * plan.wide
                for n in range(0, last - first, ROWS):
                    rows = factors + size * (position * step + n * plan.pitch)
                    to = sums_at + size * (position * plan.block + n) * plan.wide
                    sums_tile(zeros, plan.depth, rows, plan.pitch, weights, to)
            shift = size * panel * plan.wide
            for square in range(first, last):
                line = square // plan.across
                image = line // plan.down
                i, j = line % plan.down, square % plan.across
                for n in range(4):
                    y = corners[p, 2] + (2 * i + n // 2) * plan.out_step
                    x = corners[p, 3] + (2 * j + n % 2) * plan.out_step
                    place = memory.out + image * memory.out_image + shift
                    place += y * memory.out_row + x * memory.out_pixel
                    if y >= plan.out_height or x >= plan.out_width:
                        place = unused
                    set_word(pointers + 8 * n, place)
                at = sums_at + size * (square - first) * plan.wide
                if result_tile(zeros, plan.wide // plan.lanes, at, plan.block * plan.wide,
                               memory.bias + shift, pointers, slope, relu):  # fmt: skip
                    spoilt[0] = 1
    own[0], sums[0], words[0] = 0, 0, 0  # so that they live until here
    return finish(counters, done)


def results(
    tables: Tables,
    image: np.ndarray,
    target: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    slope: float,
    relu: int,
    number: int,
) -> np.ndarray:
    """Launch what computes `target` (N, H, W, C); a word that is not 0 if that was in vain."""
    plan, kind = tables.plan, image.dtype
    spoilt = scratch(1, np.int64)
    factors = aligned((tables.weights,), kind)
    together = 0 if plan.fused else (plan.phases * POSITIONS * plan.squares + ROWS) * plan.pitch
    shared = aligned((together,), kind)
    chunks = plan.panels * -(-tables.steps[2] // OTHERS)
    threads.run(
        weigh,
        chunks,
        (plan, tables.steps, address(w), address(factors), tables.zeros, spoilt),
        number,
    )
    start = tables.zeros if bias is None else bias
    memory = Memory(
        *image_place(image), *image_place(target), address(factors), address(shared), address(start)
    )

    def launch(stage: int, each: int, first: int, last: int) -> None:
        squares = SPREAD_SQUARES if stage == SPREAD else plan.block
        chunks = each * -(-(last - first) // squares)
        rest = tables.corners, tables.zeros, stage, first, last, slope, relu, spoilt
        threads.run(products, chunks, (plan, memory, *rest), number)

    for first, last in tables.passes:
        if plan.fused:
            launch(BOTH, plan.phases, first, last)
        else:
            launch(SPREAD, plan.phases, first, last)
            launch(MULTIPLY, plan.phases * plan.panels, first, last)
    return spoilt
