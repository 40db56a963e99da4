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

from tinygan.backend.cpu.compile import compiled, finish, inlined, skip, take
from tinygan.backend.cpu.epilogue import pass_over_rows
from tinygan.backend.cpu.moves import add_words, copy_lines, count_words, get_word, set_word
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
    weights: int  # as they are packed
    weights_group: int
    start: int  # of the sums
    wanted: int  # a word that is 0 if the results are there already


@inlined
def find(chunk, plan, phases, rows):
    """Which part of the work a chunk is: phase, group, first column, first pixel, tiles.

    Chunks of all phases of some pixels follow each other: they read the same part of the input.
    """
    p, part = chunk % phases.shape[0], chunk // phases.shape[0]
    pixel, part = part % plan.blocks * plan.block * rows, part // plan.blocks
    left = plan.images * phases[p, HEIGHT] * phases[p, WIDTH] - pixel
    tiles = min(plan.block, (left + rows - 1) // rows)
    return p, part // plan.panels, part % plan.panels * plan.panel, pixel, tiles


class Own(NamedTuple):
    """Addresses of memory of a thread's own, for the tiles of a chunk."""

    table: int  # the pointers, by tile, tap and row
    targets: int  # where the results go
    bases: int  # of the pixels
    outside: int  # pixels whose taps are not all in the image: which, row, column
    unused: int  # results of rows without a pixel go there
    edges: int  # runs that stick out of the image


@inlined
def words_of(plan, rows):
    """How many words a thread needs, with some that are written beyond the end."""
    return plan.block * rows * (plan.most_taps + 5) + 24


@inlined
def numbers_of(plan):
    return plan.groups * plan.columns + plan.packed + plan.block * plan.edges


@inlined
def own_memory(plan, rows, words, numbers, size):
    targets = words + 8 * (plan.block * rows * plan.most_taps + 8)
    bases = targets + 8 * (plan.block * rows + 8)
    outside = bases + 8 * (plan.block * rows + 8)
    edges = numbers + size * (plan.groups * plan.columns + plan.packed)
    return Own(words, targets, bases, outside, numbers, edges)


@inlined
def point(plan, memory, taps, phases, p, shift, pixel, tiles, rows, zeros, own):
    """Fill in the pointers to the taps of some tiles, and to their results.

    `shift` is where the group begins in a pixel, in bytes.
    """
    first_tap, count = phases[p, FIRST_TAP], phases[p, TAPS]
    height, width = phases[p, HEIGHT], phases[p, WIDTH]
    least_h, most_h = phases[p, LEAST_H], phases[p, MOST_H]
    nothing = zeros.ctypes.data
    image = pixel // (height * width)
    i = pixel // width - image * height
    j = pixel % width
    there = min(tiles * rows, plan.images * height * width - pixel)
    # columns from and to which all taps are in the image
    inner = max(0, (plan.step_w - 1 - phases[p, LEAST_W]) // plan.step_w)
    outer = max(0, (plan.width - 1 - phases[p, MOST_W]) // plan.step_w + 1)
    step, out_step = plan.step_w * memory.x_pixel, plan.out_step_w * memory.out_pixel
    n, outside = 0, own.outside
    while n < there:
        now = min(width - j, there - n)
        y = i * plan.step_h
        base = memory.x + shift + image * memory.x_image + y * memory.x_row + j * step
        count_words(own.bases + 8 * n, now, base, step)
        base = memory.out + image * memory.out_image + phases[p, LEFT] * memory.out_pixel
        base += (phases[p, TOP] + i * plan.out_step_h) * memory.out_row + j * out_step
        count_words(own.targets + 8 * n, now, base, out_step)
        inside = y + least_h >= 0 and y + most_h < plan.height
        k = 0
        while k < now:
            if inside and j + k >= inner and j + k < outer:
                k = outer - j
                continue
            set_word(outside, n + k)
            set_word(outside + 8, y)
            set_word(outside + 16, (j + k) * plan.step_w)
            outside += 24
            k += 1
        n += now
        j = 0
        i += 1
        if i == height:
            i = 0
            image += 1
    for n in range(there, tiles * rows):
        set_word(own.bases + 8 * n, nothing)
        set_word(own.targets + 8 * n, own.unused)
        set_word(outside, n)
        outside += 24
    if count == 0:
        count_words(own.table, tiles * rows, nothing, 0)
        return
    for t in range(count):
        step = taps[first_tap + t, 0] * memory.x_row + taps[first_tap + t, 1] * memory.x_pixel
        for tile in range(tiles):
            to = own.table + 8 * (tile * count + t) * rows
            if rows == ROWS:
                add_words(ROWS, to, own.bases + 8 * tile * rows, step)
            else:
                add_words(DOT_ROWS, to, own.bases + 8 * tile * rows, step)

    # what is outside of the image
    edge, pixels = own.edges, own.outside
    cell, run = plan.channels * zeros.itemsize, phases[p, RUN]
    while pixels < outside:
        n = get_word(pixels)
        y, x = get_word(pixels + 8), get_word(pixels + 16)
        slot = own.table + 8 * (n // rows * count * rows + n % rows)
        for t in range(count):
            cells = taps[first_tap + t, 2]
            h, w = y + taps[first_tap + t, 0], x + taps[first_tap + t, 1]
            first, last = max(w, 0), min(w + cells, plan.width)
            if n >= there or h < 0 or h >= plan.height or first >= last:
                set_word(slot, nothing)
            elif last - first < cells:
                place = get_word(slot) + (first - w) * memory.x_pixel
                copy_lines(zeros, 1, run, nothing, 0, edge, 0)
                copy_lines(zeros, 1, (last - first) * plan.channels, place, 0,
                           edge + (first - w) * cell, 0)  # fmt: skip
                set_word(slot, edge)
                edge += run * zeros.itemsize
            slot += 8 * rows
        pixels += 24


@compiled
def gather(counters, plan, memory, taps, phases, zeros, slope, relu, function):
    """The sums of all output pixels. A chunk: some tiles of one phase, and some columns.

    `function`, if it is not 0, passes over them; its rows are remembered in place of the bases.
    """
    size = zeros.itemsize
    words = np.empty(words_of(plan, ROWS) + 8, np.int64)
    numbers = np.empty(numbers_of(plan), zeros.dtype)
    starts = words.ctypes.data
    own = own_memory(plan, ROWS, starts + 64, numbers.ctypes.data, size)
    done = skip(counters, memory.wanted)
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
        weights = memory.weights + group * memory.weights_group
        weights += size * (phases[p, FIRST_ROW] * plan.packed + count * run * column)
        forward = size * count * run
        step = 1  # taps between two visits to the sums
        if count == 0:
            count, run, weights = 1, 1, zeros.ctypes.data
        else:
            step = max(1, min(count, CACHED // (run * WIDE * plan.lanes)))
        shift = size * (group * plan.columns + column)
        last = min(column + plan.panel, plan.packed)
        columns, unused = min(last, plan.columns) - column, own.unused + shift
        if function:
            for tile in range(tiles):
                add_words(ROWS, own.bases + 8 * tile * ROWS, own.targets + 8 * tile * ROWS, shift)
        while column < last:
            for tile in range(tiles):
                outputs = own.targets + 8 * tile * ROWS
                add_words(ROWS, outputs, outputs, shift)
            left = last - column
            wide = 1
            if left >= WIDE * plan.lanes:
                wide = WIDE
            elif left >= 2 * plan.lanes:
                wide = 2
            count_words(starts, ROWS, memory.start + size * (group * plan.packed + column), 0)
            valid = plan.columns - column
            tap = 0
            while tap < count:
                now = min(step, count - tap)
                panel = weights + size * tap * run * wide * plan.lanes
                # the activation comes with the last taps
                alpha, cut = (slope, relu) if tap + now == count else (1.0, 0)
                for tile in range(tiles):
                    pointers = own.table + 8 * (tile * count + tap) * ROWS
                    outputs = own.targets + 8 * tile * ROWS
                    begin = starts if tap == 0 else outputs
                    if wide == WIDE:
                        gather_tile(WIDE, zeros, now, run, pointers, panel, begin, outputs, valid,
                                    alpha, cut)  # fmt: skip
                    elif wide == 2:
                        gather_tile(2, zeros, now, run, pointers, panel, begin, outputs, valid,
                                    alpha, cut)  # fmt: skip
                    else:
                        gather_tile(1, zeros, now, run, pointers, panel, begin, outputs, valid,
                                    alpha, cut)  # fmt: skip
                tap += now
            shift = size * wide * plan.lanes
            weights += forward * wide * plan.lanes
            column += wide * plan.lanes
        if function:
            pass_over_rows(function, own.bases, tiles * ROWS, unused, columns, size)
    words[0], numbers[0] = 0, 0  # so that they live until here
    return finish(counters, done)


@compiled
def dots(counters, plan, memory, taps, phases, zeros, slope, relu, function):
    """The same for few columns, with the lanes along the run. A chunk: some tiles of one phase."""
    size = zeros.itemsize
    words = np.empty(words_of(plan, DOT_ROWS), np.int64)
    numbers = np.empty(numbers_of(plan), zeros.dtype)
    own = own_memory(plan, DOT_ROWS, words.ctypes.data, numbers.ctypes.data, size)
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
        weights = memory.weights + group * memory.weights_group
        weights += size * phases[p, FIRST_ROW] * plan.packed
        forward = size * count * ((run + plan.lanes - 1) // plan.lanes) * plan.lanes
        if count == 0:
            count, run, weights = 1, 1, zeros.ctypes.data
        shift = size * group * plan.columns
        unused = own.unused + shift
        if function:
            for tile in range(tiles):
                outputs = own.targets + 8 * tile * DOT_ROWS
                add_words(DOT_ROWS, own.bases + 8 * tile * DOT_ROWS, outputs, shift)
        while column < plan.packed:
            wide = DOT_COLUMNS if plan.packed - column >= DOT_COLUMNS else 1
            begin = memory.start + size * (group * plan.packed + column)
            for tile in range(tiles):
                pointers = own.table + 8 * tile * count * DOT_ROWS
                outputs = own.targets + 8 * tile * DOT_ROWS
                add_words(DOT_ROWS, outputs, outputs, shift)
                if wide == 1:
                    dot_tile(1, zeros, count, run, pointers, weights, begin, outputs, slope, relu)
                else:
                    dot_tile(DOT_COLUMNS, zeros, count, run, pointers, weights, begin, outputs,
                             slope, relu)  # fmt: skip
            shift = size * wide
            weights += forward * wide
            column += wide
        if function:
            pass_over_rows(function, own.bases, tiles * DOT_ROWS, unused, plan.columns, size)
    words[0], numbers[0] = 0, 0  # so that they live until here
    return finish(counters, done)
