"""The gradient of a convolution by its weights: sums of outer products over all pixels.

A row is one tap and channel, a column an output channel; a tile of rows and columns stays in
registers while the pixels go by, read where they are through pointers. A chunk owns its rows;
where there are too few of them the pixels are split as well, into parts that depend on the shapes
only and are added in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import LANES, compiled, finish, inlined, take
from tinygan.backend.cpu.plans import Pair, window_taps
from tinygan.backend.cpu.tiles import OUTER_ROWS, outer_tile

PIXELS = 256  # that go by between two visits to the sums
MOST_CHANNELS = 32  # per chunk
ENOUGH_CHUNKS = 24


class Plan(NamedTuple):
    """The sizes of the sums: what the kernel needs besides addresses and tables."""

    images: int
    height: int  # of the image
    width: int
    out_height: int
    out_width: int
    step_h: int
    step_w: int
    run: int  # numbers per tap
    columns: int
    blocks: int  # of channels per tap
    channels: int  # per block
    splits: int  # of the pixels


class Memory(NamedTuple):
    """Addresses, and steps in bytes."""

    x: int
    x_image: int
    x_row: int
    x_pixel: int
    right: int
    zeros: int


class Tables(NamedTuple):
    """A plan, its taps, and where each row of sums goes."""

    plan: Plan
    taps: np.ndarray  # (T, 2): steps from an output pixel's place in the image
    targets: np.ndarray  # (rows,): where in an output channel's weights each row belongs
    chunks: int


@lru_cache(maxsize=256)
def tables(
    shape: tuple[int, ...],
    right: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    merged: bool,
) -> Tables:
    """For an image (N, H, W, C) and gradients (N, H', W', O), `merged` as in `window_taps`."""
    n, h, w, c = shape
    _, height, width, o = right
    taps, targets = window_taps(c, kernel, start, dilation, merged)
    run = len(targets[0])
    channels = min(run, MOST_CHANNELS)
    blocks = -(-run // channels)
    owned = len(taps) * blocks
    splits = min(-(-ENOUGH_CHUNKS // owned), -(-n * height * width // PIXELS))
    plan = Plan(n, h, w, height, width, *stride, run, o, blocks, channels, splits)
    return Tables(plan, np.array(taps, np.int64), np.concatenate(targets), owned * splits)


@inlined
def _two(first, last, pixels, table, right, right_step, sums, sums_step, columns):
    """The rows from `first` to `last` of two vectors of columns."""
    c = first
    while c + OUTER_ROWS <= last:
        to = sums + 4 * c * sums_step
        outer_tile(OUTER_ROWS, 2, pixels, table, c, right, right_step, to, sums_step, columns)
        c += OUTER_ROWS
    while c + 4 <= last:
        to = sums + 4 * c * sums_step
        outer_tile(4, 2, pixels, table, c, right, right_step, to, sums_step, columns)
        c += 4
    while c < last:
        to = sums + 4 * c * sums_step
        outer_tile(1, 2, pixels, table, c, right, right_step, to, sums_step, columns)
        c += 1


@inlined
def _one(first, last, pixels, table, right, right_step, sums, sums_step, columns):
    """The same of one vector, of which `columns` are there."""
    c = first
    while c + OUTER_ROWS <= last:
        to = sums + 4 * c * sums_step
        outer_tile(OUTER_ROWS, 1, pixels, table, c, right, right_step, to, sums_step, columns)
        c += OUTER_ROWS
    while c + 4 <= last:
        to = sums + 4 * c * sums_step
        outer_tile(4, 1, pixels, table, c, right, right_step, to, sums_step, columns)
        c += 4
    while c < last:
        to = sums + 4 * c * sums_step
        outer_tile(1, 1, pixels, table, c, right, right_step, to, sums_step, columns)
        c += 1


@compiled
def outer(counters, plan, memory, taps, sums):
    """The sums of all rows. A chunk: some channels of one tap, over one part of the pixels."""
    pointers = np.empty(PIXELS, np.int64)
    pixels = plan.images * plan.out_height * plan.out_width
    packed_columns = (plan.columns + LANES - 1) // LANES * LANES
    part = (pixels + plan.splits - 1) // plan.splits
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        split = chunk % plan.splits
        owned = chunk // plan.splits
        t = owned // plan.blocks
        first = owned % plan.blocks * plan.channels
        last = min(first + plan.channels, plan.run)
        row = (split * taps.shape[0] + t) * plan.run
        sums[split, t * plan.run + first : t * plan.run + last] = 0
        down, across = taps[t, 0], taps[t, 1]
        start = split * part
        end = min(start + part, pixels)
        while start < end:
            count = min(PIXELS, end - start)
            image = start // (plan.out_height * plan.out_width)
            i = start // plan.out_width - image * plan.out_height
            j = start % plan.out_width
            for p in range(count):
                h, w = i * plan.step_h + down, j * plan.step_w + across
                inside = h >= 0 and h < plan.height and w >= 0 and w < plan.width
                place = memory.x + image * memory.x_image + h * memory.x_row + w * memory.x_pixel
                pointers[p] = place if inside else memory.zeros
                j += 1
                if j == plan.out_width:
                    j = 0
                    i += 1
                    if i == plan.out_height:
                        i = 0
                        image += 1
            table = pointers.ctypes.data
            column = 0
            while column < packed_columns:
                right = memory.right + 4 * (start * plan.columns + column)
                left = plan.columns - column
                to = sums.ctypes.data + 4 * (row * packed_columns + column)
                if left >= 2 * LANES:
                    _two(first, last, count, table, right, plan.columns, to, packed_columns, left)
                    column += 2 * LANES
                else:
                    _one(first, last, count, table, right, plan.columns, to, packed_columns, left)
                    column += LANES
            start += count
    return finish(counters, done)


@compiled
def unpack(counters, sums, targets, weights):
    """weights[o][targets[r]] = the sum over parts of sums[part][r][o]. A chunk: one o."""
    done = 0
    while True:
        o = take(counters)
        if o < 0:
            break
        done += 1
        for r in range(sums.shape[1]):
            total = sums[0, r, o]
            for s in range(1, sums.shape[0]):
                total += sums[s, r, o]
            weights[o, targets[r]] = total
    return finish(counters, done)
