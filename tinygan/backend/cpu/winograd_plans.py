"""How convolutions by squares are cut: see `winograd`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.outer_tiles import OUTER_WIDE
from tinygan.backend.cpu.plans import Pair, lanes_of
from tinygan.backend.cpu.tiles import ROWS, WIDE
from tinygan.backend.cpu.winograd_tiles import POSITIONS

KERNEL, STRIDE = 4, 2
ENOUGH_PIXELS = 512  # of all images, for weights that have to be changed first
FUSED = 3 << 20  # bytes of weights up to which a chunk computes all columns of its squares
OWN = 1 << 19  # bytes of factors of a chunk: they stay in the second cache
SHARED = 1 << 24  # bytes of factors of all threads: they stay in the last cache
SQUARES = 72  # of a chunk
MOST_SQUARES = 96
SPREAD_SQUARES = 16  # whose factors alone are computed by a chunk
MOST_ROWS = 256  # of sums in a chunk
ENOUGH_CHUNKS = 32


def suits(
    w: tuple[int, ...],
    stride: Pair,
    dilation: Pair,
    groups: int,
    n: int,
    out: Pair,
    kind: np.dtype,
    filled: float = 0.75,
) -> bool:
    """Whether a convolution of n images is one of these, and gains by it.

    The channels have to fill panels, and `out` so much of the squares that it takes.
    """
    wide = WIDE * lanes_of(kind)
    height, width = out
    squares = -(-height // 2) * -(-width // 2)
    return (
        kind == np.float32
        and w[2:] == (KERNEL, KERNEL)
        and stride == (STRIDE, STRIDE)
        and dilation == (1, 1)
        and groups == 1
        and w[0] % wide == w[1] % wide == 0
        and n * height * width >= ENOUGH_PIXELS
        and height * width >= filled * 4 * squares
    )


class Plan(NamedTuple):
    """Sizes: what the kernels need besides addresses and tables."""

    lanes: int
    images: int
    height: int  # of the input
    width: int
    square_step: int  # in the input, from one square to the next
    pixel_step: int  # in the input, within a window
    channels: int
    windows: int  # that a square is the sum of
    phases: int  # squares side by side
    down: int  # squares of an image
    across: int
    out_height: int
    out_width: int
    out_step: int
    depth: int  # numbers of all windows
    pitch: int  # from the factors of one square to those of the next
    columns: int
    wide: int  # columns of a panel
    panels: int
    position: int  # numbers from the weights of one position to those of the next
    fused: bool  # whether each chunk computes the factors of its own squares
    block: int  # squares of a chunk
    squares: int  # of a pass


class Tables(NamedTuple):
    """A plan, and where the first square of each window or phase begins."""

    plan: Plan
    corners: np.ndarray  # (4, 4): row and column in the input, row and column in the output
    steps: tuple[int, int, int, int, int]  # see `weigh`
    passes: tuple[Pair, ...]  # squares from, to
    weights: int  # numbers of factors
    zeros: np.ndarray


@lru_cache(maxsize=256)
def tables(
    shape: tuple[int, ...], w: tuple[int, ...], out: tuple[int, ...], start: Pair, backward: bool
) -> Tables:
    """For an input (N, H, W, C) and an output (N, H', W', O) of conv2d, or of its gradient."""
    (n, h, width, c), (_, out_height, out_width, columns) = shape, out
    lanes = lanes_of(np.dtype(np.float32))
    wide = WIDE * lanes
    if backward:
        phases, windows, out_step = STRIDE**2, 1, STRIDE
        # the results that the taps of a parity reach, and the first pixel of their windows
        tops = [[(a - s) % STRIDE for a in range(STRIDE)] for s in start]
        first = [
            [(top + s - a) // STRIDE - 1 for a, top in enumerate(some)]
            for s, some in zip(start, tops, strict=True)
        ]
    else:
        phases, windows, out_step = 1, STRIDE**2, 1
        tops = [[0] * STRIDE] * 2
        first = [[a - s for a in range(STRIDE)] for s in start]
    corners = [
        (first[0][a], first[1][b], tops[0][a], tops[1][b])
        for a in range(STRIDE)
        for b in range(STRIDE)
    ]
    depth = windows * c
    pitch = depth + lanes  # another set of the cache for the next square
    panels = columns // wide
    position = panels * depth * wide + lanes
    down, across = (-(-size // (2 * out_step)) for size in (out_height, out_width))
    squares = n * down * across
    fused = 4 * POSITIONS * depth * columns <= FUSED
    if fused:
        most, block = squares, min(max(OWN // (4 * POSITIONS * pitch), 2 * ROWS), MOST_SQUARES)
    else:
        most = -(-squares // -(-4 * phases * POSITIONS * pitch * squares // SHARED))
        block = SQUARES
    # equal ones, of whole tiles
    block = -(-most // (ROWS * -(-most // block))) * ROWS
    plan = Plan(
        lanes, n, h, width, 2 * STRIDE // out_step, STRIDE // out_step, c, windows, phases, down,
        across, out_height, out_width, out_step, depth, pitch, columns, wide, panels, position,
        fused, block, most,
    )  # fmt: skip
    area = KERNEL * KERNEL
    if backward:
        steps = area, w[1] * area, w[0], POSITIONS * position, 1
    else:
        steps = w[1] * area, area, w[1], c * wide, 0
    return Tables(
        plan,
        np.array(corners, np.int64),
        steps,
        passes(squares, most),
        phases * POSITIONS * position,
        np.zeros(max(c, columns), np.float32),
    )


def passes(squares: int, most: int) -> tuple[Pair, ...]:
    """The first squares of the passes, and where they end."""
    return tuple((i, min(i + most, squares)) for i in range(0, squares, most))


class Sums(NamedTuple):
    """How the gradient by the weights is cut: sizes, and steps in numbers."""

    squares: int  # of a pass
    columns: int
    rows: int  # of the sums, all windows
    left_vector: int  # between the vectors of channels of a square, and positions
    left_position: int
    right_panel: int
    right_position: int
    sums_position: int
    sums_pass: int
    rows_per_chunk: int
    columns_per_chunk: int


class Gradient(NamedTuple):
    """A plan for the pixels, one for the sums."""

    plan: Plan
    sums: Sums
    corners: np.ndarray
    passes: tuple[Pair, ...]
    chunks: int
    zeros: np.ndarray


@lru_cache(maxsize=256)
def gradient_tables(shape: tuple[int, ...], right: tuple[int, ...], start: Pair) -> Gradient:
    """For an image (N, H, W, C) and gradients (N, H', W', O)."""
    c, o = shape[3], right[3]
    plan, corners, _, _, _, zeros = tables(shape, (o, c, KERNEL, KERNEL), right, start, False)
    lanes, rows = plan.lanes, plan.depth
    wide = OUTER_WIDE * lanes
    squares = plan.images * plan.down * plan.across
    number = -(-4 * POSITIONS * (rows + o) * squares // SHARED)
    most = -(-squares // number)
    rows_per_chunk = min(rows, MOST_ROWS)
    columns = wide
    for some in (2 * wide, 4 * wide):
        if o % some == 0 and POSITIONS * -(-rows // rows_per_chunk) * (o // some) >= ENOUGH_CHUNKS:
            columns = some
    left_vector, right_panel = most * lanes, most * wide
    sums = Sums(
        most, o, rows, left_vector, rows // lanes * left_vector + lanes, right_panel,
        o // wide * right_panel + lanes, rows * o + lanes, POSITIONS * (rows * o + lanes),
        rows_per_chunk, columns,
    )  # fmt: skip
    return Gradient(
        plan._replace(out_height=right[1], out_width=right[2], block=SPREAD_SQUARES),
        sums,
        corners,
        passes(squares, most),
        POSITIONS * -(-rows // rows_per_chunk) * (o // columns),
        zeros,
    )
