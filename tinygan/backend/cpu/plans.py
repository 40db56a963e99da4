"""What a gather has to visit: the taps and phases of a convolution or of its input gradient."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import LANES
from tinygan.backend.cpu.tiles import DOT_COLUMNS, DOT_ROWS, ROWS, WIDE

Pair = tuple[int, int]

MOST_TILES = 16  # that share a pass over the weights; their pointers stay in the first cache
MANY_CHUNKS = 48
LINES = 1 << 14  # numbers in the lines of a chunk, where channels do not mix
CACHED = 1 << 16  # weights that stay in the second cache while tiles pass over them
SPAN = 256  # numbers of a row of weights that a chunk lays out

SUMS, DOTS, DEPTHS = range(3)  # lanes along many columns, along the run, along the groups

# columns of the table of phases
(
    FIRST_TAP, TAPS, RUN, TOP, LEFT, HEIGHT, WIDTH, FIRST_ROW,
    LEAST_H, MOST_H, LEAST_W, MOST_W,
) = range(12)  # fmt: skip


def lanes_of(kind: np.dtype) -> int:
    """Numbers in a vector."""
    return LANES * 4 // kind.itemsize


class Plan(NamedTuple):
    """The sizes of a gather: what a kernel needs besides addresses and tables."""

    mode: int
    lanes: int
    groups: int
    images: int
    height: int  # of the input
    width: int
    step_h: int  # in the input, from one output pixel of a phase to the next
    step_w: int
    out_step_h: int  # in the output
    out_step_w: int
    channels: int  # of a tap
    columns: int
    packed: int  # columns, with those that fill up the last vector
    panel: int  # columns of a chunk
    panels: int
    block: int  # tiles of a chunk, or lines
    blocks: int  # of the largest phase, the first
    most_taps: int
    edges: int  # numbers in the runs of a tile that may stick out of the image


class Tables(NamedTuple):
    """A plan, its taps and phases, and how the weights are laid out for it.

    The numbers of w are (group, u, column, q), where q counts numbers that lie side by side; one
    belongs to row places[q] + u of a phase. With the lanes along a run, `sources` tells for each
    row where its first column is, -1 where the row only fills up a vector.
    """

    plan: Plan
    taps: np.ndarray  # (T, 3): steps from an output pixel's place in the input, and pixels
    phases: np.ndarray  # (P, 12)
    places: np.ndarray  # (Q, 3): the start of the phase, its rows, the row; -1 for no phase
    sources: np.ndarray
    steps: tuple[int, int, int, int]  # in w: from group to group, u, how many; column to column
    rows: int
    pack_chunks: int
    chunks: int
    zeros: np.ndarray


class Tap(NamedTuple):
    """Pixels that lie side by side, and which tap of the weight belongs to each."""

    down: int
    right: int
    weights: tuple[int, ...]


Phase = tuple[list[Tap], int, int, int, int]  # taps, top, left, height, width


def merged(taps: list[Tap]) -> list[Tap]:
    """Neighbours in a row of the image as one tap."""
    result: list[Tap] = []
    for tap in sorted(taps):
        last = result[-1] if result else None
        if last and last.down == tap.down and last.right + len(last.weights) == tap.right:
            result[-1] = last._replace(weights=last.weights + tap.weights)
        else:
            result.append(tap)
    return result


def _tables(
    plan: Plan, phases: list[Phase], merge: bool, inner: int, w: tuple[int, ...], forward: bool,
    kind: np.dtype,
) -> Tables:  # fmt: skip
    """Number rows and chunks, and choose how the work is divided."""
    o, c, kh, kw = w
    if merge:
        phases = [(merged(taps), *rest) for taps, *rest in phases]  # type: ignore[misc]
    lanes = plan.lanes
    runs = [len(taps[0].weights) * plan.channels if taps else 0 for taps, *_ in phases]
    mode = plan.mode
    if mode == SUMS and plan.columns <= lanes * 3 // 4 and max(runs) >= lanes:
        mode = DOTS
    packed = plan.columns if mode == DOTS else -(-plan.columns // lanes) * lanes
    heights = [len(taps) * (-(-run // lanes) * lanes if mode == DOTS else run)
               for (taps, *_), run in zip(phases, runs, strict=True)]  # fmt: skip
    panel = packed
    if mode == SUMS and max(heights) * packed > CACHED:
        panel = min(packed, WIDE * lanes)
    panels = plan.groups * -(-packed // panel)
    pixels = [plan.images * height * width for _, _, _, height, width in phases]
    rows = DOT_ROWS if mode == DOTS else ROWS
    tiles = sum(-(-n // rows) for n in pixels)
    least = 4 if max(heights) * panel > 2 * CACHED else 1
    block = max(least, min(MOST_TILES, tiles * panels // MANY_CHUNKS))
    blocks = -(-max(pixels) // (rows * block))
    if mode == DEPTHS:  # lines instead of tiles
        _, _, _, height, width = phases[0]
        block = max(1, LINES // (width * packed))
        blocks = -(-plan.images * height // block)

    lines, places, sources = [], np.full((inner, 3), -1, np.int64), []
    first_tap, first_row = 0, 0
    area, u = kh * kw, np.arange(plan.channels)
    for (taps, top, left, height, width), run, count in zip(phases, runs, heights, strict=True):
        reach = (0, 0, 0, 0)
        if taps:
            down = [tap.down for tap in taps]
            right = [tap.right for tap in taps]
            last = max(tap.right + len(tap.weights) - 1 for tap in taps)
            reach = (min(down), max(down), min(right), last)
        lines.append((first_tap, len(taps), run, top, left, height, width, first_row, *reach))
        for t, tap in enumerate(taps):
            for k, weight in enumerate(tap.weights):
                row = (t * len(tap.weights) + k) * plan.channels
                if forward:
                    places[u * area + weight] = [(first_row, count, row + i) for i in u]
                else:
                    places[weight] = first_row, count, row
                sources.append(weight + u * (area if forward else c * area))
            if mode == DOTS:
                sources.append(np.full(-run % lanes, -1))
        first_tap += len(taps)
        first_row += count
    if forward:
        steps = (o // plan.groups * c * area, 0, 1, c * area)
    else:
        steps = (o // plan.groups * c * area, c * area, plan.channels, area)
    most = max(len(taps) for taps, *_ in phases)
    plan = plan._replace(
        mode=mode,
        packed=packed,
        panel=panel,
        panels=-(-packed // panel),
        block=block,
        blocks=blocks,
        most_taps=max(most, 1),
        edges=rows * most * max(runs) if merge else 0,
    )
    return Tables(
        plan,
        np.array([(t.down, t.right, len(t.weights)) for taps, *_ in phases for t in taps] or
                 [(0, 0, 0)], np.int64),
        np.array(lines, np.int64),
        places,
        np.concatenate([*sources, []]).astype(np.int64),
        steps,
        first_row,
        _pack_chunks(plan, inner, steps[2]),
        panels * blocks * len(phases),
        np.zeros(max(*runs, WIDE * lanes, DOT_COLUMNS * lanes, packed), kind),
    )  # fmt: skip


def _pack_chunks(plan: Plan, inner: int, u_count: int) -> int:
    """How many chunks the weights are laid out in, with one for the bias."""
    blocks = -(-u_count * min(inner, SPAN) // SPAN)
    parts = -(-plan.packed // (WIDE * plan.lanes))
    return plan.groups * parts * blocks * -(-inner // SPAN) + 1


def window_taps(kernel: Pair, start: Pair, dilation: Pair) -> list[Tap]:
    """The steps from an output pixel's place in the image to the taps of a window."""
    return [
        Tap(a * dilation[0] - start[0], b * dilation[1] - start[1], (a * kernel[1] + b,))
        for a in range(kernel[0])
        for b in range(kernel[1])
    ]


def _merge(channels: int, groups: int, lanes: int) -> bool:
    """Whether taps side by side are to be one run: that pays where pixels have few channels."""
    return groups == 1 and channels <= lanes // 2


@lru_cache(maxsize=256)
def forward(
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    count: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    groups: int,
    kind: np.dtype,
) -> Tables:
    """conv2d of x of `shape` (N, H, W, C)."""
    n, h, w, _ = shape
    lanes = lanes_of(kind)
    o, c, kh, kw = weight
    taps = window_taps((kh, kw), start, dilation)
    if groups > 1 and c == 1 and o == groups:
        plan = Plan(DEPTHS, lanes, 1, n, h, w, *stride, 1, 1, 1, o, *[0] * 7)
    else:
        plan = Plan(SUMS, lanes, groups, n, h, w, *stride, 1, 1, c, o // groups, *[0] * 7)
    merge = plan.mode == SUMS and _merge(c, groups, lanes)
    return _tables(plan, [(taps, 0, 0, *count)], merge, c * kh * kw, weight, True, kind)


@lru_cache(maxsize=256)
def backward(
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    size: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    groups: int,
    kind: np.dtype,
) -> Tables:
    """conv2d_input_grad of g of `shape` (N, H', W', O).

    The output pixels of equal remainders by the stride are a phase: they have the same taps. Where
    g is one pixel high, every row is a phase of its own, as none has a second window to reach.
    """
    n, h, w, _ = shape
    o, c, kh, kw = weight
    period = (
        max(stride[0], size[0]) if h == 1 else stride[0],
        max(stride[1], size[1]) if w == 1 else stride[1],
    )
    lanes = lanes_of(kind)
    phases: list[Phase] = []
    for top in range(min(period[0], size[0])):
        for left in range(min(period[1], size[1])):
            taps = []
            for a in range(kh):
                for b in range(kw):
                    down, odd = divmod(top + start[0] - a * dilation[0], stride[0])
                    right, odd_too = divmod(left + start[1] - b * dilation[1], stride[1])
                    if odd or odd_too or (h == 1 and down) or (w == 1 and right):
                        continue
                    taps.append(Tap(down, right, (a * kw + b,)))
            height, width = -(-(size[0] - top) // period[0]), -(-(size[1] - left) // period[1])
            phases.append((sorted(taps), top, left, height, width))
    if groups > 1 and c == 1 and o == groups:
        plan = Plan(DEPTHS, lanes, 1, n, h, w, 1, 1, *period, 1, o, *[0] * 7)
        return _tables(plan, phases, False, kh * kw, weight, True, kind)
    plan = Plan(SUMS, lanes, groups, n, h, w, 1, 1, *period, o // groups, c, *[0] * 7)
    return _tables(plan, phases, _merge(o, groups, lanes), kh * kw, weight, False, kind)
