"""Convolution, and its gradient by the input, as one matrix product over pointers to pixels.

Each output pixel is a row: the sum over its taps of a pixel of the input, C numbers that lie side
by side in memory, times a C x O matrix of weights. The tile is given pointers to the pixels, so
that nothing is copied; where a tap falls outside the image it points to zeros.

The gradient by the input with stride s is s x s such products: the output pixels of equal
remainders (a phase) have the same taps, and no zeros are inserted anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import LANES, compiled, finish, take
from tinygan.backend.cpu.plans import (
    FIRST_CHUNK,
    FIRST_ROW,
    FIRST_TAP,
    HEIGHT,
    LEAST_H,
    LEAST_W,
    LEFT,
    MOST_H,
    MOST_W,
    TAPS,
    TOP,
    WIDTH,
)
from tinygan.backend.cpu.tiles import ROWS, WIDE, dot_tile, gather_tile


class Memory(NamedTuple):
    """Addresses, and steps in bytes."""

    x: int
    x_image: int
    x_row: int
    x_pixel: int
    weights: int
    bias: int
    zeros: int
    out: int
    out_image: int
    out_row: int
    out_pixel: int


@compiled
def pack(counters, plan, phases, sources, column_step, w, packed, packed_columns):
    """Lay out the weights as the tiles read them: by phase, columns, row. A chunk: one tap."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p = phases.shape[0] - 1
        while chunk < phases[p, FIRST_TAP]:
            p -= 1
        first_row = phases[p, FIRST_ROW]
        rows = phases[p, TAPS] * plan.run
        start = (chunk - phases[p, FIRST_TAP]) * plan.run
        column = 0
        while column < packed_columns:
            left = packed_columns - column
            tile = first_row * packed_columns + rows * column
            if plan.few:
                width = min(left, 2)
                for k in range(plan.run):
                    source = sources[first_row + start + k] + column * column_step
                    target = tile + (start + k) // LANES * width * LANES + (start + k) % LANES
                    for j in range(width):
                        packed[target + j * LANES] = w[source + j * column_step]
            else:
                width = LANES * (WIDE if left >= WIDE * LANES else 2 if left >= 2 * LANES else 1)
                filled = min(width, plan.columns - column)
                for k in range(plan.run):
                    source = sources[first_row + start + k] + column * column_step
                    target = tile + (start + k) * width
                    for j in range(filled):
                        packed[target + j] = w[source + j * column_step]
                    for j in range(filled, width):
                        packed[target + j] = 0
            column += width
    return finish(counters, done)


@compiled
def gather(counters, plan, memory, taps, phases, packed_columns):
    """The sums of all output pixels. A chunk: some tiles of one phase."""
    table = np.empty(plan.block * plan.most_taps * ROWS, np.int64)
    targets = np.empty(plan.block * ROWS, np.int64)
    steps = np.empty(plan.most_taps, np.int64)
    unused = np.empty(packed_columns, np.float32)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p = phases.shape[0] - 1
        while chunk < phases[p, FIRST_CHUNK]:
            p -= 1
        count, first_tap = phases[p, TAPS], phases[p, FIRST_TAP]
        height, width = phases[p, HEIGHT], phases[p, WIDTH]
        for t in range(count):
            steps[t] = (
                taps[first_tap + t, 0] * memory.x_row + taps[first_tap + t, 1] * memory.x_pixel
            )

        # pointers
        pixels = plan.images * height * width
        pixel = (chunk - phases[p, FIRST_CHUNK]) * plan.block * ROWS
        tiles = min(plan.block, (pixels - pixel + ROWS - 1) // ROWS)
        image = pixel // (height * width)
        i = pixel // width - image * height
        j = pixel % width
        for tile in range(tiles):
            for r in range(ROWS):
                slot = tile * count * ROWS + r
                if pixel >= pixels:
                    for t in range(count):
                        table[slot + t * ROWS] = memory.zeros
                    targets[tile * ROWS + r] = unused.ctypes.data
                    continue
                y, x = i * plan.step_h, j * plan.step_w
                base = memory.x + image * memory.x_image + y * memory.x_row + x * memory.x_pixel
                if (
                    y + phases[p, LEAST_H] >= 0
                    and y + phases[p, MOST_H] < plan.height
                    and x + phases[p, LEAST_W] >= 0
                    and x + phases[p, MOST_W] < plan.width
                ):
                    for t in range(count):
                        table[slot + t * ROWS] = base + steps[t]
                else:
                    for t in range(count):
                        h, w = y + taps[first_tap + t, 0], x + taps[first_tap + t, 1]
                        inside = h >= 0 and h < plan.height and w >= 0 and w < plan.width
                        table[slot + t * ROWS] = base + steps[t] if inside else memory.zeros
                targets[tile * ROWS + r] = (
                    memory.out
                    + image * memory.out_image
                    + (phases[p, TOP] + i * plan.out_step_h) * memory.out_row
                    + (phases[p, LEFT] + j * plan.out_step_w) * memory.out_pixel
                )
                pixel += 1
                j += 1
                if j == width:
                    j = 0
                    i += 1
                    if i == height:
                        i = 0
                        image += 1

        # sums
        rows = count * plan.run
        column = 0
        while column < packed_columns:
            left = packed_columns - column
            weights = memory.weights + 4 * (phases[p, FIRST_ROW] * packed_columns + rows * column)
            bias = memory.bias + 4 * column
            valid = plan.columns - column
            if plan.few:
                wide = min(left, 2)
            else:
                wide = LANES * (WIDE if left >= WIDE * LANES else 2 if left >= 2 * LANES else 1)
            for tile in range(tiles):
                pointers = table.ctypes.data + 8 * tile * count * ROWS
                outputs = targets.ctypes.data + 8 * tile * ROWS
                if plan.few:
                    if wide == 2:
                        dot_tile(2, count, plan.run // LANES, pointers, weights, bias, outputs)
                    else:
                        dot_tile(1, count, plan.run // LANES, pointers, weights, bias, outputs)
                elif wide == WIDE * LANES:
                    gather_tile(WIDE, count, plan.run, pointers, weights, bias, outputs, valid)
                elif wide == 2 * LANES:
                    gather_tile(2, count, plan.run, pointers, weights, bias, outputs, valid)
                else:
                    gather_tile(1, count, plan.run, pointers, weights, bias, outputs, valid)
            for r in range(tiles * ROWS):
                targets[r] += 4 * wide
            column += wide
    return finish(counters, done)
