"""Batch normalisation over channels-last memory, each pass over the memory one launch.

An activation is a matrix here: a row per pixel, a column per channel. A chunk is a block of rows
of a group of columns. Sums over a block are taken in the numbers' own type around a value near
them, over the blocks in double precision. The kernels that write begin with the last block,
because the kernel before them read it last and it is still in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.blocks import block, plan
from tinygan.backend.cpu.column_tiles import (
    WIDE,
    apply_tile,
    input_grad_tile,
    sums_tile,
)
from tinygan.backend.cpu.compile import LANES, compiled, finish, inlined, take
from tinygan.backend.cpu.epilogue import Activation, epilogue, pass_over
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.cpu.moments import matrix_of, suit
from tinygan.backend.kernels import launches


@launches
def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    moments: Any,
    *,
    eps: float,
    training: bool,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    matrix, y, result = matrix_of(x), *_result(x, out)
    if matrix is None or y is None or not suit(x.dtype, weight, bias, moments):
        return NotImplemented
    after = epilogue(activation)
    if after is None:
        return NotImplemented
    cut = plan(*matrix.shape)
    arguments = (
        matrix, cut.rows, cut.group, moments, x.dtype.type(eps), *_given(weight, moments),
        *_given(bias, moments), after.relu, x.dtype.type(after.slope), after.address(x.dtype), y,
    )  # fmt: skip
    threads.run(_apply, cut.chunks, arguments, cut.threads)
    return result


@launches
def batch_norm_sums(g: Any, x: Any, moments: Any, *, eps: float, out: Any = None) -> Any:
    left, right = matrix_of(g), matrix_of(x)
    if left is None or right is None or not suit(x.dtype, g, moments):
        return NotImplemented
    result = np.empty_like(moments) if out is None else out
    cut = plan(*right.shape)
    partial = scratch((cut.blocks, 2, right.shape[1]), x.dtype)
    arguments = (left, right, cut.rows, cut.group, moments, x.dtype.type(eps), partial, result)
    threads.run(_sums, cut.chunks, arguments, cut.threads)
    if cut.blocks > 1:
        merging = (partial, cut.group, moments, x.dtype.type(eps), result)
        threads.run(_merge_sums, cut.groups, merging, cut.threads)
    return result


@launches
def batch_norm_input_grad(
    g: Any, x: Any, weight: Any, moments: Any, sums: Any, *, eps: float, out: Any = None
) -> Any:
    left, right, y, result = matrix_of(g), matrix_of(x), *_result(x, out)
    if left is None or right is None or y is None:
        return NotImplemented
    if not suit(x.dtype, g, weight, moments, sums):
        return NotImplemented
    cut = plan(*right.shape)
    arguments = (
        left, right, cut.rows, cut.group, moments, x.dtype.type(eps),
        *_given(weight, moments), sums, y,
    )  # fmt: skip
    threads.run(_input_grad, cut.chunks, arguments, cut.threads)
    return result


# -- memory ---------------------------------------------------------------------------------------


def _result(x: Any, out: Any) -> tuple[Any, Any]:
    """Memory for a result like x, as a matrix and as it is handed out."""
    result = np.empty_like(x) if out is None else out
    return matrix_of(result), result


def _given(v: Any, moments: Any) -> tuple[Any, bool]:
    """A vector and whether there is one: what stands for None has its type."""
    return (moments[0], False) if v is None else (v, True)


# -- kernels --------------------------------------------------------------------------------------


@compiled
def _apply(
    counters,
    x,
    rows,
    group,
    moments,
    eps,
    weight,
    weighted,
    bias,
    shifted,
    relu,
    slope,
    function,
    y,
):
    """f((x - mean) / sqrt(var + eps) weight + bias), f as in a product's epilogue."""
    scales, shifts = np.empty(group, x.dtype), np.empty(group, x.dtype)
    channels, size = x.shape[1], x.itemsize
    lanes, step = LANES * 4 // size, channels * size
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last, start, end = block(counters[2] - 1 - chunk, x.shape, rows, group)
        for c in range(start, end):
            scales[c - start] = (weight[c] if weighted else 1) / np.sqrt(moments[1, c] + eps)
            shifts[c - start] = bias[c] if shifted else 0
        c = start
        while c < end:
            place = (first * channels + c) * size
            xs, ys = x.ctypes.data + place, y.ctypes.data + place
            middle = moments.ctypes.data + c * size
            by, to = (
                scales.ctypes.data + (c - start) * size,
                shifts.ctypes.data + (c - start) * size,
            )
            if end - c >= WIDE * lanes:
                apply_tile(WIDE, last - first, xs, step, end - c, middle, by, to, relu, slope, ys)
                c += WIDE * lanes
            else:
                apply_tile(1, last - first, xs, step, end - c, middle, by, to, relu, slope, ys)
                c += lanes
        if function:
            whole = end - start == channels
            for row in range(first, first + 1 if whole else last):
                place = y.ctypes.data + (row * channels + start) * size
                pass_over(function, place, (last - first if whole else 1) * (end - start))
    return finish(counters, done)


@compiled
def _sums(counters, g, x, rows, group, moments, eps, partial, result):
    """Per block: the sums of g and of g (x - mean)."""
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
            place = (r * channels + c) * size
            gs, xs = g.ctypes.data + place, x.ctypes.data + place
            mean = moments.ctypes.data + c * size
            sums = partial.ctypes.data + (r // rows * 2 * channels + c) * size
            if end - c >= WIDE * lanes:
                sums_tile(WIDE, last - r, gs, xs, step, end - c, mean, sums, step, eps)
                c += WIDE * lanes
            else:
                sums_tile(1, last - r, gs, xs, step, end - c, mean, sums, step, eps)
                c += lanes
        if partial.shape[0] == 1:
            _add_up(partial, start, end, moments, eps, result)
    return finish(counters, done)


@inlined
def _add_up(partial, start, end, moments, eps, result):
    """The sums of all blocks; the second divided by the deviation."""
    for c in range(start, end):
        first, second = 0.0, 0.0
        for b in range(partial.shape[0]):
            first += partial[b, 0, c]
            second += partial[b, 1, c]
        result[0, c] = first
        result[1, c] = second / np.sqrt(moments[1, c] + eps)


@compiled
def _merge_sums(counters, partial, group, moments, eps, result):
    """A chunk: a group of channels."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        end = min((chunk + 1) * group, result.shape[1])
        _add_up(partial, chunk * group, end, moments, eps, result)
    return finish(counters, done)


@compiled
def _input_grad(counters, g, x, rows, group, moments, eps, weight, weighted, sums, y):
    """weight / sqrt(var + eps) (g - sum(g) / n - normal x sum(g normal x) / n)."""
    factors = np.empty((3, group), x.dtype)
    count, channels, size = x.shape[0], x.shape[1], x.itemsize
    lanes, step = LANES * 4 // size, channels * size
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last, start, end = block(counters[2] - 1 - chunk, x.shape, rows, group)
        for c in range(start, end):
            inverse = 1 / np.sqrt(moments[1, c] + eps)
            scale = inverse * weight[c] if weighted else inverse
            factors[0, c - start] = scale
            factors[1, c - start] = scale * inverse * sums[1, c] / count
            factors[2, c - start] = scale * sums[0, c] / count
        c = start
        while c < end:
            place = (first * channels + c) * size
            gs, xs, ys = g.ctypes.data + place, x.ctypes.data + place, y.ctypes.data + place
            mean = moments.ctypes.data + c * size
            by = factors.ctypes.data + (c - start) * size
            height = last - first
            if end - c >= WIDE * lanes:
                input_grad_tile(
                    WIDE, height, gs, xs, step, end - c, mean, by, group * size, ys, eps
                )
                c += WIDE * lanes
            else:
                input_grad_tile(1, height, gs, xs, step, end - c, mean, by, group * size, ys, eps)
                c += lanes
    return finish(counters, done)
