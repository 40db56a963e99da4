"""Pooling and upsampling over channels-last memory: what windows see, and what sees a pixel.

The window (i, j) stands at (i, j) times the stride, less the start; its tap (a, b) at (a, b) times
the dilation from there. A chunk is some lines of the result, so nothing is written by two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.blocks import PARALLEL
from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.copy import fits, ordered
from tinygan.backend.kernels import launches

Pair = tuple[int, int]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
TOGETHER = 1 << 13  # numbers in a chunk, about
LAST = (0, 2, 3, 1)  # the dimensions of images in the order of their memory


@launches
def max_pool(
    x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, dilation: Pair, out: Any = None
) -> Any:
    images = images_of(x)
    if images is None:
        return NotImplemented
    y, result = result_of(out, (len(images), *count, images.shape[3]), x.dtype)
    if y is None:
        return NotImplemented
    _run(_max_pool, y, kernel, (images, y, _geometry(kernel, stride, start, dilation)))
    return result


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
    images, largest = images_of(x), images_of(y)
    if images is None or largest is None or kernel[0] * kernel[1] >= 1 << 15:
        return NotImplemented
    taps, result = result_of(out, largest.shape, np.dtype(np.int16))
    if taps is None:
        return NotImplemented
    geometry = _geometry(kernel, stride, start, dilation)
    _run(_max_tap, taps, kernel, (images, largest, taps, geometry))
    return result


@launches
def tap_pick(
    x: Any, tap: Any, *, kernel: Pair, stride: Pair, start: Pair, dilation: Pair, out: Any = None
) -> Any:
    images, taps = images_of(x), _taps(tap)
    if images is None or taps is None:
        return NotImplemented
    y, result = result_of(out, taps.shape, x.dtype)
    if y is None:
        return NotImplemented
    geometry = _geometry(kernel, stride, start, dilation)
    _run(_tap_pick, y, (1, 1), (images, taps, y, geometry))
    return result


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
    images, taps = images_of(g), _taps(tap)
    if images is None or taps is None:
        return NotImplemented
    x, result = result_of(out, (len(images), *size, images.shape[3]), g.dtype)
    if x is None:
        return NotImplemented
    number = threads.get_num_threads() if x.size > PARALLEL else 1
    geometry = _geometry(kernel, stride, start, dilation)
    threads.run(_tap_spread, len(x), (images, taps, x, geometry), number)
    return result


@launches
def window_sum(
    x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, out: Any = None
) -> Any:
    images = images_of(x)
    if images is None:
        return NotImplemented
    y, result = result_of(out, (len(images), *count, images.shape[3]), x.dtype)
    if y is None:
        return NotImplemented
    _run(_window_sum, y, kernel, (images, y, _geometry(kernel, stride, start, (1, 1))))
    return result


@launches
def window_spread(
    g: Any, *, size: Pair, kernel: Pair, stride: Pair, start: Pair, out: Any = None
) -> Any:
    images = images_of(g)
    if images is None:
        return NotImplemented
    x, result = result_of(out, (len(images), *size, images.shape[3]), g.dtype)
    if x is None:
        return NotImplemented
    _run(_window_spread, x, (1, 1), (images, x, _geometry(kernel, stride, start, (1, 1))))
    return result


# -- memory ---------------------------------------------------------------------------------------


def images_of(x: Any) -> Any:
    """(N, H, W, C) in the order of C, by a copy where need be; None for what is not covered."""
    if x.dtype not in FLOATS or not x.size or not fits(x):
        return None
    return ordered(x, LAST).transpose(LAST)


def _taps(tap: Any) -> Any:
    return ordered(tap, LAST).transpose(LAST) if tap.dtype == np.int16 and tap.size else None


def result_of(out: Any, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """Memory for (N, H, W, C), None if `out` has another order, and it as it is handed out."""
    y = np.empty(shape, dtype) if out is None else out.transpose(LAST)
    if not y.size or not y.flags.c_contiguous or y.dtype != dtype:
        return None, None
    return y, y.transpose(0, 3, 1, 2)


def _geometry(kernel: Pair, stride: Pair, start: Pair, dilation: Pair) -> tuple[int, ...]:
    return (*kernel, *stride, *start, *dilation)


def _run(kernel: Any, y: Any, window: Pair, arguments: tuple[Any, ...]) -> None:
    """A launch over the lines of y, of which each number takes a window of work."""
    lines, line = y.shape[0] * y.shape[1], y.shape[2] * y.shape[3] * window[0] * window[1]
    share = max(1, TOGETHER // line)
    number = threads.get_num_threads() if lines * line > PARALLEL else 1
    threads.run(kernel, -(-lines // share), (*arguments, share), number)


# -- kernels --------------------------------------------------------------------------------------


@inlined
def _lines(chunk, share, y):
    """The first and the last line of a chunk, counted over all images."""
    return chunk * share, min((chunk + 1) * share, y.shape[0] * y.shape[1])


@compiled
def _max_pool(counters, x, y, geometry, share):
    kh, kw, sh, sw, top, left, dh, dw = geometry
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = _lines(chunk, share, y)
        for line in range(first, last):
            n, i = line // y.shape[1], line % y.shape[1]
            for j in range(y.shape[2]):
                ys = y[n, i, j]
                ys[:] = -np.inf
                for a in range(kh):
                    h = i * sh - top + a * dh
                    if h < 0 or h >= x.shape[1]:
                        continue
                    for b in range(kw):
                        w = j * sw - left + b * dw
                        if w < 0 or w >= x.shape[2]:
                            continue
                        xs = x[n, h, w]
                        for c in range(ys.size):
                            largest, v = ys[c], xs[c]
                            ys[c] = largest if largest >= v or largest != largest else v
    return finish(counters, done)


@compiled
def _max_tap(counters, x, y, taps, geometry, share):
    """The first tap that sees the largest number; where that is NaN, the first inside."""
    kh, kw, sh, sw, top, left, dh, dw = geometry
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = _lines(chunk, share, y)
        for line in range(first, last):
            n, i = line // y.shape[1], line % y.shape[1]
            for j in range(y.shape[2]):
                ts, ys = taps[n, i, j], y[n, i, j]
                ts[:] = -1
                for a in range(kh):
                    h = i * sh - top + a * dh
                    if h < 0 or h >= x.shape[1]:
                        continue
                    for b in range(kw):
                        w = j * sw - left + b * dw
                        if w < 0 or w >= x.shape[2]:
                            continue
                        xs, tap = x[n, h, w], np.int16(a * kw + b)
                        for c in range(ts.size):
                            found = ts[c] < 0 and (xs[c] == ys[c] or ys[c] != ys[c])
                            ts[c] = tap if found else ts[c]
                for c in range(ts.size):
                    ts[c] = max(ts[c], np.int16(0))
    return finish(counters, done)


@compiled
def _tap_pick(counters, x, taps, y, geometry, share):
    _, kw, sh, sw, top, left, dh, dw = geometry
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = _lines(chunk, share, y)
        for line in range(first, last):
            n, i = line // y.shape[1], line % y.shape[1]
            for j in range(y.shape[2]):
                ts, ys = taps[n, i, j], y[n, i, j]
                for c in range(ys.size):
                    h = i * sh - top + ts[c] // kw * dh
                    w = j * sw - left + ts[c] % kw * dw
                    inside = h >= 0 and h < x.shape[1] and w >= 0 and w < x.shape[2]
                    ys[c] = x[n, h, w, c] if inside else 0
    return finish(counters, done)


@compiled
def _tap_spread(counters, g, taps, x, geometry):
    """A chunk: an image, whose windows are added in order."""
    _, kw, sh, sw, top, left, dh, dw = geometry
    done = 0
    while True:
        n = take(counters)
        if n < 0:
            break
        done += 1
        x[n] = 0
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                ts, gs = taps[n, i, j], g[n, i, j]
                for c in range(gs.size):
                    h = i * sh - top + ts[c] // kw * dh
                    w = j * sw - left + ts[c] % kw * dw
                    if h >= 0 and h < x.shape[1] and w >= 0 and w < x.shape[2]:
                        x[n, h, w, c] += gs[c]
    return finish(counters, done)


@compiled
def _window_sum(counters, x, y, geometry, share):
    kh, kw, sh, sw, top, left, _, _ = geometry
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = _lines(chunk, share, y)
        for line in range(first, last):
            n, i = line // y.shape[1], line % y.shape[1]
            for j in range(y.shape[2]):
                ys = y[n, i, j]
                ys[:] = 0
                for h in range(max(i * sh - top, 0), min(i * sh - top + kh, x.shape[1])):
                    for w in range(max(j * sw - left, 0), min(j * sw - left + kw, x.shape[2])):
                        xs = x[n, h, w]
                        for c in range(ys.size):
                            ys[c] += xs[c]
    return finish(counters, done)


@inlined
def _seen_by(place, kernel, stride, start, count):
    """The first window that sees a place, and the one after the last."""
    last = (place + start) // stride
    first = (place + start - kernel) // stride + 1
    return max(first, 0), min(last + 1, count)


@compiled
def _window_spread(counters, g, x, geometry, share):
    kh, kw, sh, sw, top, left, _, _ = geometry
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = _lines(chunk, share, x)
        for line in range(first, last):
            n, h = line // x.shape[1], line % x.shape[1]
            up, down = _seen_by(h, kh, sh, top, g.shape[1])
            for w in range(x.shape[2]):
                xs = x[n, h, w]
                xs[:] = 0
                begin, end = _seen_by(w, kw, sw, left, g.shape[2])
                for i in range(up, down):
                    for j in range(begin, end):
                        gs = g[n, i, j]
                        for c in range(xs.size):
                            xs[c] += gs[c]
    return finish(counters, done)
