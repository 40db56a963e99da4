"""Convolution, and its gradient by the input, as one matrix product over pointers to pixels.

Each output pixel is a row: the sum over its taps of a pixel of the input, C numbers that lie side
by side in memory, times a C x O matrix of weights. The tiles are given pointers to the pixels, so
that nothing is copied; where a tap falls outside the image it points to zeros. Only runs of taps
that stick out of the image are put together, in memory of the thread's own.

The gradient by the input with stride s is s x s such products: the output pixels of equal
remainders (a phase) have the same taps, and no zeros are inserted anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.moves import add_words, copy_lines, count_words
from tinygan.backend.cpu.plans import (
    CACHED,
    FIRST_ROW,
    FIRST_TAP,
    HEIGHT,
    LEAST_H,
    LEAST_W,
    LEFT,
    MOST_H,
    MOST_W,
    RUN,
    TAPS,
    TOP,
    WIDTH,
)
from tinygan.backend.cpu.tiles import (
    DOT_COLUMNS,
    DOT_ROWS,
    ROWS,
    WIDE,
    depth_tile,
    dot_tile,
    gather_tile,
)


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


@inlined
def find(chunk, plan, phases, rows):
    """Which part of the work a chunk is: phase, group, first column, first pixel, tiles.

    Chunks of all phases of some pixels follow each other: they read the same part of the input.
    """
    p, part = chunk % phases.shape[0], chunk // phases.shape[0]
    step = plan.block * rows
    most = plan.images * phases[0, HEIGHT] * phases[0, WIDTH]  # the first phase has the most
    blocks = (most + step - 1) // step
    panels = (plan.packed + plan.panel - 1) // plan.panel
    pixel, part = part % blocks * step, part // blocks
    left = plan.images * phases[p, HEIGHT] * phases[p, WIDTH] - pixel
    tiles = min(plan.block, (left + rows - 1) // rows)
    return p, part // panels, part % panels * plan.panel, pixel, tiles


class Scratch(NamedTuple):
    """Memory of a thread's own, for the tiles of a chunk."""

    table: np.ndarray  # the pointers, by tile, tap and row
    targets: np.ndarray  # where the results go
    bases: np.ndarray  # of the pixels
    outside: np.ndarray  # pixels whose taps are not all in the image: which, row, column
    unused: np.ndarray  # results of rows without a pixel go there
    edges: np.ndarray  # runs that stick out of the image


@inlined
def scratch(plan, like, rows):
    return Scratch(
        np.empty(plan.block * plan.most_taps * rows, np.int64),
        np.empty(plan.block * rows + 8, np.int64),
        np.empty(plan.block * rows + 8, np.int64),
        np.empty((3, plan.block * rows), np.int64),
        np.empty(plan.groups * plan.columns + plan.packed, like.dtype),
        np.empty(plan.block * plan.edges, like.dtype),
    )


@inlined
def point(plan, memory, taps, phases, p, shift, pixel, tiles, rows, zeros, own):
    """Fill in the pointers to the taps of some tiles, and to their results.

    `shift` is where the group begins in a pixel, in bytes.
    """
    first_tap, count = phases[p, FIRST_TAP], phases[p, TAPS]
    height, width = phases[p, HEIGHT], phases[p, WIDTH]
    least_h, most_h = phases[p, LEAST_H], phases[p, MOST_H]
    least_w, most_w = phases[p, LEAST_W], phases[p, MOST_W]
    nothing = zeros.ctypes.data
    image = pixel // (height * width)
    i = pixel // width - image * height
    j = pixel % width
    there = min(tiles * rows, plan.images * height * width - pixel)
    bases, outside = own.bases.ctypes.data, own.outside
    targets = own.targets.ctypes.data
    # columns from and to which all taps are in the image
    inner = 0 if least_w >= 0 else (plan.step_w - 1 - least_w) // plan.step_w
    outer = (plan.width - 1 - most_w) // plan.step_w + 1 if most_w < plan.width else 0
    n, found = 0, 0
    while n < there:
        now = min(width - j, there - n)
        y = i * plan.step_h
        step = plan.step_w * memory.x_pixel
        base = memory.x + shift + image * memory.x_image + y * memory.x_row + j * step
        count_words(bases + 8 * n, now, base, step)
        step = plan.out_step_w * memory.out_pixel
        base = memory.out + image * memory.out_image + phases[p, LEFT] * memory.out_pixel
        base += (phases[p, TOP] + i * plan.out_step_h) * memory.out_row + j * step
        count_words(targets + 8 * n, now, base, step)
        inside = y + least_h >= 0 and y + most_h < plan.height
        k = 0
        while k < now:
            if inside and j + k >= inner and j + k < outer:
                k = outer - j
                continue
            outside[0, found], outside[1, found] = n + k, y
            outside[2, found] = (j + k) * plan.step_w
            found += 1
            k += 1
        n += now
        j = 0
        i += 1
        if i == height:
            i = 0
            image += 1
    for n in range(there, tiles * rows):
        own.bases[n] = own.bases[there - 1]
        outside[0, found] = n
        found += 1
        own.targets[n] = own.unused.ctypes.data
    for t in range(count):
        step = taps[first_tap + t, 0] * memory.x_row + taps[first_tap + t, 1] * memory.x_pixel
        for tile in range(tiles):
            to = own.table.ctypes.data + 8 * (tile * count + t) * rows
            by = bases + 8 * tile * rows
            if rows == ROWS:
                add_words(ROWS, to, by, step)
            else:
                add_words(DOT_ROWS, to, by, step)
    if count == 0:
        own.table[: tiles * rows] = nothing
        return

    # what is outside of the image
    edge = own.edges.ctypes.data
    cell, run = plan.channels * zeros.itemsize, phases[p, RUN]
    for k in range(found):
        n = outside[0, k]
        slot = n // rows * count * rows + n % rows
        for t in range(count):
            cells = taps[first_tap + t, 2]
            h, w = outside[1, k] + taps[first_tap + t, 0], outside[2, k] + taps[first_tap + t, 1]
            first, last = max(w, 0), min(w + cells, plan.width)
            if n >= there or h < 0 or h >= plan.height or first >= last:
                own.table[slot + t * rows] = nothing
            elif last - first < cells:
                place = own.table[slot + t * rows] + (first - w) * memory.x_pixel
                copy_lines(zeros, 1, run, nothing, 0, edge, 0)
                copy_lines(zeros, 1, (last - first) * plan.channels, place, 0,
                           edge + (first - w) * cell, 0)  # fmt: skip
                own.table[slot + t * rows] = edge
                edge += run * zeros.itemsize


@compiled
def gather(counters, plan, memory, taps, phases, packed, start, zeros, slope, relu):
    """The sums of all output pixels. A chunk: some tiles of one phase, and some columns."""
    size = packed.itemsize
    own = scratch(plan, packed, ROWS)
    table, targets = own.table, own.targets
    starts = np.empty(ROWS, np.int64)
    group_size = packed.size // plan.groups
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p, group, column, pixel, tiles = find(chunk, plan, phases, ROWS)
        if tiles <= 0:
            continue
        shift = group * plan.channels * size
        point(plan, memory, taps, phases, p, shift, pixel, tiles, ROWS, zeros, own)
        count, run = phases[p, TAPS], phases[p, RUN]
        weights = packed.ctypes.data + size * group * group_size
        weights += size * (phases[p, FIRST_ROW] * plan.packed + count * run * column)
        step = 1  # taps between two visits to the sums
        if count == 0:
            count, run, weights = 1, 1, zeros.ctypes.data
        else:
            step = max(1, min(count, CACHED // (run * WIDE * plan.lanes)))
        for r in range(tiles * ROWS):
            targets[r] += size * (group * plan.columns + column)
        last = min(column + plan.panel, plan.packed)
        while column < last:
            left = last - column
            wide = 1
            if left >= WIDE * plan.lanes:
                wide = WIDE
            elif left >= 2 * plan.lanes:
                wide = 2
            for r in range(ROWS):
                starts[r] = start.ctypes.data + size * (group * plan.packed + column)
            valid = plan.columns - column
            tap = 0
            while tap < count:
                now = min(step, count - tap)
                panel = weights + size * tap * run * wide * plan.lanes
                # the activation comes with the last taps
                alpha, cut = (slope, relu) if tap + now == count else (1.0, 0)
                for tile in range(tiles):
                    pointers = table.ctypes.data + 8 * (tile * count + tap) * ROWS
                    outputs = targets.ctypes.data + 8 * tile * ROWS
                    begin = starts.ctypes.data if tap == 0 else outputs
                    if wide == WIDE:
                        gather_tile(
                            WIDE,
                            packed,
                            now,
                            run,
                            pointers,
                            panel,
                            begin,
                            outputs,
                            valid,
                            alpha,
                            cut,
                        )
                    elif wide == 2:
                        gather_tile(
                            2, packed, now, run, pointers, panel, begin, outputs, valid, alpha, cut
                        )
                    else:
                        gather_tile(
                            1, packed, now, run, pointers, panel, begin, outputs, valid, alpha, cut
                        )
                tap += now
            for r in range(tiles * ROWS):
                targets[r] += size * wide * plan.lanes
            if phases[p, TAPS] > 0:
                weights += size * count * run * wide * plan.lanes
            column += wide * plan.lanes
    return finish(counters, done)


@compiled
def dots(counters, plan, memory, taps, phases, packed, start, zeros, slope, relu):
    """The same for few columns, with the lanes along the run. A chunk: some tiles of one phase."""
    size = packed.itemsize
    own = scratch(plan, packed, DOT_ROWS)
    table, targets = own.table, own.targets
    group_size = packed.size // plan.groups
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p, group, column, pixel, tiles = find(chunk, plan, phases, DOT_ROWS)
        if tiles <= 0:
            continue
        shift = group * plan.channels * size
        point(plan, memory, taps, phases, p, shift, pixel, tiles, DOT_ROWS, zeros, own)
        count, run = phases[p, TAPS], phases[p, RUN]
        weights = packed.ctypes.data + size * (
            group * group_size + phases[p, FIRST_ROW] * plan.packed
        )
        if count == 0:
            count, run, weights = 1, 1, zeros.ctypes.data
        rows = count * ((run + plan.lanes - 1) // plan.lanes) * plan.lanes
        for r in range(tiles * DOT_ROWS):
            targets[r] += size * group * plan.columns
        while column < plan.packed:
            wide = min(plan.packed - column, DOT_COLUMNS)
            begin = start.ctypes.data + size * (group * plan.packed + column)
            for tile in range(tiles):
                pointers = table.ctypes.data + 8 * tile * count * DOT_ROWS
                outputs = targets.ctypes.data + 8 * tile * DOT_ROWS
                if wide == 3:
                    dot_tile(3, packed, count, run, pointers, weights, begin, outputs, slope, relu)
                elif wide == 2:
                    dot_tile(2, packed, count, run, pointers, weights, begin, outputs, slope, relu)
                else:
                    dot_tile(1, packed, count, run, pointers, weights, begin, outputs, slope, relu)
            for r in range(tiles * DOT_ROWS):
                targets[r] += size * wide
            if phases[p, TAPS] > 0:
                weights += size * rows * wide
            column += wide
    return finish(counters, done)


@compiled
def depths(counters, plan, memory, taps, phases, packed, start, zeros, slope, relu):
    """The same channel by channel. A chunk: some tiles of one phase."""
    size = packed.itemsize
    own = scratch(plan, packed, ROWS)
    table, targets = own.table, own.targets
    starts = np.empty(ROWS, np.int64)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p, _, column, pixel, tiles = find(chunk, plan, phases, ROWS)
        if tiles <= 0:
            continue
        point(plan, memory, taps, phases, p, 0, pixel, tiles, ROWS, zeros, own)
        count = phases[p, TAPS]
        for tile in range(tiles):
            pointers = table.ctypes.data + 8 * tile * max(count, 1) * ROWS
            outputs = targets.ctypes.data + 8 * tile * ROWS
            weights = packed.ctypes.data + size * phases[p, FIRST_ROW] * plan.packed
            column = 0
            while column < plan.packed:
                for r in range(ROWS):
                    starts[r] = start.ctypes.data + size * column
                begin = starts.ctypes.data
                valid = plan.columns - column
                left = plan.packed - column
                wide = WIDE if left >= WIDE * plan.lanes else 2 if left >= 2 * plan.lanes else 1
                offset, panel, taken = column, weights, count
                if count == 0:
                    offset, panel, taken = 0, zeros.ctypes.data, 1
                if wide == WIDE:
                    depth_tile(
                        WIDE,
                        packed,
                        taken,
                        offset,
                        pointers,
                        panel,
                        begin,
                        outputs,
                        valid,
                        slope,
                        relu,
                    )
                elif wide == 2:
                    depth_tile(
                        2,
                        packed,
                        taken,
                        offset,
                        pointers,
                        panel,
                        begin,
                        outputs,
                        valid,
                        slope,
                        relu,
                    )
                else:
                    depth_tile(
                        1,
                        packed,
                        taken,
                        offset,
                        pointers,
                        panel,
                        begin,
                        outputs,
                        valid,
                        slope,
                        relu,
                    )
                for r in range(ROWS):
                    targets[tile * ROWS + r] += size * wide * plan.lanes
                weights += size * count * wide * plan.lanes
                column += wide * plan.lanes
    return finish(counters, done)
