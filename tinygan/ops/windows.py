"""Windows that slide over images: their geometry, and their pixels as columns of a matrix.

Arrays are N H W C here, so that the C values of one pixel lie side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index
from typing import Any

__all__: list[str] = []

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # (top, bottom), (left, right)


def pair(op: str, name: str, value: Any, length: int = 2, least: int = 0) -> tuple[int, ...]:
    """An int, or a sequence of one or `length` ints, as a tuple; all at least `least`."""
    try:
        values = [index(v) for v in (value if isinstance(value, Sequence) else (value,))]
    except TypeError:
        raise TypeError(f"{op}: {name} is {value!r}, expected an int or {length} ints") from None
    if len(values) == 1:
        values *= length
    if len(values) != length:
        raise RuntimeError(f"{op}: {name} has {len(values)} numbers, expected 1 or {length}")
    if any(v < least for v in values):
        raise RuntimeError(f"{op}: {name} is {value}, expected at least {least}")
    return tuple(values)


def window_count(size: int, kernel: int, stride: int, pads: Pair, dilation: int) -> int:
    """How many windows fit along one axis; zero or less where none does."""
    return (size + pads[0] + pads[1] - dilation * (kernel - 1) - 1) // stride + 1


def two(values: Sequence[int]) -> Pair:
    """A tuple of two ints, for the type checker."""
    return values[0], values[1]


def bins(size: int, count: int) -> list[Pair]:
    """`count` intervals of near-equal length that cover range(size), as adaptive pooling's."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def taps_along(count: int, kernel: int, stride: int, dilation: int = 1) -> list[slice]:
    """For each tap of a kernel, which pixels all windows see through it."""
    first = [tap * dilation for tap in range(kernel)]
    return [slice(a, a + (count - 1) * stride + 1, stride) for a in first]


def reach(count: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Pair:
    """How many pixels all windows together reach over."""
    axes = zip(count, kernel, stride, dilation, strict=True)
    height, width = [(n - 1) * s + d * (k - 1) + 1 for n, k, s, d in axes]
    return height, width


def columns(
    xp: Any,
    x: Any,
    count: Pair,
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    groups: int,
) -> Any:
    """(N, H, W, C) -> (groups, N, H', W', kh, kw, C/groups): the pixels that each window sees.

    `count` is (H', W'), `start` how far the first window stands outside of the image. Where no
    two windows overlap the result is a view.
    """
    n, c = x.shape[0], x.shape[3]
    steps = _steps(count, kernel, stride, dilation)
    tiles = tuple(_tiles(*axis) for axis in zip(count, kernel, steps, dilation, strict=True))
    padded = frame(xp, x, (tiles[0] * steps[0], tiles[1] * steps[1]), start)
    padded = padded.reshape(n, tiles[0], steps[0], tiles[1], steps[1], groups, c // groups)
    if all(d * (k - 1) < step for k, d, step in zip(kernel, dilation, steps, strict=True)):
        inner = [slice(0, d * (k - 1) + 1, d) for k, d in zip(kernel, dilation, strict=True)]
        seen = padded[:, : count[0], inner[0], : count[1], inner[1]]  # no two windows overlap
        return seen.transpose(5, 0, 1, 3, 2, 4, 6)
    result = xp.empty((groups, n, *count, *kernel, c // groups), dtype=x.dtype)
    for image, column in _overlaps(padded, result, count, kernel, steps, dilation):
        column[...] = image
    return result


def columns_to_image(
    xp: Any, values: Any, size: Pair, stride: Pair, start: Pair, dilation: Pair
) -> Any:
    """The adjoint of `columns`: each value is added to the pixel that it stands for.

    (groups, N, H', W', kh, kw, C/groups) -> (N, H, W, C), with `size` = (H, W).
    """
    groups, n, *rest, c = values.shape
    count, kernel = (rest[0], rest[1]), (rest[2], rest[3])
    steps = _steps(count, kernel, stride, dilation)
    tiles = tuple(_tiles(*axis) for axis in zip(count, kernel, steps, dilation, strict=True))
    padded = xp.zeros((n, tiles[0], steps[0], tiles[1], steps[1], groups, c), dtype=values.dtype)
    for image, column in _overlaps(padded, values, count, kernel, steps, dilation):
        image += column
    padded = padded.reshape(n, tiles[0] * steps[0], tiles[1] * steps[1], groups * c)
    return xp.ascontiguousarray(frame(xp, padded, size, (-start[0], -start[1])))


def _steps(count: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """The strides, wide enough to hold the whole window where there is only one window."""
    along = zip(count, kernel, stride, dilation, strict=True)
    steps = [max(s, d * (k - 1) + 1) if n == 1 else s for n, k, s, d in along]
    return steps[0], steps[1]


def _tiles(count: int, kernel: int, step: int, dilation: int) -> int:
    """How many tiles of length `step` the windows reach over."""
    return max(count + dilation * (kernel - 1) // step, 0)


def frame(xp: Any, x: Any, size: Pair, start: Pair, fill: float = 0) -> Any:
    """(N, H, W, C) in a frame of `size` that begins `start` before it: `fill` around, or a crop.

    The result is a view of x where nothing is filled.
    """
    n, h, w, c = x.shape
    source, target = [], []
    for length, frame, first in zip((h, w), size, start, strict=True):
        low, high = max(-first, 0), min(length, frame - first)
        source.append(slice(low, max(low, high)))
        target.append(slice(low + first, max(low, high) + first))
    inside = x[:, source[0], source[1]]
    if inside.shape[1:3] == size:
        return inside
    result = xp.full((n, *size, c), fill, dtype=x.dtype)
    result[:, target[0], target[1]] = inside
    return result


def _overlaps(
    padded: Any, values: Any, count: Pair, kernel: Pair, steps: Pair, dilation: Pair
) -> Iterator[tuple[Any, Any]]:
    """Pairs of views of the same pixels, in the image and in the columns.

    The image is cut into tiles of one stride. What all windows see at one offset, counted in
    tiles, is a disjoint part of the image, so ceil(k/s) copies along an axis do, not k.
    """
    by_window = padded.transpose(0, 1, 3, 2, 4, 5, 6)
    by_pixel = values.transpose(1, 2, 3, 4, 5, 0, 6)
    single = values.shape[-1] == 1  # the innermost loop then runs along the windows
    for rows, top, inner_rows in _runs(kernel[0], steps[0], dilation[0], single):
        for cols, left, inner_cols in _runs(kernel[1], steps[1], dilation[1], single):
            image = by_window[
                :, top : top + count[0], left : left + count[1], inner_rows, inner_cols
            ]
            yield image, by_pixel[:, :, :, rows, cols]


def _runs(kernel: int, step: int, dilation: int, single: bool) -> list[tuple[slice, int, slice]]:
    """The taps of a kernel by the tile they fall into: taps, tile, their places in the tile.

    With `single` every tap is a run of its own.
    """
    runs, tap = [], 0
    while tap < kernel:
        tile, first = divmod(tap * dilation, step)
        taps = 1 if single else min(-(-(step - first) // dilation), kernel - tap)
        last = first + (taps - 1) * dilation
        runs.append((slice(tap, tap + taps), tile, slice(first, last + 1, dilation)))
        tap += taps
    return runs
