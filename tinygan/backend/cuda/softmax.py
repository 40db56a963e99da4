"""Softmax along a dimension, and its cross entropy with classes, each in one launch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.reductions import to_reduce
from tinygan.backend.cuda.sets import Sets, alike, sets_of
from tinygan.backend.cuda.source import FLOATS, Kernel
from tinygan.backend.kernels import launches

SOFTMAX = Kernel("softmax.cu", "softmax", FLOATS, (0, 1), (0, 1))
LOGSUMEXP = Kernel("softmax.cu", "logsumexp", FLOATS, (0, 1))
LOSSES = Kernel("softmax.cu", "losses", FLOATS, (0, 1))
LOSS_SLOPES = Kernel("softmax.cu", "loss_slopes", FLOATS, (0, 1))
REDUCTIONS = {"none": 0, "sum": 1, "mean": 2}


@launches
def softmax(x: Any, *, dim: int, out: Any = None) -> Any:
    return _normalised(x, dim, 0, out)


@launches
def log_softmax(x: Any, *, dim: int, out: Any = None) -> Any:
    return _normalised(x, dim, 1, out)


def _normalised(x: Any, dim: int, logarithm: int, out: Any) -> Any:
    sets = sets_of(x, (dim % x.ndim,), numbered=False) if x.ndim else None
    y = backend_for("cuda").xp.empty_like(x) if out is None else out
    if sets is None or not alike(x, y):
        return NotImplemented
    sets.launch(SOFTMAX[x.dtype, sets.vector, logarithm], 1, x, y)
    return y


@launches
def logsumexp(x: Any, *, dim: Any, keepdim: bool = False, out: Any = None) -> Any:
    plan = to_reduce(x, dim, keepdim, out)
    if plan is None:
        return NotImplemented
    sets, x, y = plan
    pieces = sets.pieces
    partial = y if pieces == 1 else backend_for("cuda").xp.empty((2, pieces, sets.count), x.dtype)
    sets.launch(LOGSUMEXP[x.dtype, sets.vector], pieces, x, partial, y)
    return y


@launches
def softmax_cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
    out: Any = None,
) -> Any:
    sets, kind = _rows(x, target, weight), REDUCTIONS[reduction]
    if sets is None:
        return NotImplemented
    xp = backend_for("cuda").xp
    y = xp.empty(() if kind else len(x), x.dtype) if out is None else out
    losses = xp.empty(len(x), x.dtype) if kind else y
    classes = _classes(x, target, weight, ignore_index, smoothing)
    sets.launch(LOSSES[x.dtype, sets.vector], 1, x, *classes, np.int32(kind), losses, y)
    return y


@launches
def softmax_cross_entropy_grad(
    g: Any,
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
    out: Any = None,
) -> Any:
    sets, kind = _rows(x, target, weight), REDUCTIONS[reduction]
    y = backend_for("cuda").xp.empty_like(x) if out is None else out
    if sets is None or not alike(x, y) or g.dtype != x.dtype or not g.flags.c_contiguous:
        return NotImplemented
    classes = _classes(x, target, weight, ignore_index, smoothing)
    sets.launch(LOSS_SLOPES[x.dtype, sets.vector], 1, g, x, *classes, np.int32(kind), y)
    return y


def _rows(x: Any, target: Any, weight: Any) -> Sets | None:
    """The rows of x, if kernels take it and what goes with it; a single class is left to CuPy."""
    if target.dtype != np.int64 or not target.flags.c_contiguous or not x.flags.c_contiguous:
        return None
    if weight is not None and (weight.dtype != x.dtype or not weight.flags.c_contiguous):
        return None
    return sets_of(x, (1,)) if x.shape[1] > 1 else None


def _classes(x: Any, target: Any, weight: Any, ignored: int, smoothing: float) -> tuple[Any, ...]:
    given, weighted = (x, 0) if weight is None else (weight, 1)
    numbers = (x.dtype.type(smoothing), np.int64(ignored), np.int32(x.shape[1]))
    return (target, given, np.int32(weighted), *numbers)
