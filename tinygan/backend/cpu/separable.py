"""Resampling of images by a matrix for each direction, most of whose numbers are 0.

A line of the result takes the lines of the input that its row of the matrix gives weight, which
are added up first; its pixels then take those of that sum. Zeros outside of the band that is not
zero are passed over, also where they would meet infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.blocks import PARALLEL
from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.windows import TOGETHER, images_of, result_of
from tinygan.backend.kernels import launches

FEW = 8  # channels, which are too few for vectors
WORK = 4  # numbers read for one that is written, about


@launches
def separable(x: Any, rows: Any, columns: Any, *, out: Any = None) -> Any:
    matrices = [_as_it_lies(rows, x.dtype), _as_it_lies(columns, x.dtype)]
    images = None if None in matrices else images_of(x)
    if images is None:
        return NotImplemented
    shape = (len(images), rows.shape[0], columns.shape[0], images.shape[3])
    y, result = result_of(out, shape, x.dtype)
    if y is None:
        return NotImplemented
    lines, line = shape[0] * shape[1], shape[2] * shape[3] * WORK
    share = max(1, TOGETHER // line)
    number = threads.get_num_threads() if lines * line > PARALLEL else 1
    (down, down_turned), (across, across_turned) = matrices
    arguments = (images, down, down_turned, across, across_turned, y, share)
    threads.run(_separable, -(-lines // share), arguments, number)
    return result


def _as_it_lies(matrix: Any, dtype: Any) -> Any:
    """A matrix in the order of memory, and whether that is transposed; None if it has gaps."""
    if matrix.dtype != dtype or not matrix.flags.aligned:
        return None
    if matrix.flags.c_contiguous:
        return matrix, False
    return (matrix.T, True) if matrix.flags.f_contiguous else None


@inlined
def _weight(matrix, turned, i, k):
    return matrix[k, i] if turned else matrix[i, k]


@inlined
def _band(matrix, turned, i):
    """From where to where the numbers in a row are that are not 0."""
    first, end = 0, matrix.shape[0 if turned else 1]
    while first < end and _weight(matrix, turned, i, first) == 0:
        first += 1
    while end > first and _weight(matrix, turned, i, end - 1) == 0:
        end -= 1
    return first, end


@compiled
def _separable(counters, x, down, down_turned, across, across_turned, y, share):
    width, channels = x.shape[2:]
    line = np.empty(width * channels, x.dtype)
    bands = np.empty((y.shape[2], 2), np.int64)
    nothing, taps = x.dtype.type(0), 0
    for j in range(y.shape[2]):
        bands[j, 0], bands[j, 1] = _band(across, across_turned, j)
        taps = max(taps, bands[j, 1] - bands[j, 0])
    # for every number of a line: where its taps are, and their weights
    size = y.shape[2] * channels if channels < FEW else 0
    places = np.empty((taps, size), np.int32)
    weights = np.empty((taps, size), x.dtype)
    for tap in range(taps):
        for k in range(size):
            j = k // channels
            w = bands[j, 0] + tap
            inside = w < bands[j, 1]
            places[tap, k] = (w - j) * channels + k if inside else 0
            weights[tap, k] = _weight(across, across_turned, j, w) if inside else 0
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for number in range(chunk * share, min((chunk + 1) * share, y.shape[0] * y.shape[1])):
            n = number // y.shape[1]
            i = number - n * y.shape[1]
            line[:] = 0
            first, end = _band(down, down_turned, i)
            for h in range(first, end):
                weight = _weight(down, down_turned, i, h)
                xs = x[n, h].reshape(-1)
                for k in range(line.size):
                    line[k] += weight * xs[k]
            if channels < FEW:
                ys = y[n, i].reshape(-1)
                ys[:] = 0
                for tap in range(taps):
                    place, weight_of = places[tap], weights[tap]
                    for k in range(size):
                        weight = weight_of[k]
                        ys[k] += weight * line[place[k]] if weight != 0 else nothing
                continue
            for j in range(y.shape[2]):
                ys = y[n, i, j]
                ys[:] = 0
                for w in range(bands[j, 0], bands[j, 1]):
                    weight = _weight(across, across_turned, j, w)
                    xs = line[w * channels : (w + 1) * channels]
                    for c in range(ys.size):
                        ys[c] += weight * xs[c]
    return finish(counters, done)
