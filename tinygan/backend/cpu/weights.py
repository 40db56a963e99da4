"""Weights as the tiles read them, and their gradients from the tiles' sums: transpositions.

Both go through squares of as many rows and columns as a vector has lanes.
"""

from __future__ import annotations

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, skip, take
from tinygan.backend.cpu.loops import numbers_at
from tinygan.backend.cpu.moves import transpose_tile
from tinygan.backend.cpu.plans import FIRST_ROW, SPAN, SUMS
from tinygan.backend.cpu.tiles import DOT_COLUMNS, WIDE


@compiled
def pack(counters, plan, steps, places, w, bias, packed, start, wanted):
    """Lay out weights by phase, columns, row. A chunk: some numbers of a few vectors of columns.

    The last chunk sets the start of the sums: the bias, or zeros.
    """
    size, lanes = packed.itemsize, plan.lanes
    group_step, u_step, u_count, column_step = steps
    sources, targets = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    unused = np.empty(lanes, packed.dtype)
    group_size = packed.size // plan.groups
    spans = (places.shape[0] + SPAN - 1) // SPAN
    u_blocks = (u_count * min(places.shape[0], SPAN) + SPAN - 1) // SPAN
    u_block = (u_count + u_blocks - 1) // u_blocks
    parts = (plan.packed + WIDE * lanes - 1) // (WIDE * lanes)
    full = plan.packed // (WIDE * lanes) * WIDE * lanes
    done = skip(counters, wanted)
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        if chunk == counters[2] - 1:
            shift = numbers_at(bias, plan.groups * plan.columns, packed)
            for g in range(plan.groups):
                for j in range(plan.packed):
                    inside = j < plan.columns and bias != 0
                    start[g * plan.packed + j] = shift[g * plan.columns + j] if inside else 0
            continue
        span = chunk % spans
        first_u = chunk // spans % u_blocks * u_block
        first_column = chunk // (spans * u_blocks) % parts * WIDE * lanes
        last_column = min(first_column + WIDE * lanes, plan.packed)
        group = chunk // (spans * u_blocks * parts)
        q_end = min(span * SPAN + SPAN, places.shape[0])
        for u in range(first_u, min(first_u + u_block, u_count)):
            for q in range(span * SPAN, q_end, lanes):
                count = min(lanes, q_end - q)
                base = group * group_step + u * u_step + q
                for column in range(first_column, last_column, lanes):
                    # the panel that the columns are in
                    panel, width = first_column, WIDE * lanes
                    if column >= full:
                        panel, width = column, lanes
                        two = plan.packed - full >= 2 * lanes and column < full + 2 * lanes
                        if two and plan.mode == SUMS:
                            panel, width = full, 2 * lanes
                    for i in range(lanes):
                        line = min(column + i, plan.columns - 1) * column_step
                        sources[i] = w + size * (base + line)
                        targets[i] = unused.ctypes.data
                        if i < count and places[q + i, 0] >= 0:
                            place = places[q + i, 0] * plan.packed + places[q + i, 1] * panel
                            place += (places[q + i, 2] + u) * width + column - panel
                            targets[i] = packed.ctypes.data + size * (group * group_size + place)
                    transpose_tile(packed, sources.ctypes.data, 1, 0, count, targets.ctypes.data,
                                   lanes)  # fmt: skip
    return finish(counters, done)


@compiled
def pack_dots(counters, plan, steps, phases, sources, w, bias, packed, start):
    """Lay out weights of few columns, the lanes along the rows. A chunk: a phase of a group."""
    lanes, columns = plan.lanes, plan.columns
    group_step, _, _, column_step = steps
    shift = numbers_at(bias, plan.groups * columns, packed)
    numbers = numbers_at(w, plan.groups * max(group_step, columns * column_step), packed)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        p, group = chunk % phases.shape[0], chunk // phases.shape[0]
        if p == 0:
            for j in range(group * columns, group * columns + columns):
                start[j] = shift[j] if bias != 0 else 0
        first = phases[p, FIRST_ROW]
        last = phases[p + 1, FIRST_ROW] if p + 1 < phases.shape[0] else sources.size
        target = group * columns * sources.size + first * columns
        column = 0
        while column < columns:
            wide = DOT_COLUMNS if columns - column >= DOT_COLUMNS else 1
            for row in range(first, last):
                for j in range(wide):
                    to = target + (row - first) // lanes * wide * lanes + j * lanes
                    value = packed.dtype.type(0)
                    if sources[row] >= 0:
                        value = numbers[
                            group * group_step + sources[row] + (column + j) * column_step
                        ]
                    packed[to + (row - first) % lanes] = value
            target += wide * (last - first)
            column += wide
    return finish(counters, done)


@compiled
def unpack(counters, plan, sums, rows, w, wanted):
    """w from sums (group, split, row, column), added up over the splits.

    A chunk: some numbers of a few vectors of columns. The q-th number of a column, in segments of
    `plan.segment` that are `plan.segment_step` apart, is in the row rows[q].
    """
    size, lanes = w.itemsize, plan.lanes
    sources, targets = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    unused = np.empty(lanes, w.dtype)
    spans = (plan.segment + SPAN - 1) // SPAN
    segments = rows.size // plan.segment
    parts = (plan.columns + WIDE * lanes - 1) // (WIDE * lanes)
    part_step = sums.shape[2] * sums.shape[3]
    done = skip(counters, wanted)
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = chunk % spans * SPAN
        segment = chunk // spans % segments
        first_column = chunk // (spans * segments) % parts * WIDE * lanes
        last_column = min(first_column + WIDE * lanes, plan.columns)
        group = chunk // (spans * segments * parts)
        last = min(first + SPAN, plan.segment)
        for q in range(first, last, lanes):
            count = min(lanes, last - q)
            for column in range(first_column, last_column, lanes):
                for i in range(lanes):
                    row = rows[segment * plan.segment + q + min(i, count - 1)]
                    place = (group * sums.shape[1] * sums.shape[2] + row) * sums.shape[3] + column
                    sources[i] = sums.ctypes.data + size * place
                    targets[i] = unused.ctypes.data
                    if column + i < plan.columns:
                        place = (group * plan.columns + column + i) * plan.column_step
                        place += segment * plan.segment_step + q
                        targets[i] = w.ctypes.data + size * place
                transpose_tile(w, sources.ctypes.data, sums.shape[1], part_step, lanes,
                               targets.ctypes.data, count)  # fmt: skip
    return finish(counters, done)
