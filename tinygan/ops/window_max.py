"""Maxima over windows, and the places where they are."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive
from tinygan.ops.windows import Pair, bins, frame, reach, taps_along, two

__all__: list[str] = []


@primitive
def _max_pool(
    xp: Any, x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, dilation: Pair
) -> Any:
    """(N, C, H, W) -> (N, C, H', W'): the largest number that each window sees; NaN is largest."""
    x = x.transpose(0, 2, 3, 1)
    x = frame(xp, x, reach(count, kernel, stride, dilation), start, -xp.inf)
    for axis in (0, 1):
        taps = taps_along(count[axis], kernel[axis], stride[axis], dilation[axis])
        parts = [x[:, tap] if axis == 0 else x[:, :, tap] for tap in taps]
        x = xp.maximum(parts[0], parts[-1])
        for part in parts[1:-1]:
            xp.maximum(x, part, out=x)
    return x.transpose(0, 3, 1, 2)


@primitive
def _max_tap(
    xp: Any,
    x: Any,
    y: Any,
    *,
    count: Pair,
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
) -> Any:
    """Through which tap, as i kw + j, each window first sees its largest number y.

    It is the first tap inside of the image where y is NaN.
    """
    x, y = x.transpose(0, 2, 3, 1), y.transpose(0, 2, 3, 1)
    x = frame(xp, x, reach(count, kernel, stride, dilation), start, xp.nan)
    rows, columns = _corners(xp, count, stride, start)
    first = [
        (xp.maximum(-corner, 0) + d - 1) // d
        for corner, d in zip((rows, columns), dilation, strict=True)
    ]
    tap = xp.zeros(y.shape, dtype=xp.int16 if kernel[0] * kernel[1] < 1 << 15 else xp.int32)
    tap += (first[0] * kernel[1] + first[1]).astype(tap.dtype)
    for number, window in reversed(list(enumerate(_windows(count, kernel, stride, dilation)))):
        tap += (x[window] == y) * (number - tap)
    return tap.transpose(0, 3, 1, 2)


@primitive
def _tap_place(
    xp: Any, tap: Any, *, width: int, kernel: Pair, stride: Pair, start: Pair, dilation: Pair
) -> Any:
    """Where in a plane of `width`, as h W + w, the pixel is that a window sees through a tap."""
    rows, columns = _corners(xp, tap.shape[2:], stride, start)
    rows, columns = rows.reshape(-1, 1), columns.reshape(-1)
    rows = rows + tap // kernel[1] * dilation[0]
    return rows * width + columns + tap % kernel[1] * dilation[1]


@primitive
def _tap_pick(
    xp: Any, x: Any, tap: Any, *, kernel: Pair, stride: Pair, start: Pair, dilation: Pair
) -> Any:
    """(N, C, H, W) -> (N, C, H', W'): what each window of x sees through its tap."""
    x, tap = x.transpose(0, 2, 3, 1), tap.transpose(0, 2, 3, 1)
    count = tap.shape[1:3]
    x = frame(xp, x, reach(count, kernel, stride, dilation), start)
    y = xp.zeros(tap.shape, dtype=x.dtype)
    for number, window in enumerate(_windows(count, kernel, stride, dilation)):
        y += x[window] * (tap == number)  # several times as fast as where()
    return y.transpose(0, 3, 1, 2)


@primitive
def _tap_spread(
    xp: Any,
    g: Any,
    tap: Any,
    *,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
) -> Any:
    """The adjoint of `_tap_pick`: each number is added to the pixel that its window picked."""
    g, tap = g.transpose(0, 2, 3, 1), tap.transpose(0, 2, 3, 1)
    n, *count, c = g.shape
    x = xp.zeros((n, *reach(two(count), kernel, stride, dilation), c), dtype=g.dtype)
    for number, window in enumerate(_windows(two(count), kernel, stride, dilation)):
        x[window] += g * (tap == number)
    x = frame(xp, x, size, (-start[0], -start[1]))
    return xp.ascontiguousarray(x).transpose(0, 3, 1, 2)


def _windows(count: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> list[tuple[slice, ...]]:
    """For each tap in order, the index of what all windows see through it."""
    rows, columns = [
        taps_along(*axis) for axis in zip(count, kernel, stride, dilation, strict=True)
    ]
    return [(slice(None), row, column) for row in rows for column in columns]


def _corners(xp: Any, count: Pair, stride: Pair, start: Pair) -> tuple[Any, Any]:
    """The row and column where each window begins, (H', 1, 1) and (W', 1)."""
    rows, columns = [
        xp.arange(n, dtype=xp.int64) * s - a for n, s, a in zip(count, stride, start, strict=True)
    ]
    return rows.reshape(-1, 1, 1), columns.reshape(-1, 1)


_max_pool.vjp(
    x=lambda g, x, y, count, kernel, stride, start, dilation: _tap_spread(
        g,
        _max_tap(x, y, count, kernel, stride, start, dilation),
        x.shape[2:],
        kernel,
        stride,
        start,
        dilation,
    )
)
_tap_pick.vjp(
    x=lambda g, x_shape, tap, kernel, stride, start, dilation: _tap_spread(
        g, tap, x_shape[2:], kernel, stride, start, dilation
    )
)
_tap_spread.vjp(
    g=lambda v, tap, kernel, stride, start, dilation: _tap_pick(
        v, tap, kernel, stride, start, dilation
    )
)


# the bins of adaptive pooling have no taps in common, so places in the plane stand for them
@primitive
def _adaptive_max_place(xp: Any, x: Any, *, count: Pair) -> Any:
    """Where in the plane, as h W + w, the first of each bin's largest numbers is."""
    height, width = x.shape[2:]
    places = []
    for top, bottom in bins(height, count[0]):
        for left, right in bins(width, count[1]):
            wide, area = right - left, (bottom - top) * (right - left)
            place = x[:, :, top:bottom, left:right].reshape(*x.shape[:2], area).argmax(axis=2)
            places.append((place // wide + top) * width + (place % wide + left))
    return xp.stack(places, axis=2).reshape(*x.shape[:2], *count)


@primitive
def _plane_gather(xp: Any, x: Any, place: Any) -> Any:
    """y[n,c,i,j] = x[n,c] at the place h W + w in the plane that place[n,c,i,j] names."""
    return x.transpose(0, 2, 3, 1).reshape(-1).take(_flat(xp, place, x.shape)).transpose(0, 3, 1, 2)


@primitive
def _plane_scatter(xp: Any, g: Any, place: Any, *, size: Pair) -> Any:
    """The adjoint of `_plane_gather`: each number is added to its place in a plane of `size`."""
    n, c = g.shape[:2]
    x = xp.zeros(n * size[0] * size[1] * c, dtype=g.dtype)
    xp.add.at(x, _flat(xp, place, (n, c, *size)), g.transpose(0, 2, 3, 1))
    return x.reshape(n, *size, c).transpose(0, 3, 1, 2)


def _flat(xp: Any, place: Any, shape: tuple[int, ...]) -> Any:
    """Places in planes (N, C, H', W') as places in the memory of an array N H W C."""
    n, c, height, width = shape
    image = xp.arange(n, dtype=xp.int64).reshape(n, 1, 1, 1) * (height * width)
    return (image + place.transpose(0, 2, 3, 1)) * c + xp.arange(c, dtype=xp.int64)


_plane_gather.vjp(x=lambda g, place, x_shape: _plane_scatter(g, place, x_shape[2:]))
_plane_scatter.vjp(g=lambda v, place: _plane_gather(v, place))

for _op in (_adaptive_max_place, _plane_gather, _plane_scatter):
    _op.kernel("cuda", f"tinygan.backend.cuda.windows:{_op.name}")
for _op in (_max_pool, _max_tap, _tap_pick, _tap_spread):
    _op.kernel("cpu", f"tinygan.backend.cpu.windows:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.windows:{_op.name}")
