"""How convolutions are cut into tiles, parts and threads; what follows from shapes alone."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.cuda.product import (
    COUNTED,
    MOST_BLOCKS,
    MULTIPROCESSORS,
    TILES,
    parts_memory,
    tiling,
)
from tinygan.backend.cuda.source import by_value

Pair = tuple[int, int]
Steps = tuple[int, ...]
Where = tuple[Steps, Steps]  # shape, strides

FEW = 64  # positions in an image for which tiles take the same one of all images
MANY, NARROW, SHALLOW = 8, 4, 16  # groups, and channels of one that are written and read
THREADS = 256  # of a block where there are no tiles
LANES, WARPS = 32, 8  # the same threads, for weights
LEAST_PIXELS = 256  # of a part of a block's

GEOMETRY = np.dtype(  # the same as Geometry in windows.cuh
    [
        *((name, np.int32, count) for name, count in (("x", 4), ("w", 5), ("y", 4))),
        *((name, np.int32, 2) for name in ("x_size", "y_size", "kernel")),
        *((name, np.int32, 2) for name in ("stride", "padding", "dilation", "common", "inverse")),
        *((name, np.int32) for name in ("images", "groups", "read", "written")),
        *((name, np.int32) for name in ("transposed", "images_first")),
    ]
)


class Static(NamedTuple):
    """How the windows of a convolution lie."""

    stride: Pair
    start: Pair  # the padding above and on the left
    dilation: Pair
    groups: int


class Plan(NamedTuple):
    """A launch: what is known without its arrays."""

    geometry: np.ndarray
    grid: tuple[int, int, int]
    tile: int | None  # none where groups are many and narrow
    parts: int = 1

    @property
    def threads(self) -> tuple[int]:
        return (THREADS if self.tile is None else TILES[self.tile].threads,)

    def sums(self, y: Any) -> Any:
        size = THREADS if self.tile is None else TILES[self.tile].rows * TILES[self.tile].columns
        return parts_memory(size * math.prod(self.grid), self.parts, y)


def narrow(groups: int, read: int, written: int) -> bool:
    """Whether tiles of a group, with so many channels, would be nearly empty."""
    return groups >= MANY and written <= NARROW and read <= SHALLOW


@lru_cache(maxsize=1024)
def plan(
    what: str, x: Where, w: Where, y: Where, static: Static, itemsize: int, tensor: int
) -> Plan | None:
    """For a convolution of x that gives y, one of them perhaps for gradients; None if too large.

    `what` is computed: "forward", "transposed" or "weights". The steps of w are by group, channel
    that is written, channel that is read, row and column.
    """
    (n, c, *x_size), kernel, y_size = x[0], w[0][2:], y[0][2:]
    groups, transposed = static.groups, what == "transposed"
    read, written = c // groups, y[0][1] // groups
    offsets = [sum((m - 1) * abs(s) for m, s in zip(*a, strict=True)) for a in (x, y)]
    if max(*offsets, math.prod(w[0]) * itemsize) // itemsize >= 1 << 31:
        return None
    phases, positions, meets = 1, list(y_size), list(kernel)
    if transposed:
        for i, (stride, dilation) in enumerate(zip(static.stride, static.dilation, strict=True)):
            phases *= min(stride, y_size[i])
            positions[i] = -(-y_size[i] // stride)
            meets[i] = -(-kernel[i] * math.gcd(stride, dilation) // stride)
    few = math.prod(positions) <= FEW
    if few:  # most of the taps may meet padding only
        meets = [min(a, b) for a, b in zip(meets, x_size, strict=True)]
    steps = [tuple(s // itemsize for s in a[1]) for a in (x, w, y)]
    numbers = (n, groups, read, written, transposed, few)
    common = [math.gcd(s, d) for s, d in zip(static.stride, static.dilation, strict=True)]
    inverse = [
        pow(d // c, -1, s // c)
        for s, d, c in zip(static.stride, static.dilation, common, strict=True)
    ]
    geometry = np.zeros((), GEOMETRY)
    values = (*steps, x_size, y_size, kernel, *static[:3], common, inverse, *numbers)
    for name, value in zip(GEOMETRY.names or (), values, strict=True):
        geometry[name] = value

    pixels, weights = n * math.prod(positions), read * math.prod(kernel)
    number: int | None = None
    if narrow(groups, read, written):
        if what == "weights":
            blocks = -(-groups * written // LANES) * weights
            parts = min(-(-2 * MULTIPROCESSORS // blocks), max(pixels // LEAST_PIXELS, 1))
            parts = parts if blocks * parts <= COUNTED else 1
            grid = (-(-groups * written // LANES), weights, parts)
        else:
            parts, grid = 1, (-(-math.prod(y[0]) // THREADS), 1, 1)
    else:
        m, k = (weights, pixels) if what == "weights" else (pixels, read * math.prod(meets))
        number, parts = tiling(phases * groups, m, written, k, itemsize, tensor)
        tile = TILES[number]
        grid = (-(-m // tile.rows), -(-written // tile.columns), phases * groups * parts)
    return None if max(grid[1:]) > MOST_BLOCKS else Plan(by_value(geometry), grid, number, parts)
