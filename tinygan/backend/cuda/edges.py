"""Images continued beyond their edges, and the adjoint; roll, which is a shift of such images."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cuda.copy import THREADS, WORDS, grid_of
from tinygan.backend.cuda.indexing import steps
from tinygan.backend.cuda.mapping import empty
from tinygan.backend.cuda.rearrange import like, memory_order
from tinygan.backend.cuda.source import C_NAMES, FLOATS, Kernel, by_value
from tinygan.backend.kernels import launches

DIMS = 4
EDGES = np.dtype(
    [(name, np.int32, DIMS) for name in ("size", "before", "after")]
    + [(name, np.int64, DIMS) for name in ("inside", "padded")]
)
MODES = ("reflect", "replicate", "circular")

_pad_edges = Kernel("edges.cu", "pad_edges", WORDS)
_fold_edges = Kernel("edges.cu", "fold_edges", FLOATS)

Widths = tuple[tuple[int, int], ...]


@launches
def pad_edges(x: Any, *, widths: Widths, mode: str, out: Any = None) -> Any:
    shape = tuple(before + n + after for (before, after), n in zip(widths, x.shape, strict=True))
    y = like(x, shape) if out is None else out
    return _launched(_pad_edges, x.itemsize, x, y, widths, mode)


@launches
def fold_edges(x: Any, *, widths: Widths, mode: str, out: Any = None) -> Any:
    shape = tuple(n - before - after for n, (before, after) in zip(x.shape, widths, strict=True))
    y = like(x, shape) if out is None else out
    return _launched(_fold_edges, x.dtype, x, y, widths, mode)


@launches
def roll(x: Any, *, shifts: tuple[int, ...], dims: tuple[int, ...], out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    if not x.size:
        return y
    widths = [(0, 0)] * x.ndim
    for shift, d in zip(shifts, dims, strict=True):
        before = (widths[d][0] + shift) % x.shape[d]
        widths[d] = before, -before
    return _launched(_pad_edges, x.itemsize, x, y, tuple(widths), "circular")


def _launched(kernel: Kernel, kind: Any, x: Any, y: Any, widths: Widths, mode: str) -> Any:
    """y after the launch, NotImplemented where there is no such kernel."""
    inside, padded = (y, x) if kernel is _fold_edges else (x, y)
    order = [d for d in memory_order(y) if padded.shape[d] > 1]
    if kind not in (*WORDS, *C_NAMES) or len(order) > DIMS or y.size >= 1 << 31:
        return NotImplemented
    if y.size and y.dtype == x.dtype:
        edges = np.zeros((), EDGES)
        edges["size"] = 1  # of dimensions that are not there
        for name, values in (
            ("size", inside.shape),
            ("before", [before for before, _ in widths]),
            ("after", [after for _, after in widths]),
            ("inside", steps(inside)),
            ("padded", steps(padded)),
        ):
            edges[name][: len(order)] = [values[d] for d in order]
        numbers = np.int32(MODES.index(mode)), np.uint32(y.size)
        kernel[kind](grid_of(y.size), (THREADS,), (x, y, by_value(edges), *numbers))
    return y if y.dtype == x.dtype else NotImplemented
