"""Interpolation, resampling by a filter, and pixel shuffle."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.ops.images import as_images, constant, of_images
from tinygan.ops.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d
from tinygan.ops.separable import _separable
from tinygan.ops.shape import own
from tinygan.ops.window_sum import _window_spread
from tinygan.ops.windows import two

__all__ = ["fir_resample", "interpolate", "pixel_shuffle", "pixel_unshuffle"]

_DIMS = {
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "nearest": (1, 2),
    "nearest-exact": (1, 2),
    "area": (1, 2),
}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """(N, C, H, W) -> (N, C, H', W') or (N, C, L) -> (N, C, L'), resampled.

    The target is `size`, or floor(size * scale_factor). `mode` is nearest, nearest-exact, linear
    (one dimension), bilinear, bicubic (two) or area (means). Target pixel i stands at
    (i + 1/2) H / H' - 1/2 of the source, with `align_corners` (linear modes and bicubic) at
    i (H - 1) / (H' - 1); nearest takes floor(i H / H'). A given scale_factor is used for H' / H
    unless `recompute_scale_factor`. Where H' = H nothing changes, but by bicubic with a factor
    given that is not 1. Bicubic may leave the range of its input; its weights are those of Keys,
    "Cubic convolution interpolation for digital image processing", 1981, with a = -3/4.
    """
    op, dims = "interpolate", input.ndim - 2
    if mode not in _DIMS:
        raise NotImplementedError(f"{op}: unknown mode {mode!r}; known are {', '.join(_DIMS)}")
    if dims not in _DIMS[mode]:
        expected = " or ".join(str(d + 2) for d in _DIMS[mode])
        raise NotImplementedError(
            f"{op}: mode {mode!r} needs an input with {expected} dimensions, got shape "
            f"{tuple(input.shape)}"
        )
    smooth = "linear" in mode or mode == "bicubic"
    if align_corners is not None and not smooth:
        raise ValueError(
            f"{op}: align_corners is for the linear modes and bicubic, not for {mode!r}"
        )
    source = tuple(input.shape[2:])
    target, scales = _target(source, size, scale_factor)
    if recompute_scale_factor:
        if scale_factor is None:
            raise ValueError(f"{op}: recompute_scale_factor needs a scale_factor, not a size")
        scales = [None] * dims
    if mode == "area":
        pool = adaptive_avg_pool1d if dims == 1 else adaptive_avg_pool2d
        return pool(input, target)
    x = as_images(op, input, dims)
    if dims == 1:
        target, scales = (1, *target), [None, *scales]
    if mode.startswith("nearest"):
        y = _resample_nearest(x, target, scales, mode == "nearest-exact")
        return of_images(input, y, dims)
    matrix = _cubic if mode == "bicubic" else _linear
    rows, columns = (
        constant(x, matrix, *axis, bool(align_corners), x.dtype)
        for axis in zip(x.shape[2:], target, scales, strict=True)
    )
    return of_images(input, _separable(x, rows, columns), dims)


def _resample_nearest(
    x: Tensor, target: tuple[int, ...], scales: list[float | None], exact: bool
) -> Tensor:
    dtype = x.dtype if x.is_floating_point() else np.dtype(np.float32)
    axes = [(*axis, exact, dtype) for axis in zip(x.shape[2:], target, scales, strict=True)]
    found = [_repeats(_nearest_index(*axis), axis[0]) for axis in axes]
    repeats = [n for n in found if n is not None]
    if len(repeats) < 2:
        rows, columns = (constant(x, _nearest, *axis) for axis in axes)
        return _separable(x, rows, columns)
    return _window_spread(x, target, two(repeats), two(repeats), (0, 0))


def _target(
    source: tuple[int, ...], size: Any, scale_factor: Any
) -> tuple[tuple[int, ...], list[float | None]]:
    """The size to reach, and the factor per axis where it was given."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected either size or scale_factor")
    given = scale_factor if size is None else size
    values = list(given) if isinstance(given, Sequence) else [given] * len(source)
    if len(values) != len(source):
        raise ValueError(
            f"interpolate: {'scale_factor' if size is None else 'size'} is {given}, expected one "
            f"number or {len(source)}"
        )
    if size is None:
        target = tuple([int(n * f) for n, f in zip(source, values, strict=True)])
        scales: list[float | None] = [float(f) for f in values]
    else:
        target, scales = tuple([int(n) for n in values]), [None] * len(source)
    if any(n < 1 for n in (*source, *target)):
        raise RuntimeError(
            f"interpolate: cannot resample from size {source} to {target}; both must be positive"
        )
    return target, scales


def _ratio(source: int, target: int, factor: float | None) -> float:
    """The length of a target pixel in source pixels."""
    return source / target if factor is None else 1 / factor


def _nearest_index(
    source: int, target: int, factor: float | None, exact: bool, dtype: np.dtype[Any]
) -> np.ndarray:
    """The source pixel of each target pixel, rounded on the way where PyTorch rounds."""
    if target == source:
        return np.arange(source)
    ratio, i = dtype.type(_ratio(source, target, factor)), np.arange(target, dtype=dtype)
    half = dtype.type(0.5)
    place = np.maximum(ratio * (i + half) - half, 0) + 0.5 if exact else ratio * i
    return np.minimum(np.floor(place.astype(np.float32)).astype(np.int64), source - 1)


def _repeats(index: np.ndarray, source: int) -> int | None:
    """k where the index repeats every source pixel k times, else None."""
    factor, rest = divmod(len(index), source)
    regular = rest == 0 and np.array_equal(index, np.arange(len(index)) // max(factor, 1))
    return factor if regular else None


def _nearest(
    source: int, target: int, factor: float | None, exact: bool, dtype: np.dtype[Any]
) -> np.ndarray:
    """The matrix (target, source) that picks the nearest pixel."""
    index = _nearest_index(source, target, factor, exact, dtype)
    matrix: np.ndarray = np.arange(source) == index[:, None]
    return matrix


def _places(
    source: int, target: int, factor: float | None, align_corners: bool, dtype: np.dtype[Any]
) -> np.ndarray:
    """Where the target pixels stand in the source, computed in `dtype`."""
    real, i = dtype.type, np.arange(target, dtype=dtype)
    if align_corners:
        return i * (real(source - 1) / real(target - 1) if target > 1 else real(0))
    half = real(0.5)
    return (i + half) * real(_ratio(source, target, factor)) - half


def _linear(
    source: int, target: int, factor: float | None, align_corners: bool, dtype: np.dtype[Any]
) -> np.ndarray:
    """The matrix (target, source) of linear interpolation, computed in `dtype`."""
    if target == source:
        return np.eye(source)
    real = dtype.type
    place = np.maximum(_places(source, target, factor, align_corners, dtype), real(0))
    low = np.minimum(place.astype(np.int64), source - 1)
    high = np.minimum(low + 1, source - 1)
    fraction = np.clip(place - low.astype(dtype), real(0), real(1))
    matrix = np.zeros((target, source), dtype)
    rows = np.arange(target)
    matrix[rows, low] = 1 - fraction
    matrix[rows, high] += fraction
    return matrix


def _cubic(
    source: int, target: int, factor: float | None, align_corners: bool, dtype: np.dtype[Any]
) -> np.ndarray:
    """The matrix (target, source) of cubic convolution of four pixels, computed in `dtype`."""
    place = _places(source, target, factor, align_corners, dtype)
    low = np.floor(place)
    matrix = np.zeros((target, source), dtype)
    for k in (-1, 0, 1, 2):
        d, a = np.abs(place - (low + dtype.type(k))), dtype.type(-0.75)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        index = np.clip(low.astype(np.int64) + k, 0, source - 1)
        np.add.at(matrix, (np.arange(target), index), np.where(d <= 1, near, far))
    return matrix


def fir_resample(input: Tensor, taps: Sequence[float], up: int = 1, down: int = 1) -> Tensor:
    """y[j] = up / sum(f) sum_h f[up h - down j + (up - down + L - 1) / 2] x[h], rows and columns.

    (N, C, H, W) -> (N, C, H up / down, W up / down): up - 1 zeros behind every pixel, the filter f
    of L `taps`, centred, and every down-th pixel of that; outside of the image is 0. With taps
    (1, 3, 3, 1) bilinear interpolation where `up` is 2, but at the border, which is mixed with 0,
    and where `down` is 2 a quarter of the adjoint of that. Source: Karras et al., "Analyzing and
    Improving the Image Quality of StyleGAN", 2020, appendix B.
    """
    op, x = "fir_resample", as_images("fir_resample", input, 2)
    filter = tuple(float(tap) for tap in taps)
    if up < 1 or down < 1 or (len(filter) - 1 + up - down) % 2 or sum(filter) == 0:
        raise ValueError(
            f"{op}: up {up} and down {down} with {len(filter)} taps of sum {sum(filter):g}; both "
            "must be positive, the sum not 0, and the number of taps odd where up - down is even "
            "and even where that is odd, so that the filter has a middle"
        )
    if any(n * up % down for n in x.shape[2:]):
        raise RuntimeError(
            f"{op}: down {down} does not divide up {up} times the size {tuple(x.shape[2:])}"
        )
    rows, columns = (constant(x, _fir, n, filter, up, down) for n in x.shape[2:])
    return of_images(input, _separable(x, rows, columns), 2)


def _fir(source: int, taps: tuple[float, ...], up: int, down: int) -> np.ndarray:
    """The matrix (target, source) of a filter between zeros put in and pixels left out."""
    j, h = np.indices((source * up // down, source))
    k = up * h - down * j + (up - down + len(taps) - 1) // 2
    inside = (k >= 0) & (k < len(taps))
    f = np.array(taps) * up / sum(taps)
    return np.where(inside, f[k.clip(0, len(taps) - 1)], 0)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """y[..., c, h r + i, w r + j] = x[..., c r^2 + i r + j, h, w], r = upscale_factor.

    (..., C r^2, H, W) -> (..., C, H r, W r).
    """
    r = upscale_factor
    lead, channels, height, width = _split("pixel_shuffle", input, r)
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle: {channels} channels are not divisible by upscale_factor^2 = {r * r} "
            f"(input: {tuple(input.shape)})"
        )
    x = input.reshape(prod(lead), channels, height, width).permute(0, 2, 3, 1)
    x = x.reshape(x.shape[0], height, width, channels // (r * r), r, r).permute(0, 1, 4, 2, 5, 3)
    x = x.reshape(x.shape[0], height * r, width * r, channels // (r * r)).permute(0, 3, 1, 2)
    return own(x.reshape(*lead, *x.shape[1:]), input)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of pixel_shuffle: (..., C, H r, W r) -> (..., C r^2, H, W)."""
    r = downscale_factor
    lead, channels, height, width = _split("pixel_unshuffle", input, r)
    if height % r or width % r:
        raise RuntimeError(
            f"pixel_unshuffle: the size {(height, width)} is not divisible by downscale_factor = "
            f"{r} (input: {tuple(input.shape)})"
        )
    x = input.reshape(prod(lead), channels, height, width).permute(0, 2, 3, 1)
    x = x.reshape(x.shape[0], height // r, r, width // r, r, channels).permute(0, 1, 3, 5, 2, 4)
    x = x.reshape(x.shape[0], height // r, width // r, channels * r * r).permute(0, 3, 1, 2)
    return own(x.reshape(*lead, *x.shape[1:]), input)


def _split(op: str, x: Tensor, factor: int) -> tuple[tuple[int, ...], int, int, int]:
    """The leading dimensions, then C, H, W."""
    if x.ndim < 3:
        raise RuntimeError(f"{op}: expected at least 3 dimensions, got shape {tuple(x.shape)}")
    if factor < 1:
        raise RuntimeError(f"{op}: the factor must be positive, got {factor}")
    *lead, channels, height, width = x.shape
    return tuple(lead), channels, height, width
