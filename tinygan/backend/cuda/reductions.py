"""Sums, means, norms and extremes over dimensions, in one launch each."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.copy import copy
from tinygan.backend.cuda.sets import Sets, sets_of
from tinygan.backend.cuda.source import FLOATS, Kernel
from tinygan.backend.kernels import launches
from tinygan.backend.layout import axes_of

SUM, NORM, MAXIMUM, MINIMUM = KINDS = range(4)
REDUCED = Kernel("reductions.cu", "reduced", FLOATS, (0, 1), KINDS)
ARGUMENT = Kernel("reductions.cu", "argument", FLOATS, (0, 1), (0, 1))


@launches
def sum(
    x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None, out: Any = None
) -> Any:
    if dtype is not None and dtype != x.dtype:
        return NotImplemented
    return _reduced(SUM, x, dim, keepdim, out)


@launches
def mean(
    x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None, out: Any = None
) -> Any:
    if dtype is not None and dtype != x.dtype:
        return NotImplemented
    count = prod([x.shape[d] for d in axes_of(x.ndim, dim) or ()])
    return _reduced(SUM, x, dim, keepdim, out, count)


@launches
def norm(x: Any, *, p: float, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    if p != 2:
        return NotImplemented
    return _reduced(NORM, x, dim, keepdim, out)


@launches
def amax(x: Any, *, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    return _reduced(MAXIMUM, x, dim, keepdim, out)


@launches
def amin(x: Any, *, dim: Any = None, keepdim: bool = False, out: Any = None) -> Any:
    return _reduced(MINIMUM, x, dim, keepdim, out)


@launches
def argmax(x: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    return _argument(0, x, dim, keepdim, out)


@launches
def argmin(x: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    return _argument(1, x, dim, keepdim, out)


@launches
def sum_to_size(x: Any, *, shape: tuple[int, ...], out: Any = None) -> Any:
    extra = x.ndim - len(shape)
    axes = tuple(d for d in range(x.ndim) if d < extra or shape[d - extra] != x.shape[d])
    if not axes:
        return NotImplemented  # a copy
    y = _reduced(SUM, x, axes, True, None if out is None else out.reshape((1,) * extra + shape))
    return y if y is NotImplemented else y.reshape(shape)


def to_reduce(
    x: Any, dim: Any, keepdim: bool, out: Any, dtype: Any = None
) -> tuple[Sets, Any, Any] | None:
    """The sets that are reduced, their array, memory for the results; None: it is left to CuPy."""
    axes, dtype = axes_of(x.ndim, dim), dtype or x.dtype
    if axes is None or (out is not None and not (out.flags.c_contiguous and out.dtype == dtype)):
        return None
    shape = [1 if d in axes else n for d, n in enumerate(x.shape) if keepdim or d not in axes]
    sets, xp = sets_of(x, axes), backend_for("cuda").xp
    if sets is None and x.dtype in FLOATS and x.size:  # scattered
        kept = [d for d in range(x.ndim) if d not in axes]
        turned = x.transpose(*kept, *axes)
        x = xp.empty(turned.shape, x.dtype)
        sets = sets_of(x, range(len(kept), x.ndim)) if copy(turned, x) else None
    if sets is None:
        return None
    return sets, x, xp.empty(tuple(shape), dtype) if out is None else out


def _reduced(kind: int, x: Any, dim: Any, keepdim: bool, out: Any, divisor: int = 1) -> Any:
    plan = to_reduce(x, dim, keepdim, out)
    if plan is None:
        return NotImplemented
    sets, x, y = plan
    pieces, by = sets.pieces, x.dtype.type(divisor)
    partial = y if pieces == 1 else backend_for("cuda").xp.empty((pieces, sets.count), x.dtype)
    sets.launch(REDUCED[x.dtype, sets.vector, kind], pieces, x, by, partial, y)
    return y


def _argument(smallest: int, x: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    if dim is None and not x.flags.c_contiguous:
        return NotImplemented
    plan = to_reduce(x, dim, keepdim, out, np.dtype(np.int64))
    if plan is None or plan[0].size > 1 << 24:  # an index is kept as a number of x's type
        return NotImplemented
    sets, x, y = plan
    pieces = sets.pieces
    partial = x if pieces == 1 else backend_for("cuda").xp.empty((2, pieces, sets.count), x.dtype)
    sets.launch(ARGUMENT[x.dtype, sets.vector, smallest], pieces, x, partial, y)
    return y
