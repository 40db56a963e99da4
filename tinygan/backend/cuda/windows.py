"""Pooling and upsampling over channels-last memory: what windows see, and what sees a pixel."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.copy import copy
from tinygan.backend.cuda.reductions import sum
from tinygan.backend.cuda.source import FLOATS, Kernel, by_value
from tinygan.backend.kernels import launches

Pair = tuple[int, int]

LAST = (0, 2, 3, 1)  # the dimensions of images in the order of their memory
THREADS = 256
WINDOWS = np.dtype(
    [(name, np.int32) for name in ("images", "channels", "height", "width", "rows", "columns")]
    + [(name, np.int32, 2) for name in ("kernel", "stride", "start", "dilation")]
)
_max_pool, _max_tap, _tap_pick, _tap_spread, _window_sum, _window_spread = [
    Kernel("windows.cu", name, FLOATS, (0, 1))
    for name in ("max_pool", "max_tap", "tap_pick", "tap_spread", "window_sum", "window_spread")
]
_adaptive_max_place, _plane_gather, _plane_scatter = [
    Kernel("windows.cu", name, FLOATS, (0, 1))
    for name in ("adaptive_max_place", "plane_gather", "plane_scatter")
]
Geometry = tuple[Pair, Pair, Pair, Pair]  # kernel, stride, start, dilation
NONE: Geometry = ((1, 1), (1, 1), (0, 0), (1, 1))
FEW = 1 << 10  # places in a plane among which every pixel may look for itself


@launches
def max_pool(
    x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, dilation: Pair, out: Any = None
) -> Any:
    return _windowed(_max_pool, x, count, (kernel, stride, start, dilation), out)


@launches
def max_tap(
    x: Any,
    y: Any,
    *,
    count: Pair,
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    out: Any = None,
) -> Any:
    largest = images_of(y, FLOATS) if kernel[0] * kernel[1] < 1 << 15 else None
    if largest is None:
        return NotImplemented
    geometry = (kernel, stride, start, dilation)
    return _windowed(_max_tap, x, count, geometry, out, largest, dtype=np.int16)


@launches
def tap_pick(
    x: Any, tap: Any, *, kernel: Pair, stride: Pair, start: Pair, dilation: Pair, out: Any = None
) -> Any:
    taps = images_of(tap, (np.int16,))
    if taps is None:
        return NotImplemented
    return _windowed(_tap_pick, x, tap.shape[2:], (kernel, stride, start, dilation), out, taps)


@launches
def tap_spread(
    g: Any,
    tap: Any,
    *,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    out: Any = None,
) -> Any:
    taps = images_of(tap, (np.int16,))
    if taps is None:
        return NotImplemented
    return _spread(_tap_spread, g, size, (kernel, stride, start, dilation), out, taps)


@launches
def window_sum(
    x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, out: Any = None
) -> Any:
    if count == (1, 1) and start == (0, 0) and kernel == x.shape[2:]:
        return sum(x, dim=(2, 3), keepdim=True, out=out)  # by more threads than there are windows
    return _windowed(_window_sum, x, count, (kernel, stride, start, (1, 1)), out)


@launches
def window_spread(
    g: Any, *, size: Pair, kernel: Pair, stride: Pair, start: Pair, out: Any = None
) -> Any:
    return _spread(_window_spread, g, size, (kernel, stride, start, (1, 1)), out)


@launches
def adaptive_max_place(x: Any, *, count: Pair, out: Any = None) -> Any:
    return _windowed(_adaptive_max_place, x, count, NONE, out, dtype=np.int64)


@launches
def plane_gather(x: Any, place: Any, *, out: Any = None) -> Any:
    places = images_of(place, (np.int64,))
    if places is None:
        return NotImplemented
    return _windowed(_plane_gather, x, place.shape[2:], NONE, out, places)


@launches
def plane_scatter(g: Any, place: Any, *, size: Pair, out: Any = None) -> Any:
    places = images_of(place, (np.int64,)) if g.shape[2] * g.shape[3] <= FEW else None
    if places is None:
        return NotImplemented
    return _spread(_plane_scatter, g, size, NONE, out, places)


def _windowed(
    kernel: Kernel, x: Any, count: Pair, geometry: Geometry, out: Any, *more: Any, dtype: Any = None
) -> Any:
    """A launch that makes a number for each window of x."""
    shape = (len(x), *count, x.shape[1])
    result = result_of(out, shape, dtype or x.dtype)
    images = None if result is None else images_of(x, FLOATS)
    if images is None:
        return NotImplemented
    wide, table = _table(len(x), x.shape[1], x.shape[2:], tuple(count), geometry, x.itemsize)
    launch_over(kernel[x.dtype, wide], shape, wide, (table, images, *more, result), x.itemsize)
    return result.transpose(0, 3, 1, 2)


def _spread(kernel: Kernel, g: Any, size: Pair, geometry: Geometry, out: Any, *more: Any) -> Any:
    """A launch that makes each pixel of images of a size from the windows that see it."""
    shape = (len(g), *size, g.shape[1])
    result = result_of(out, shape, g.dtype)
    images = None if result is None else images_of(g, FLOATS)
    if images is None:
        return NotImplemented
    wide, table = _table(len(g), g.shape[1], tuple(size), g.shape[2:], geometry, g.itemsize)
    launch_over(kernel[g.dtype, wide], shape, wide, (table, images, *more, result), g.itemsize)
    return result.transpose(0, 3, 1, 2)


@lru_cache(maxsize=1024)
def _table(
    n: int, channels: int, size: Pair, count: Pair, geometry: Geometry, itemsize: int
) -> tuple[int, np.ndarray]:
    """Whether channels are taken 16 bytes at a time, and what the kernels are told."""
    together = 16 // itemsize
    wide = channels % together == 0
    packs = channels // together if wide else channels
    return int(wide), by_value(np.array((n, packs, *size, *count, *geometry), WINDOWS))


# -- memory ---------------------------------------------------------------------------------------


def images_of(x: Any, dtypes: Any) -> Any:
    """(N, H, W, C) in the order of C, by a copy where need be; None for what is not covered."""
    if x.dtype not in dtypes or not 0 < x.size < 1 << 31:
        return None
    y = x.transpose(LAST)
    if y.flags.c_contiguous:
        return y
    ordered = backend_for("cuda").xp.empty(y.shape, y.dtype)
    return ordered if copy(y, ordered) else None


def result_of(out: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Memory for (N, H, W, C), None if `out` has another order."""
    y = backend_for("cuda").xp.empty(shape, dtype) if out is None else out.transpose(LAST)
    return y if 0 < y.size < 1 << 31 and y.flags.c_contiguous and y.dtype == dtype else None


def launch_over(
    launch: Any, shape: tuple[int, ...], wide: int, arguments: tuple[Any, ...], itemsize: int
) -> None:
    """A launch with a thread for every pack of numbers of a result (N, H, W, C)."""
    size = int(np.prod(shape)) // (16 // itemsize if wide else 1)
    launch((-(-size // THREADS),), (THREADS,), arguments)
