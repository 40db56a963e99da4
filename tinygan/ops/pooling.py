"""Maxima and means over windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.ops.images import as_images, constant, of_images
from tinygan.ops.separable import _separable
from tinygan.ops.window_max import (
    _adaptive_max_place,
    _max_pool,
    _max_tap,
    _plane_gather,
    _tap_place,
)
from tinygan.ops.window_sum import _window_sum
from tinygan.ops.windows import Pair, bins, pair, two

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool2d",
]

Size = int | Sequence[int]
Axis = tuple[int, int, int, int, int]  # size, count, kernel, stride, start


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """y[n,c,i,j] = max of input[n,c] over window i, j: (N, C, H, W) -> (N, C, H', W').

    H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1, rounded up with `ceil_mode`;
    `stride` is the kernel's size by default. With `return_indices` also the places h W + w of the
    maxima. The gradient goes to the first of equal numbers.
    """
    return _max_pooling(
        "max_pool2d", input, 2, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """y[n,c,i] = max of input[n,c] over window i: (N, C, L) -> (N, C, L'), as max_pool2d."""
    return _max_pooling(
        "max_pool1d", input, 1, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """y[n,c,i,j] = mean of input[n,c] over window i, j: (N, C, H, W) -> (N, C, H', W').

    The sum is divided by the number of pixels in the window, padding counted or not, or by
    `divisor_override`. Sizes as in max_pool2d.
    """
    if divisor_override == 0:
        raise RuntimeError("avg_pool2d: divisor_override must not be zero")
    return _avg_pooling(
        "avg_pool2d",
        input,
        2,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """y[n,c,i] = mean of input[n,c] over window i: (N, C, L) -> (N, C, L'), as avg_pool2d."""
    return _avg_pooling(
        "avg_pool1d", input, 1, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over H' x W' bins of near-equal size: (N, C, H, W) -> (N, C, H', W').

    Bin i is [floor(i H / H'), ceil((i + 1) H / H')). None in `output_size` keeps that size.
    """
    return _adaptive_avg("adaptive_avg_pool2d", input, 2, output_size)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over L' bins of near-equal size: (N, C, L) -> (N, C, L'), as adaptive_avg_pool2d."""
    return _adaptive_avg("adaptive_avg_pool1d", input, 1, output_size)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over the bins of adaptive_avg_pool2d: (N, C, H, W) -> (N, C, H', W')."""
    op = "adaptive_max_pool2d"
    x = as_images(op, input, 2)
    count = _adaptive_size(op, x, 2, output_size)
    place = _adaptive_max_place(x, count)
    y = of_images(input, _plane_gather(x, place), 2)
    return (y, of_images(input, place, 2)) if return_indices else y


def _max_pooling(
    op: str,
    input: Tensor,
    dims: int,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = as_images(op, input, dims)
    geometry = _geometry(op, x, dims, kernel_size, stride, padding, dilation, ceil_mode)
    y = _max_pool(x, *geometry)
    if not return_indices:
        return of_images(input, y, dims)
    _, *windows = geometry
    place = _tap_place(_max_tap(x, y, *geometry), x.shape[3], *windows)
    return of_images(input, y, dims), of_images(input, place, dims)


def _avg_pooling(
    op: str,
    input: Tensor,
    dims: int,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    x = as_images(op, input, dims)
    geometry = _geometry(op, x, dims, kernel_size, stride, padding, 1, ceil_mode)
    count, kernel, steps, start, _ = geometry
    y = _window_sum(x, count, kernel, steps, start)
    if divisor is not None:
        return of_images(input, y / divisor, dims)
    if not ceil_mode and (count_include_pad or start == (0, 0)):
        return of_images(input, y / (kernel[0] * kernel[1]), dims)
    rows, columns = zip(x.shape[2:], count, kernel, steps, start, strict=True)
    pixels = constant(x, _window_pixels, rows, columns, count_include_pad)
    return of_images(input, y / pixels, dims)


def _window_pixels(rows: Axis, columns: Axis, include_pad: bool) -> np.ndarray:
    """How many pixels each window counts, (H', W')."""
    numbers = []
    for size, count, kernel, stride, start in (rows, columns):
        low, high = (-start, size + start) if include_pad else (0, size)
        first = np.arange(count) * stride - start
        numbers.append(np.minimum(first + kernel, high) - np.maximum(first, low))
    return np.outer(*numbers)


def _adaptive_avg(op: str, input: Tensor, dims: int, output_size: Any) -> Tensor:
    x = as_images(op, input, dims)
    count = _adaptive_size(op, x, dims, output_size)
    height, width = x.shape[2:]
    if height % count[0] == 0 and width % count[1] == 0:
        kernel = (height // count[0], width // count[1])
        y = _window_sum(x, count, kernel, kernel, (0, 0)) / (kernel[0] * kernel[1])
        return of_images(input, y, dims)
    rows = constant(x, _bin_means, height, count[0])
    columns = constant(x, _bin_means, width, count[1])
    return of_images(input, _separable(x, rows, columns), dims)


def _bin_means(size: int, count: int) -> np.ndarray:
    """The matrix that takes the means over bins."""
    matrix = np.zeros((count, size))
    for i, (low, high) in enumerate(bins(size, count)):
        matrix[i, low:high] = 1 / (high - low)
    return matrix


def _adaptive_size(op: str, x: Tensor, dims: int, output_size: Any) -> Pair:
    given = output_size if isinstance(output_size, Sequence) else (output_size,) * dims
    if len(given) != dims or any(n is not None and n < 1 for n in given):
        raise RuntimeError(
            f"{op}: output_size is {output_size}, expected {dims} numbers of at least 1 (or None)"
        )
    given = [n if k is None else k for n, k in zip(x.shape[-dims:], given, strict=True)]
    return (1, given[0]) if dims == 1 else two(given)


def _geometry(
    op: str,
    x: Tensor,
    dims: int,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> tuple[Pair, Pair, Pair, Pair, Pair]:
    """count, kernel, stride, start, dilation in two dimensions."""
    kernel = pair(op, "kernel_size", kernel_size, dims, 1)
    steps = kernel if stride is None else pair(op, "stride", stride, dims, 1)
    start = pair(op, "padding", padding, dims)
    spread = pair(op, "dilation", dilation, dims, 1)
    count = []
    for n, k, s, p, d in zip(x.shape[-dims:], kernel, steps, start, spread, strict=True):
        extent = d * (k - 1) + 1
        if 2 * p > extent:
            raise RuntimeError(
                f"{op}: padding {start} must be at most half of the kernel's extent (kernel "
                f"{kernel}, dilation {spread})"
            )
        room = n + 2 * p - extent
        windows = -(-room // s) + 1 if ceil_mode else room // s + 1
        if ceil_mode and (windows - 1) * s >= n + p:
            windows -= 1  # the last window must begin inside of the image
        if windows < 1:
            raise RuntimeError(
                f"{op}: the kernel {kernel} with dilation {spread} is larger than the input "
                f"{tuple(x.shape[-dims:])} with padding {start}"
            )
        count.append(windows)
    if dims == 1:
        return (1, count[0]), (1, kernel[0]), (1, steps[0]), (0, start[0]), (1, spread[0])
    return (count[0], count[1]), two(kernel), two(steps), two(start), two(spread)
