"""What a gather has to visit: the taps and phases of a convolution or of its input gradient."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import LANES
from tinygan.backend.cpu.tiles import ROWS

Pair = tuple[int, int]

MOST_TILES = 16  # that share a pass over the weights; their pointers stay in the first cache

# columns of the table of phases
(
    FIRST_TAP, TAPS, TOP, LEFT, HEIGHT, WIDTH, FIRST_ROW, FIRST_CHUNK,
    LEAST_H, MOST_H, LEAST_W, MOST_W,
) = range(12)  # fmt: skip


class Plan(NamedTuple):
    """The sizes of a gather: what a kernel needs besides addresses and tables."""

    images: int
    height: int  # of the input
    width: int
    step_h: int  # in the input, from one output pixel of a phase to the next
    step_w: int
    out_step_h: int  # in the output
    out_step_w: int
    run: int  # numbers per tap
    columns: int
    block: int  # tiles per chunk
    most_taps: int
    few: bool  # columns, so that the lanes lie along the run


class Tables(NamedTuple):
    """A plan, its taps and phases, and where the weights of each row and column come from."""

    plan: Plan
    taps: np.ndarray  # (T, 2): steps from an output pixel's place in the input
    phases: np.ndarray  # (P, 12)
    sources: np.ndarray  # (rows,): where in w the first column of each row of weights is
    column_step: int  # from there to the next column
    chunks: int

    @property
    def visits(self) -> int:
        """Of taps, by all output pixels of one image."""
        return int(self.phases[:, [TAPS, HEIGHT, WIDTH]].prod(1).sum())

    @property
    def packed_columns(self) -> int:
        """With those that fill up the last vector."""
        return self.plan.columns if self.plan.few else -(-self.plan.columns // LANES) * LANES


def _tables(
    plan: Plan, phases: list[tuple[Any, ...]], sources: list[np.ndarray], column_step: int
) -> Tables:
    """Number the chunks. A phase is given as (taps, top, left, height, width)."""
    rows, first_tap, first_row, first_chunk = [], 0, 0, 0
    tiles = sum(-(-plan.images * height * width // ROWS) for _, _, _, height, width in phases)
    block = max(1, min(MOST_TILES, tiles // 64))
    for taps, top, left, height, width in phases:
        steps = np.array(taps)
        reach = (steps[:, 0].min(), steps[:, 0].max(), steps[:, 1].min(), steps[:, 1].max())
        rows.append(
            (first_tap, len(taps), top, left, height, width, first_row, first_chunk, *reach)
        )
        first_tap += len(taps)
        first_row += len(taps) * plan.run
        first_chunk += -(-plan.images * height * width // (ROWS * block))
    return Tables(
        plan._replace(block=block, most_taps=max(len(phase[0]) for phase in phases)),
        np.array([tap for phase in phases for tap in phase[0]], np.int64),
        np.array(rows, np.int64),
        np.concatenate(sources),
        column_step,
        first_chunk,
    )


def _few(columns: int, run: int) -> bool:
    return columns <= LANES // 4 and run % LANES == 0


def window_taps(
    c: int, kernel: Pair, start: Pair, dilation: Pair, merged: bool
) -> tuple[list[Pair], list[np.ndarray]]:
    """The steps to the taps of a window, and where in an O x C x kh x kw weight each one's run is.

    `merged`: the image is padded already, and a row of taps is one run.
    """
    kh, kw = kernel
    channel = np.arange(c) * kh * kw
    if merged:
        row = (np.arange(kw)[:, None] + channel).ravel()
        return [(a * dilation[0], 0) for a in range(kh)], [a * kw + row for a in range(kh)]
    places = [(a, b) for a in range(kh) for b in range(kw)]
    taps = [(a * dilation[0] - start[0], b * dilation[1] - start[1]) for a, b in places]
    return taps, [a * kw + b + channel for a, b in places]


@lru_cache(maxsize=256)
def forward(
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    count: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    merged: bool,
) -> Tables:
    """conv2d of x of `shape` (N, H, W, C); `merged` as in `window_taps`."""
    n, h, w, c = shape
    o, _, kh, kw = weight
    taps, sources = window_taps(c, (kh, kw), start, dilation, merged)
    run = len(sources[0])
    plan = Plan(n, h, w, *stride, 1, 1, run, o, 0, 0, _few(o, run))
    return _tables(plan, [(taps, 0, 0, *count)], sources, c * kh * kw)


@lru_cache(maxsize=256)
def backward(
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    size: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
) -> Tables | None:
    """conv2d_input_grad of g of `shape` (N, H', W', O); None where a phase has no taps."""
    n, h, w, o = shape
    _, c, kh, kw = weight
    channel = np.arange(o) * c * kh * kw
    phases, sources = [], []
    for top in range(min(stride[0], size[0])):
        for left in range(min(stride[1], size[1])):
            taps = []
            for a in range(kh):
                for b in range(kw):
                    down, odd = divmod(top + start[0] - a * dilation[0], stride[0])
                    right, odd_too = divmod(left + start[1] - b * dilation[1], stride[1])
                    if not odd and not odd_too:
                        taps.append((down, right))
                        sources.append(a * kw + b + channel)
            if not taps:
                return None
            height, width = -(-(size[0] - top) // stride[0]), -(-(size[1] - left) // stride[1])
            phases.append((taps, top, left, height, width))
    plan = Plan(n, h, w, 1, 1, *stride, o, c, 0, 0, _few(c, o))
    return _tables(plan, phases, sources, kh * kw)
