"""The gradient by the weights by squares: see `winograd`."""

from __future__ import annotations

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.memory import address, aligned, image_place, scratch
from tinygan.backend.cpu.moves import copy_lines, count_words, set_word
from tinygan.backend.cpu.outer_tiles import OUTER_ROWS, OUTER_WIDE, outer_tile
from tinygan.backend.cpu.winograd import Memory, spread
from tinygan.backend.cpu.winograd_plans import KERNEL, Gradient
from tinygan.backend.cpu.winograd_tiles import POSITIONS, gradient_tile, spread_tile

PIXELS = 128


@compiled
def factors(counters, plan, sums, memory, corners, zeros, first_square, last_square, right, spoilt):
    """The factors of pixels and of outer gradients (`memory.out`). A chunk: some squares."""
    size, lanes = zeros.itemsize, plan.lanes
    wide = OUTER_WIDE * lanes
    memory_of_words = np.empty(16, np.int64)
    words = memory_of_words.ctypes.data
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        if chunk == 0 and first_square == 0:
            spoilt[0] = 0
        first = first_square + chunk * plan.block
        last = min(first + plan.block, last_square)
        target = memory.factors + size * chunk * plan.block * lanes
        spread(plan, memory, corners, 0, first, last, target, lanes, sums.left_vector,
               sums.left_position, zeros, words)  # fmt: skip
        for square in range(first, last):
            line = square // plan.across
            image = line // plan.down
            i, j = line % plan.down, square % plan.across
            for n in range(4):
                y, x = 2 * i + n // 2, 2 * j + n % 2
                place = memory.out + image * memory.out_image
                place += y * memory.out_row + x * memory.out_pixel
                if y >= plan.out_height or x >= plan.out_width:
                    place = zeros.ctypes.data
                set_word(words + 8 * n, place)
            target = right + size * (square - first_square) * wide
            for column in range(0, sums.columns, wide):
                spread_tile(2, zeros, OUTER_WIDE, words, column, target, lanes,
                            sums.right_position)  # fmt: skip
                target += size * sums.right_panel
    memory_of_words[0] = 0  # so that it lives until here
    return finish(counters, done)


@compiled
def outers(counters, plan, sums, left, right, count, zeros, result):
    """Sums of outer products. A chunk: some rows and columns of a position."""
    size, lanes = zeros.itemsize, plan.lanes
    wide = OUTER_WIDE * lanes
    words = np.empty(PIXELS + 8, np.int64)
    parts = (sums.rows + sums.rows_per_chunk - 1) // sums.rows_per_chunk
    column_parts = sums.columns // sums.columns_per_chunk
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first_column = chunk % column_parts * sums.columns_per_chunk
        first_row = chunk // column_parts % parts * sums.rows_per_chunk
        position = chunk // (column_parts * parts)
        last_row = min(first_row + sums.rows_per_chunk, sums.rows)
        at = result + size * position * sums.sums_position
        for row in range(first_row, last_row):
            to = at + size * (row * sums.columns + first_column)
            copy_lines(zeros, 1, sums.columns_per_chunk, zeros.ctypes.data, 0, to, 0)
        for first in range(0, count, PIXELS):
            some = min(PIXELS, count - first)
            rows_at = left + size * (position * sums.left_position + first * lanes)
            count_words(words.ctypes.data, some, rows_at, size * lanes)
            for column in range(first_column, first_column + sums.columns_per_chunk, wide):
                by = position * sums.right_position + column // wide * sums.right_panel
                by = right + size * (by + first * wide)
                for row in range(first_row, last_row, OUTER_ROWS):
                    shift = row // lanes * sums.left_vector + row % lanes
                    outer_tile(OUTER_ROWS, OUTER_WIDE, zeros, some, words.ctypes.data, shift, by,
                               wide, at + size * (row * sums.columns + column),
                               sums.columns)  # fmt: skip
    words[0] = 0  # so that they live until here
    return finish(counters, done)


@compiled
def collect(counters, plan, sums, parts, source, w, zeros, spoilt):
    """Gradients from the sums of so many passes. A chunk: a channel and all columns."""
    size, lanes = zeros.itemsize, plan.lanes
    area = KERNEL * KERNEL
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for column in range(0, sums.columns, lanes):
            place = source + size * (chunk * sums.columns + column)
            target = w + size * (column * plan.channels + chunk) * area
            if gradient_tile(zeros, place, parts, sums.sums_pass, plan.channels * sums.columns,
                             sums.sums_position, target, plan.channels * area):  # fmt: skip
                spoilt[0] = 1
    return finish(counters, done)


def gradient(
    tables: Gradient, image: np.ndarray, right: np.ndarray, w: np.ndarray, number: int
) -> np.ndarray:
    """Launch what computes `w` (O, C, 4, 4); a word that is not 0 if that was in vain."""
    plan, sums, kind = tables.plan, tables.sums, image.dtype
    spoilt = scratch(1, np.int64)
    pixels = aligned((POSITIONS * sums.left_position,), kind)
    outer = aligned((POSITIONS * sums.right_position,), kind)
    added = aligned((len(tables.passes) * sums.sums_pass,), kind)
    memory = Memory(*image_place(image), *image_place(right), 0, address(pixels), 0)
    for i, (first, last) in enumerate(tables.passes):
        count = last - first
        what = plan, sums, memory, tables.corners, tables.zeros, first, last, address(outer), spoilt
        threads.run(factors, -(-count // plan.block), what, number)
        to = address(added) + i * sums.sums_pass * kind.itemsize
        given = plan, sums, address(pixels), address(outer), count, tables.zeros, to
        threads.run(outers, tables.chunks, given, number)
    parts = len(tables.passes), address(added), address(w)
    threads.run(collect, plan.channels, (plan, sums, *parts, tables.zeros, spoilt), number)
    return spoilt
