"""The moments of a batch by channel, and those that run along behind them.

An activation is a matrix here, as in normalization.py: a row per pixel, a column per channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.blocks import block, plan
from tinygan.backend.cpu.column_tiles import WIDE, moments_tile
from tinygan.backend.cpu.compile import LANES, compiled, finish, inlined, take
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.kernels import launches

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@launches
def batch_moments(x: Any, *, out: Any = None) -> Any:
    matrix = matrix_of(x)
    if matrix is None:
        return NotImplemented
    result = np.empty((2, matrix.shape[1]), x.dtype) if out is None else out
    cut = plan(*matrix.shape)
    partial = scratch((cut.blocks, 3, matrix.shape[1]), x.dtype)
    threads.run(_moments, cut.chunks, (matrix, cut.rows, cut.group, partial, result), cut.threads)
    if cut.blocks > 1:
        arguments = (partial, cut.rows, len(matrix), cut.group, result)
        threads.run(_merge_moments, cut.groups, arguments, cut.threads)
    return result


@launches
def move_running(
    moments: Any, mean: Any, var: Any, *, momentum: float, count: int, out: Any = None
) -> Any:
    if not suit(moments.dtype, moments, mean, var) or mean is None or var is None:
        return NotImplemented
    threads.run(_move_running, 1, (moments, mean, var, float(momentum), count), 1)
    return moments


# -- memory ---------------------------------------------------------------------------------------


def matrix_of(x: Any) -> Any:
    """A view (N H W, C) of channels-last memory, None where it is not."""
    if x.dtype not in FLOATS or not x.size or not x.flags.aligned:
        return None
    y = x.transpose(0, *range(2, x.ndim), 1)
    return y.reshape(-1, x.shape[1]) if y.flags.c_contiguous else None


def suit(dtype: Any, *arrays: Any) -> bool:
    """Whether kernels can read these vectors and matrices: of one type, the vectors in one run."""
    return all(
        a is None or (a.dtype == dtype and (a.ndim > 2 or a.flags.c_contiguous)) for a in arrays
    )


# -- kernels --------------------------------------------------------------------------------------


@compiled
def _moments(counters, x, rows, group, partial, result):
    """Per block: a shift near the data, the sum and the sum of squares of what is left of it."""
    one = x.dtype.type(1)
    channels, size = x.shape[1], x.itemsize
    lanes, step = LANES * 4 // size, channels * size
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        r, last, start, end = block(chunk, x.shape, rows, group)
        c = start
        while c < end:
            place = x.ctypes.data + (r * channels + c) * size
            sums = partial.ctypes.data + (r // rows * 3 * channels + c) * size
            if end - c >= WIDE * lanes:
                moments_tile(WIDE, last - r, place, step, end - c, sums, step, one)
                c += WIDE * lanes
            else:
                moments_tile(1, last - r, place, step, end - c, sums, step, one)
                c += lanes
        if partial.shape[0] == 1:
            _merge(partial, rows, x.shape[0], start, end, result)
    return finish(counters, done)


@inlined
def _merge(partial, rows, total, start, end, result):
    """The moments of all rows from those of the blocks. Source: Chan, Golub, LeVeque, 1979."""
    mean, squares = np.zeros(end - start), np.zeros(end - start)
    seen = 0
    for b in range(partial.shape[0]):
        count = min(rows, total - seen)
        share = count / (seen + count)
        sums = partial[b]
        shift, first, second = sums[0, start:end], sums[1, start:end], sums[2, start:end]
        for c in range(mean.size):
            part = np.float64(first[c]) / count
            gap = shift[c] + part - mean[c]
            squares[c] += second[c] - part * first[c] + gap * gap * (seen * share)
            mean[c] += gap * share
        seen += count
    for c in range(mean.size):
        result[0, start + c] = mean[c]
        result[1, start + c] = squares[c] / total


@compiled
def _merge_moments(counters, partial, rows, total, group, result):
    """A chunk: a group of channels."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        end = min((chunk + 1) * group, result.shape[1])
        _merge(partial, rows, total, chunk * group, end, result)
    return finish(counters, done)


@compiled
def _move_running(counters, moments, mean, var, momentum, count):
    done = 0
    while take(counters) >= 0:
        done += 1
        for c in range(mean.size):
            mean[c] = mean[c] * (1 - momentum) + momentum * moments[0, c]
            var[c] = var[c] * (1 - momentum) + momentum * count / (count - 1) * moments[1, c]
    return finish(counters, done)
