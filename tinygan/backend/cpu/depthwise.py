"""The gradient by the weights of a convolution whose channels do not mix: one kernel for each."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.outer import Plan, copy_strips, split_strips, window
from tinygan.backend.cpu.outer_tiles import OUTER_ROWS, depth_outer_tile
from tinygan.backend.cpu.plans import SPAN, Pair, lanes_of
from tinygan.backend.cpu.tiles import WIDE

PANELS = 4  # vectors of channels in a chunk
ENOUGH_CHUNKS = 24


class Tables(NamedTuple):
    """A plan, and where the taps are in the copied image."""

    plan: Plan
    offsets: np.ndarray  # (T,)
    rows: np.ndarray
    chunks: int
    unpack_chunks: int
    sums: tuple[int, int, int, int]
    zeros: np.ndarray


@lru_cache(maxsize=256)
def tables(
    shape: tuple[int, ...],
    right: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    kind: np.dtype,
) -> Tables:
    """For an image (N, H, W, C) and gradients (N, H', W', C)."""
    c, lanes = shape[3], lanes_of(kind)
    area = kernel[0] * kernel[1]
    part = min(PANELS, -(-c // lanes)) * lanes
    parts = -(-c // part)
    plan = window(shape, right, kernel, stride, start, dilation, lanes)
    blocks = -(-plan.images * plan.out_height * plan.strips // plan.block)
    splits = max(1, min(-(-ENOUGH_CHUNKS // parts), blocks // 4))
    plan = plan._replace(
        groups=1, channels=c, columns=c, part=part, cell=lanes, splits=splits, segment=area,
        segment_step=0, column_step=area,
    )  # fmt: skip
    rows = -(-area // OUTER_ROWS) * OUTER_ROWS
    taps = [(a * dilation[0], b * dilation[1]) for a in range(kernel[0]) for b in range(kernel[1])]
    offsets = [(down * plan.seen + right) * lanes for down, right in taps]
    packed = -(-c // lanes) * lanes
    return Tables(
        plan,
        np.array(offsets + [0] * (rows - area), np.int64),
        np.arange(area),
        parts * splits,
        -(-c // (WIDE * lanes)) * -(-area // SPAN),
        (1, splits, rows, packed),
        np.zeros(max(plan.seen * lanes, lanes), kind),
    )


@compiled
def depth_outer(counters, plan, memory, offsets, sums, zeros):
    """The sums of all taps. A chunk: some channels, over one part of the pixels."""
    size, lanes = sums.itemsize, plan.lanes
    panel = plan.slots * plan.seen * lanes
    copy = np.zeros(plan.part // lanes * panel, sums.dtype)
    most = plan.block * plan.strip
    places, lines = np.empty(most + 8, np.int64), np.empty(most + 8, np.int64)
    packed = sums.shape[3]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        split, channel = chunk % plan.splits, chunk // plan.splits * plan.part
        last = min(channel + plan.part, packed)
        sums[0, split, :, channel:last] = 0
        first, end = split_strips(plan, split)
        while first < end:
            count = copy_strips(plan, memory, zeros, 0, channel, first,
                                min(first + plan.block, end), copy.ctypes.data, places,
                                lines)  # fmt: skip
            for column in range(channel, last, lanes):
                shift = (column - channel) // lanes * panel
                for row in range(0, offsets.size, OUTER_ROWS):
                    to = (split * sums.shape[2] + row) * packed + column
                    depth_outer_tile(OUTER_ROWS, zeros, count, places.ctypes.data, shift,
                                     offsets.ctypes.data + 8 * row, lines.ctypes.data, column,
                                     sums.ctypes.data + size * to, packed,
                                     plan.columns - column)  # fmt: skip
            first += plan.block
    return finish(counters, done)
