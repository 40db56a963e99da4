"""Maxima over windows, and the places where they are."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive
from tinygan.ops.windows import Pair, bins, frame, reach, taps_along

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
def _max_pool_place(
    xp: Any, x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, dilation: Pair
) -> Any:
    """Where in the plane, as h W + w, the first of each window's largest numbers is."""
    width = x.shape[3]
    x = x.transpose(0, 2, 3, 1)
    x = frame(xp, x, reach(count, kernel, stride, dilation), start, -xp.inf)
    rows, columns = [
        xp.arange(n, dtype=xp.int64).reshape(shape) * s - first
        for n, s, first, shape in zip(count, stride, start, ((-1, 1, 1), (-1, 1)), strict=True)
    ]
    corner_row, corner_column = [  # the first pixel of the window that is inside of the image
        first + (xp.maximum(-first, 0) + d - 1) // d * d
        for first, d in zip((rows, columns), dilation, strict=True)
    ]
    best = xp.full((x.shape[0], *count, x.shape[3]), -xp.inf, dtype=x.dtype)
    place = xp.zeros(best.shape, dtype=xp.int64) + (corner_row * width + corner_column)
    for i, tap_row in enumerate(taps_along(count[0], kernel[0], stride[0], dilation[0])):
        for j, tap_column in enumerate(taps_along(count[1], kernel[1], stride[1], dilation[1])):
            seen = x[:, tap_row, tap_column]
            better = (seen > best) | (seen != seen)
            best = xp.where(better, seen, best)
            here = (rows + i * dilation[0]) * width + (columns + j * dilation[1])
            place = xp.where(better, here, place)
    return place.transpose(0, 3, 1, 2)


@primitive
def _adaptive_max_place(xp: Any, x: Any, *, count: Pair) -> Any:
    """As `_max_pool_place`, over the bins of adaptive pooling."""
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
_max_pool.vjp(
    x=lambda g, x, count, kernel, stride, start, dilation: _plane_scatter(
        g, _max_pool_place(x, count, kernel, stride, start, dilation), x.shape[2:]
    )
)
