"""The convolution trio where channels do not mix: each has a kernel of its own.

So little is computed for a number that nothing is copied: the tiles read vectors of channels where
they are. Taps that are outside of the image are left out: a line of pixels has a list of those that
are inside for all but the first and last pixels, which have lists of their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.depth_tiles import depth_outer_tile, depth_tile, fetch_line
from tinygan.backend.cpu.epilogue import pass_over
from tinygan.backend.cpu.outer import Plan, window
from tinygan.backend.cpu.plans import (
    FIRST_ROW,
    FIRST_TAP,
    HEIGHT,
    LEAST_H,
    LEAST_W,
    LEFT,
    MOST_H,
    MOST_W,
    SPAN,
    TAPS,
    TOP,
    WIDTH,
    Pair,
    lanes_of,
    window_taps,
)
from tinygan.backend.cpu.tiles import ROWS, WIDE

SIDE = 3  # taps that share what they read, where all are side by side in threes
NEAR = 4  # pixels of a tile of such taps
TOGETHER = 3  # taps whose sums are in registers at a time
ENOUGH_CHUNKS = 24
LINES = 8  # of pixels that a split of the sums has, at least


class Tables(NamedTuple):
    """A plan of the gradient by the weights, and its taps."""

    plan: Plan
    taps: np.ndarray  # (T, 3): as of `plans.Tables`
    rows: np.ndarray
    chunks: int
    unpack_chunks: int
    sums: tuple[int, int, int, int]


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
    lines = right[0] * right[1]
    splits = max(1, min(ENOUGH_CHUNKS, lines // LINES))
    plan = window(shape, right, kernel, stride, start, dilation, lanes)._replace(
        groups=1, channels=c, columns=c, splits=splits, segment=area, segment_step=0,
        column_step=area,
    )  # fmt: skip
    taps = [(tap.down, tap.right, 1) for tap in window_taps(kernel, start, dilation)]
    return Tables(
        plan,
        np.array(taps, np.int64),
        np.arange(area),
        splits,
        -(-c // (WIDE * lanes)) * -(-area // SPAN),
        (1, splits, area, -(-c // lanes) * lanes),
    )


@inlined
def _inside(memory, taps, y, x, height, width, found):
    """List the taps that are in the image, for a pixel's place in it; how many.

    What is listed besides where they are is which they are.
    """
    count = 0
    for t in range(len(taps)):
        h, w = y + taps[t, 0], x + taps[t, 1]
        if h >= 0 and h < height and w >= 0 and w < width:
            found[count, 0] = taps[t, 0] * memory.x_row + taps[t, 1] * memory.x_pixel
            found[count, 1] = t
            count += 1
    return count


@inlined
def _side_by_side(taps, step):
    """Whether all taps are in threes, each a step to the right of the one before."""
    if len(taps) == 0 or len(taps) % SIDE:
        return False
    for t in range(len(taps)):
        if t % SIDE and (taps[t, 0] != taps[t - 1, 0] or taps[t, 1] != taps[t - 1, 1] + step):
            return False
    return True


@inlined
def _list_line(plan, memory, taps, y, first, end, length, lists, counts):
    """The lists for the pixels of a line; from `first` to `end` they are the same."""
    j = 0
    while j < length:
        counts[j] = _inside(memory, taps, y, j * plan.step_w, plan.height, plan.width, lists[j])
        j = end if j == first and first < end else j + 1


@inlined
def _common(plan, least, most, length):
    """From where to where pixels of a line have all columns of their taps in the image."""
    first = min(max(0, (plan.step_w - 1 - least) // plan.step_w), length)
    return first, max(first, min(length, (plan.width - 1 - most) // plan.step_w + 1))


@inlined
def _tile(wide, many, zeros, count, taps, x, x_step, weights, weights_step, start, out, out_step,
          columns, slope, relu, ahead, out_ahead):  # fmt: skip
    if wide == WIDE and many == NEAR:
        depth_tile(WIDE, NEAR, SIDE, zeros, count // SIDE, taps, x, x_step, weights, weights_step,
                   start, out, out_step, columns, slope, relu, ahead, out_ahead)  # fmt: skip
    elif wide == WIDE and many == ROWS:
        depth_tile(WIDE, ROWS, 1, zeros, count, taps, x, x_step, weights, weights_step, start, out,
                   out_step, columns, slope, relu, ahead, out_ahead)  # fmt: skip
    elif wide == WIDE:
        depth_tile(WIDE, 1, 1, zeros, count, taps, x, x_step, weights, weights_step, start, out,
                   out_step, columns, slope, relu, ahead, out_ahead)  # fmt: skip
    elif many == ROWS:
        depth_tile(1, ROWS, 1, zeros, count, taps, x, x_step, weights, weights_step, start, out,
                   out_step, columns, slope, relu, ahead, out_ahead)  # fmt: skip
    else:
        depth_tile(1, 1, 1, zeros, count, taps, x, x_step, weights, weights_step, start, out,
                   out_step, columns, slope, relu, ahead, out_ahead)  # fmt: skip


@compiled
def depths(counters, plan, memory, taps, phases, zeros, slope, relu, function):
    """The sums of all output pixels. A chunk: some lines of one phase."""
    size, lanes = zeros.itemsize, plan.lanes
    longest = phases[0, WIDTH]
    lists = np.zeros((longest + 1, plan.most_taps, 2), np.int64)
    counts = np.empty(longest, np.int64)
    nothing = lists[longest].ctypes.data
    step, out_step = plan.step_w * memory.x_pixel, plan.out_step_w * memory.out_pixel
    out_ahead = plan.out_step_h * memory.out_row
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p, block = chunk % len(phases), chunk // len(phases)
        height, width, total = phases[p, HEIGHT], phases[p, WIDTH], phases[p, TAPS]
        some = taps[phases[p, FIRST_TAP] : phases[p, FIRST_TAP] + total]
        first, end = _common(plan, phases[p, LEAST_W], phases[p, MOST_W], width)
        beside = _side_by_side(some, plan.step_w)
        listed = False
        last = min((block + 1) * plan.block, plan.images * height)
        for line in range(block * plan.block, last):
            image = line // height
            i = line - image * height
            y = i * plan.step_h
            inside = y + phases[p, LEAST_H] >= 0 and y + phases[p, MOST_H] < plan.height
            if not (listed and inside):
                _list_line(plan, memory, some, y, first, end, width, lists, counts)
                listed = inside
            ahead = (
                phases[p, MOST_H] + plan.step_h
            ) * memory.x_row  # what the next line meets first
            x = memory.x + image * memory.x_image + y * memory.x_row
            out = memory.out + image * memory.out_image + phases[p, LEFT] * memory.out_pixel
            out += (phases[p, TOP] + i * plan.out_step_h) * memory.out_row
            weights = memory.weights + size * phases[p, FIRST_ROW] * plan.packed
            column = 0
            while column < plan.packed:
                wide = WIDE if plan.packed - column >= WIDE * lanes else 1
                panel, shift = size * wide * lanes, size * column
                begin, columns = memory.start + shift, plan.columns - column
                length = NEAR if beside and wide == WIDE else ROWS
                j = 0
                while j < width:
                    own, many = j, 1
                    if j >= first and j < end:
                        own = first
                        if end - first >= length and counts[first] > 0:
                            many = length
                            j = min(j, end - length)  # some again, to the same result
                    count, place, to = counts[own], x + shift + j * step, out + shift + j * out_step
                    if count == 0:
                        _tile(wide, 1, zeros, 1, nothing, zeros.ctypes.data, 0, zeros.ctypes.data,
                              0, begin, to, 0, columns, slope, relu, ahead, out_ahead)  # fmt: skip
                    else:
                        _tile(wide, many, zeros, count, lists[own].ctypes.data, place,
                              step, weights, panel, begin, to, out_step, columns, slope,
                              relu, ahead, out_ahead)  # fmt: skip
                    j += many
                weights += total * panel
                column += wide * lanes
            if function:
                dense = out_step == plan.columns * size
                for j in range(0, width, width if dense else 1):
                    pass_over(function, out + j * out_step, plan.columns * (width if dense else 1))
    counts[0] = lists[0, 0, 0]  # so that they live until here
    return finish(counters, done)


@inlined
def _outer(wide, zeros, pixels, taps, x, x_step, g, g_step, sums, row, columns, count):
    t = 0
    while t < count:
        place = taps + 16 * t
        if wide == WIDE and count - t >= TOGETHER:
            depth_outer_tile(WIDE, TOGETHER, zeros, pixels, place, x, x_step, g, g_step, sums,
                             row, columns)  # fmt: skip
            t += TOGETHER
        elif wide == WIDE:
            depth_outer_tile(WIDE, 1, zeros, pixels, place, x, x_step, g, g_step, sums, row,
                             columns)  # fmt: skip
            t += 1
        elif count - t >= TOGETHER:
            depth_outer_tile(1, TOGETHER, zeros, pixels, place, x, x_step, g, g_step, sums, row,
                             columns)  # fmt: skip
            t += TOGETHER
        else:
            depth_outer_tile(1, 1, zeros, pixels, place, x, x_step, g, g_step, sums, row,
                             columns)  # fmt: skip
            t += 1


@compiled
def depth_outer(counters, plan, memory, taps, sums):
    """The sums of all taps. A chunk: a split of the lines of pixels."""
    size, lanes, packed = sums.itemsize, plan.lanes, sums.shape[3]
    width = plan.out_width
    lists = np.empty((width, len(taps), 2), np.int64)
    counts = np.empty(width, np.int64)
    first, end = _common(plan, taps[0, 1], taps[-1, 1], width)
    lines = plan.images * plan.out_height
    share = (lines + plan.splits - 1) // plan.splits
    step = plan.step_w * memory.x_pixel
    done = 0
    while True:
        split = take(counters)
        if split < 0:
            break
        done += 1
        sums[0, split] = 0
        listed = False
        for line in range(split * share, min((split + 1) * share, lines)):
            image = line // plan.out_height
            i = line - image * plan.out_height
            y = i * plan.step_h
            inside = y + taps[0, 0] >= 0 and y + taps[-1, 0] < plan.height
            if not (listed and inside):
                _list_line(plan, memory, taps, y, first, end, width, lists, counts)
                listed = inside
            x = memory.x + image * memory.x_image + y * memory.x_row
            g = memory.g + image * memory.g_image + i * memory.g_row
            fetch_line(x + (taps[-1, 0] + plan.step_h) * memory.x_row,
                       plan.width * memory.x_pixel // size, sums)  # fmt: skip
            fetch_line(g + memory.g_row, width * memory.g_pixel // size, sums)
            column = 0
            while column < packed:
                wide = WIDE if packed - column >= WIDE * lanes else 1
                shift = size * column
                to = sums.ctypes.data + size * split * len(taps) * packed + shift
                j = 0
                while j < width:
                    many = end - first if j == first and first < end else 1
                    _outer(wide, sums, many, lists[j].ctypes.data, x + shift + j * step, step,
                           g + shift + j * memory.g_pixel, memory.g_pixel, to, size * packed,
                           plan.columns - column, counts[j])  # fmt: skip
                    j += many
                column += wide * lanes
    counts[0] = lists[0, 0, 0]  # so that they live until here
    return finish(counters, done)
