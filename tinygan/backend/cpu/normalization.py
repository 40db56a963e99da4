"""Batch normalisation on float32 in channels-last memory, each pass over the memory one kernel.

An activation is a matrix here: a row per pixel, a column per channel. A chunk is a block of rows.
Sums over a block are taken in float32, over the blocks in float64. The kernels that write begin
with the last block, because the kernel before them read it last and it is still in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, take

FLOAT = np.dtype(np.float32)
SMALL = 1 << 10  # numbers that are not worth a compiler
SHARE = 1 << 18  # numbers for which waking one more thread costs less than it brings
BLOCK = 1 << 14  # numbers in a block, so that it stays in the first caches
BLOCKS = 64  # above it blocks grow instead, lest adding them up take long


def batch_moments(x: Any, *, out: Any = None) -> Any:
    matrix = _matrix(x)
    if matrix is None:
        return NotImplemented
    result = np.empty((2, matrix.shape[1]), FLOAT) if out is None else out
    rows, chunks, number = _split(matrix)
    partial = np.empty((chunks, 3, matrix.shape[1]), FLOAT)
    threads.run(_moments, chunks, (matrix, rows, partial), number)
    threads.run(_merge_moments, 1, (partial, rows, len(matrix), result), 1)
    return result


def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    moments: Any,
    *,
    eps: float,
    training: bool,
    out: Any = None,
) -> Any:
    matrix, y, result = _matrix(x), *_result(x, out)
    if matrix is None or y is None or not _floats(weight, bias, moments):
        return NotImplemented
    scale = 1 / np.sqrt(moments[1] + eps)
    if weight is not None:
        scale *= weight
    if bias is None:
        bias = np.zeros_like(scale)
    rows, chunks, number = _split(matrix)
    threads.run(_apply, chunks, (matrix, rows, moments[0], scale, bias, y), number)
    return result


def batch_norm_sums(g: Any, x: Any, moments: Any, *, eps: float, out: Any = None) -> Any:
    left, right = _matrix(g), _matrix(x)
    if left is None or right is None or not _floats(moments):
        return NotImplemented
    result = np.empty_like(moments) if out is None else out
    rows, chunks, number = _split(right)
    partial = np.empty((chunks, 2, right.shape[1]), FLOAT)
    threads.run(_sums, chunks, (left, right, rows, moments[0], partial), number)
    result[...] = partial.sum(axis=0, dtype=np.float64)
    result[1] /= np.sqrt(moments[1] + eps)
    return result


def batch_norm_input_grad(
    g: Any, x: Any, weight: Any, moments: Any, sums: Any, *, eps: float, out: Any = None
) -> Any:
    left, right, y, result = _matrix(g), _matrix(x), *_result(x, out)
    if left is None or right is None or y is None or not _floats(weight, moments, sums):
        return NotImplemented
    inverse = 1 / np.sqrt(moments[1] + eps)
    scale = inverse if weight is None else inverse * weight
    count = len(right)
    by_x, shift = scale * inverse * sums[1] / count, scale * sums[0] / count
    rows, chunks, number = _split(right)
    arguments = (left, right, rows, moments[0], scale, by_x, shift, y)
    threads.run(_input_grad, chunks, arguments, number)
    return result


# -- memory ---------------------------------------------------------------------------------------


def _matrix(x: Any) -> Any:
    """A view (N H W, C) of channels-last memory, None where it is not."""
    if x.dtype != FLOAT or x.size < SMALL or not x.flags.aligned:
        return None
    y = x.transpose(0, *range(2, x.ndim), 1)
    return y.reshape(-1, x.shape[1]) if y.flags.c_contiguous else None


def _result(x: Any, out: Any) -> tuple[Any, Any]:
    """Memory for a result like x, as a matrix and as it is handed out."""
    result = np.empty_like(x) if out is None else out
    return _matrix(result), result


def _floats(*arrays: Any) -> bool:
    return all(a is None or a.dtype == FLOAT for a in arrays)


def _split(matrix: Any) -> tuple[int, int, int]:
    """Rows in a block, blocks, and threads."""
    count, channels = matrix.shape
    rows = max(BLOCK // channels, -(-count // BLOCKS), 1)
    return rows, -(-count // rows), min(threads.get_num_threads(), matrix.size // SHARE)


# -- kernels --------------------------------------------------------------------------------------


@compiled
def _moments(counters, x, rows, partial):
    """Per block: a shift near the data, the sum and the sum of squares of what is left of it."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        r = chunk * rows
        last = min(r + rows, x.shape[0])
        shift, first, second = partial[chunk, 0], partial[chunk, 1], partial[chunk, 2]
        shift[:] = x[r]
        first[:] = 0
        second[:] = 0
        while r + 4 <= last:
            x0, x1, x2, x3 = x[r], x[r + 1], x[r + 2], x[r + 3]
            for c in range(x.shape[1]):
                k = shift[c]
                a0, a1, a2, a3 = x0[c] - k, x1[c] - k, x2[c] - k, x3[c] - k
                first[c] += (a0 + a1) + (a2 + a3)
                second[c] += (a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3)
            r += 4
        while r < last:
            x0 = x[r]
            for c in range(x.shape[1]):
                a0 = x0[c] - shift[c]
                first[c] += a0
                second[c] += a0 * a0
            r += 1
    return finish(counters, done)


@compiled
def _merge_moments(counters, partial, rows, total, result):
    """The moments of all rows from those of the blocks. Source: Chan, Golub, LeVeque, 1979."""
    channels = result.shape[1]
    mean, squares = np.zeros(channels), np.zeros(channels)
    seen = 0
    for chunk in range(partial.shape[0]):
        count = min(rows, total - seen)
        share = count / (seen + count)
        shift, first, second = partial[chunk, 0], partial[chunk, 1], partial[chunk, 2]
        for c in range(channels):
            part = np.float64(first[c]) / count
            gap = shift[c] + part - mean[c]
            squares[c] += second[c] - part * first[c] + gap * gap * (seen * share)
            mean[c] += gap * share
        seen += count
    for c in range(channels):
        result[0, c] = mean[c]
        result[1, c] = squares[c] / total


@compiled
def _apply(counters, x, rows, mean, scale, bias, y):
    """(x - mean) scale + bias."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = (counters[2] - 1 - chunk) * rows
        for r in range(first, min(first + rows, x.shape[0])):
            x0, y0 = x[r], y[r]
            for c in range(x.shape[1]):
                y0[c] = (x0[c] - mean[c]) * scale[c] + bias[c]
    return finish(counters, done)


@compiled
def _sums(counters, g, x, rows, mean, partial):
    """Per block: the sums of g and of g (x - mean)."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        r = chunk * rows
        last = min(r + rows, x.shape[0])
        first, second = partial[chunk, 0], partial[chunk, 1]
        first[:] = 0
        second[:] = 0
        while r + 2 <= last:
            g0, g1, x0, x1 = g[r], g[r + 1], x[r], x[r + 1]
            for c in range(x.shape[1]):
                first[c] += g0[c] + g1[c]
                second[c] += g0[c] * (x0[c] - mean[c]) + g1[c] * (x1[c] - mean[c])
            r += 2
        if r < last:
            g0, x0 = g[r], x[r]
            for c in range(x.shape[1]):
                first[c] += g0[c]
                second[c] += g0[c] * (x0[c] - mean[c])
    return finish(counters, done)


@compiled
def _input_grad(counters, g, x, rows, mean, scale, by_x, shift, y):
    """scale g - by_x (x - mean) - shift."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = (counters[2] - 1 - chunk) * rows
        for r in range(first, min(first + rows, x.shape[0])):
            g0, x0, y0 = g[r], x[r], y[r]
            for c in range(x.shape[1]):
                y0[c] = scale[c] * g0[c] - by_x[c] * (x0[c] - mean[c]) - shift[c]
    return finish(counters, done)
