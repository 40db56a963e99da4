"""The gradient of a convolution by its weights: sums of outer products over all pixels.

It is a product of two matrices whose inner index is the pixel: X with a row for every tap and
channel, G with a column for every output channel. Pixels go by in blocks. Of each block a chunk
first copies the part of the image that it sees, with zeros around it, so that every tap finds its
numbers at the same distance from the pixel's place; rows and columns then pass under the tiles
from the first cache. Where there are too few chunks the pixels are split as well, into parts that
depend on the shapes only and are added up in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, inlined, skip, take
from tinygan.backend.cpu.moves import collect_panels, copy_lines, count_words
from tinygan.backend.cpu.outer_tiles import HALF_ROWS, OUTER_ROWS, OUTER_WIDE, outer_tile
from tinygan.backend.cpu.plans import SPAN, Pair, lanes_of, merged, window_taps
from tinygan.backend.cpu.tiles import WIDE

PIXELS = 128  # that go by between two visits to the sums
MOST_ROWS = 288  # of a chunk, where there is a choice
MOST_COLUMNS = 256
ENOUGH_CHUNKS = 24
DIRECT = 64  # columns up to which gradients are read where they are

# columns of the table of groups: rows that one tile computes
PLACE, ROWS, FIRST = range(3)  # in the copied image, how many, among the sums


class Plan(NamedTuple):
    """The sizes of the sums: what the kernel needs besides addresses and tables."""

    lanes: int
    groups: int
    images: int
    height: int  # of the image
    width: int
    out_height: int
    out_width: int
    step_h: int
    step_w: int
    top: int  # row and column of the image where the copy for the first pixel begins
    left: int
    reach: int  # rows that a pixel sees
    strip: int  # pixels side by side
    strips: int  # of a row
    block: int  # strips in a block
    seen: int  # columns of the copy
    channels: int  # of a group of the image
    part: int  # channels of a chunk
    cell: int  # numbers that a pixel of the copy has in one panel
    slots: int  # rows of the copy
    columns: int
    columns_per_chunk: int
    splits: int
    segment: int
    segment_step: int
    column_step: int


class Memory(NamedTuple):
    """Addresses, and steps in bytes."""

    x: int
    x_image: int
    x_row: int
    x_pixel: int
    g: int
    g_image: int
    g_row: int
    g_pixel: int
    wanted: int  # a word that is 0 if the sums are not needed


class Tables(NamedTuple):
    """A plan, the rows of the sums, and where each belongs in the weights."""

    plan: Plan
    groups: np.ndarray  # (G, 3)
    parts: np.ndarray  # (P + 1,): the first group of each part of the channels
    rows: np.ndarray  # (Q,): the row of each number of a column of weights
    chunks: int
    unpack_chunks: int
    sums: tuple[int, int, int, int]
    zeros: np.ndarray


def window(
    shape: tuple[int, ...],
    right: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    lanes: int,
) -> Plan:
    """How the pixels of (N, H', W') are divided, and what they see; without channels and sums."""
    n, h, w, _ = shape
    _, height, width, _ = right
    down, across = ((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    strips = -(-width // PIXELS)
    strip = -(-width // strips)
    block = max(1, PIXELS // strip) if strips == 1 else 1
    seen = (strip - 1) * stride[1] + across
    # a block begins anywhere in an image
    images = -(-(block - 1) // height) + 1
    rows = min(block, height)
    slots = images * ((rows - 1) * stride[0] + down)
    return Plan(
        lanes, 1, n, h, w, height, width, *stride, -start[0], -start[1], down, strip, strips,
        block, seen, 0, 0, 0, slots, *[0] * 6,
    )  # fmt: skip


@lru_cache(maxsize=256)
def tables(
    shape: tuple[int, ...],
    right: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    groups: int,
    exchanged: bool,
    kind: np.dtype,
) -> Tables:
    """For an image (N, H, W, C) and gradients (N, H', W', O).

    `exchanged`: the image is the gradient and the gradient the image, so that the weights come out
    mirrored and with their sides exchanged.
    """
    (n, c), (height, o) = shape[::3], right[1::2]
    lanes = lanes_of(kind)
    c, o = c // groups, o // groups
    area = kernel[0] * kernel[1]
    plan = window(shape, right, kernel, stride, start, dilation, lanes)
    seen, slots = plan.seen, plan.slots
    few = c <= lanes // 2
    cell = c if few else lanes
    taps = window_taps(kernel, (0, 0), dilation)
    if few:
        taps = merged(taps)
    part = c if few else max(1, MOST_ROWS // (area * lanes)) * lanes
    table: list[tuple[int, int, int]] = []
    parts, rows, row = [0], np.empty(c * area, np.int64), 0
    for begin in range(0, c, part):
        for tap in taps:
            place = (tap.down * seen + tap.right) * cell
            end = min(begin + part, c)
            lines = [(0, len(tap.weights) * c)] if few else [
                (panel, min(lanes, end - panel)) for panel in range(begin, end, lanes)
            ]  # fmt: skip
            for channel, count in lines:
                panel = (channel - begin) // lanes * slots * seen * lanes
                for first in range(0, count, OUTER_ROWS):
                    some = np.arange(first, min(first + OUTER_ROWS, count))
                    q = (channel + some % cell) * area + np.array(tap.weights)[some // cell]
                    rows[q] = row + some - first
                    size = OUTER_ROWS if len(some) > HALF_ROWS else HALF_ROWS
                    table.append((panel + place + first, size, row))
                    row += size
        parts.append(len(table))
    if exchanged:
        rows = rows.reshape(c, area)[:, ::-1].ravel()
        segment, segment_step, column_step = area, o * area, area
    else:
        segment, segment_step, column_step = c * area, 0, c * area
    wide = OUTER_WIDE * lanes
    packed = -(-o // wide) * wide
    column_blocks = -(-packed // MOST_COLUMNS)
    columns = -(-packed // (column_blocks * wide)) * wide
    owned = groups * (len(parts) - 1) * column_blocks
    blocks = -(-n * height * plan.strips // plan.block)
    splits = max(1, min(-(-ENOUGH_CHUNKS // owned), blocks // 4))
    plan = plan._replace(
        groups=groups, channels=c, part=part, cell=cell, columns=o, columns_per_chunk=columns,
        splits=splits, segment=segment, segment_step=segment_step, column_step=column_step,
    )  # fmt: skip
    return Tables(
        plan,
        np.array(table, np.int64),
        np.array(parts, np.int64),
        np.ascontiguousarray(rows),
        owned * splits,
        groups * -(-o // (WIDE * lanes)) * (rows.size // segment) * -(-segment // SPAN),
        (groups, splits, row, packed),
        np.zeros(max(seen * cell, lanes), kind),
    )


@inlined
def copy_image(plan, memory, zeros, shift, channel, image, top, rows, left, target):
    """Copy some rows of an image, from the row `top` and the column `left`, zeros outside.

    For each panel of channels there is a copy of its own.
    """
    size = zeros.itemsize
    cell = plan.cell * size
    nothing = zeros.ctypes.data
    first, last = max(left, 0), min(left + plan.seen, plan.width)
    place = memory.x + shift + image * memory.x_image + first * memory.x_pixel
    panel = plan.slots * plan.seen * cell
    end = min(channel + plan.part, plan.channels)
    while channel < end:
        count = min(plan.cell, end - channel)
        for slot in range(rows):
            h = top + slot
            to = target + slot * plan.seen * cell
            if h < 0 or h >= plan.height or first >= last:
                copy_lines(zeros, 1, plan.seen * plan.cell, nothing, 0, to, 0)
                continue
            if first > left:
                copy_lines(zeros, 1, (first - left) * plan.cell, nothing, 0, to, 0)
            if last < left + plan.seen:
                copy_lines(zeros, 1, (left + plan.seen - last) * plan.cell, nothing, 0,
                           to + (last - left) * cell, 0)  # fmt: skip
            by = place + h * memory.x_row + channel * size
            to += (first - left) * cell
            if memory.x_pixel == cell:
                copy_lines(zeros, 1, (last - first) * plan.cell, by, 0, to, 0)
            else:
                copy_lines(zeros, last - first, count, by, memory.x_pixel, to, cell)
        target += panel
        channel += plan.cell


@inlined
def copy_strips(plan, memory, zeros, group, channel, first, last, target, places, lines):
    """Copy what the pixels of some strips see, for a part of the channels; how many pixels.

    `places` gets where each pixel begins in the copy, `lines` where its gradients are.
    """
    size = zeros.itemsize
    cell = plan.cell * size
    slot, count, strip = 0, 0, first
    while strip < last:
        # strips of one image, one below the other
        line = strip // plan.strips
        image, i = line // plan.out_height, line % plan.out_height
        j = strip % plan.strips * plan.strip
        rows = min(last - strip, plan.out_height - i) if plan.strips == 1 else 1
        wanted = (rows - 1) * plan.step_h + plan.reach
        to = target + slot * plan.seen * cell
        copy_image(plan, memory, zeros, group * plan.channels * size, channel, image,
                   i * plan.step_h + plan.top, wanted, j * plan.step_w + plan.left, to)  # fmt: skip
        length = min(plan.strip, plan.out_width - j)
        for row in range(rows):
            place = to + row * plan.step_h * plan.seen * cell
            count_words(places.ctypes.data + 8 * count, length, place, plan.step_w * cell)
            place = memory.g + image * memory.g_image + (i + row) * memory.g_row
            place += j * memory.g_pixel + group * plan.columns * size
            count_words(lines.ctypes.data + 8 * count, length, place, memory.g_pixel)
            count += length
        slot += wanted
        strip += rows
    return count


@inlined
def split_strips(plan, split):
    """The strips that a split of the pixels begins and ends with."""
    strips = plan.images * plan.out_height * plan.strips
    blocks = (strips + plan.block - 1) // plan.block
    blocks = (blocks + plan.splits - 1) // plan.splits
    first = split * blocks * plan.block
    return first, min(first + blocks * plan.block, strips)


@compiled
def outer(counters, plan, memory, groups, parts, sums, zeros):
    """The sums of all rows. A chunk: some channels and columns, over one part of the pixels."""
    size, lanes = sums.itemsize, plan.lanes
    panels = (plan.part + plan.cell - 1) // plan.cell
    copy = np.zeros(panels * plan.slots * plan.seen * plan.cell + 2 * lanes, sums.dtype)
    copy_at = (copy.ctypes.data + 63) // 64 * 64
    most = plan.block * plan.strip
    right = np.zeros(plan.columns_per_chunk * most + 2 * lanes, sums.dtype)
    panels_at = (right.ctypes.data + 63) // 64 * 64  # at lines of the cache
    places, lines = np.empty(most + 8, np.int64), np.empty(most + 8, np.int64)
    packed = sums.shape[3]
    column_blocks = (packed + plan.columns_per_chunk - 1) // plan.columns_per_chunk
    wide = OUTER_WIDE * lanes
    direct = (
        packed <= DIRECT
        and packed == plan.columns
        and memory.g_row == plan.out_width * memory.g_pixel
        and memory.g_image == plan.out_height * memory.g_row
    )
    done = skip(counters, memory.wanted)
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        split = chunk % plan.splits
        part = chunk // plan.splits % (parts.size - 1)
        owned = chunk // (plan.splits * (parts.size - 1))
        first_column = owned % column_blocks * plan.columns_per_chunk
        last_column = min(first_column + plan.columns_per_chunk, packed)
        group = owned // column_blocks
        first_group, last_group = parts[part], parts[part + 1]
        first_row = groups[first_group, FIRST]
        last_row = groups[last_group - 1, FIRST] + groups[last_group - 1, ROWS]
        sums[group, split, first_row:last_row, first_column:last_column] = 0
        first, end = split_strips(plan, split)
        while first < end:
            count = copy_strips(plan, memory, zeros, group, part * plan.part, first,
                                min(first + plan.block, end), copy_at, places,
                                lines)  # fmt: skip
            if not direct:
                collect_panels(OUTER_WIDE, zeros, count,
                               min(last_column, plan.columns) - first_column, lines.ctypes.data,
                               first_column, panels_at, most * wide)  # fmt: skip
            for column in range(first_column, last_column, wide):
                by, by_step = lines[0] + column * size, memory.g_pixel // size
                if not direct:
                    by = panels_at + (column - first_column) * most * size
                    by_step = wide
                for k in range(first_group, last_group):
                    to = (group * plan.splits + split) * sums.shape[2] + groups[k, FIRST]
                    to = sums.ctypes.data + size * (to * packed + column)
                    if groups[k, ROWS] == OUTER_ROWS:
                        outer_tile(OUTER_ROWS, OUTER_WIDE, zeros, count, places.ctypes.data,
                                   groups[k, PLACE], by, by_step, to, packed)  # fmt: skip
                    else:
                        outer_tile(HALF_ROWS, OUTER_WIDE, zeros, count, places.ctypes.data,
                                   groups[k, PLACE], by, by_step, to, packed)  # fmt: skip
            first += plan.block
    copy[0], right[0] = 0, 0  # so that they live until here
    return finish(counters, done)
