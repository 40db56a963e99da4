"""Batch, layer, group and instance normalisation: moments, and what is made with them.

The sets are the channels of a batch, or parts of the samples. Results lie in the order of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.copy import copy
from tinygan.backend.cuda.product import ACTIVATIONS, Activation
from tinygan.backend.cuda.sets import THREADS, Sets, alike, sets_of
from tinygan.backend.cuda.source import FLOATS, Kernel
from tinygan.backend.kernels import launches

MOMENTS, SLOPES, NORMALIZED, INPUT_GRAD, INPUT_GRAD_OF_WHOLE = [
    Kernel("normalization.cu", name, FLOATS, (0, 1))
    for name in ("moments", "slopes", "normalized", "input_grad", "input_grad_of_whole")
]
RUNNING = Kernel("normalization.cu", "running", FLOATS)


# -- over the batch -------------------------------------------------------------------------------


@launches
def batch_moments(x: Any, *, out: Any = None) -> Any:
    return _moments(x, _channels(x), (2, x.shape[1]), out)


@launches
def move_running(
    moments: Any, mean: Any, var: Any, *, momentum: float, count: int, out: Any = None
) -> Any:
    if mean is None or var is None or not _suit(moments.dtype, moments, mean, var):
        return NotImplemented
    real = moments.dtype.type
    RUNNING[moments.dtype](
        (-(-mean.size // THREADS),),
        (THREADS,),
        (moments, mean, var, np.int32(mean.size), real(momentum), real(count / (count - 1))),
    )
    return moments


@launches
def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    moments: Any,
    *,
    eps: float,
    training: bool,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    return _normalized(x, _channels(x), weight, bias, moments, eps, out, activation)


@launches
def batch_norm_sums(g: Any, x: Any, moments: Any, *, eps: float, out: Any = None) -> Any:
    sets = _channels(x)
    g = None if sets is None else _as_lies(x, g)
    if sets is None or g is None or not _suit(x.dtype, moments, out):
        return NotImplemented
    sums = _empty(moments) if out is None else out
    _slopes(g, x, moments, eps, sets, sums)
    return sums


@launches
def batch_norm_input_grad(
    g: Any, x: Any, weight: Any, moments: Any, sums: Any, *, eps: float, out: Any = None
) -> Any:
    sets, y = _channels(x), _empty(x) if out is None else out
    if sets is None or not alike(y, x) or not _suit(x.dtype, weight, moments, sums):
        return NotImplemented
    g = _as_lies(x, g)
    if g is None:
        return NotImplemented
    _input_grad(g, x, weight, moments, sums, eps, sets, y)
    return y


# -- over parts of the samples --------------------------------------------------------------------


@launches
def moments_over(x: Any, *, dims: tuple[int, ...], out: Any = None) -> Any:
    over = {d % x.ndim for d in dims}
    kept = [1 if d in over else n for d, n in enumerate(x.shape)]
    return _moments(x, sets_of(x, over), (2, *kept), out)


@launches
def standardize(x: Any, moments: Any, *, dims: tuple[int, ...], eps: float, out: Any = None) -> Any:
    return _normalized(x, _sets(x, dims), None, None, moments, eps, out, None)


@launches
def standardize_grad(
    g: Any, x: Any, moments: Any, *, dims: tuple[int, ...], eps: float, out: Any = None
) -> Any:
    sets, y = _sets(x, dims), _empty(x) if out is None else out
    if sets is None or not alike(y, x) or not _suit(x.dtype, moments):
        return NotImplemented
    g = _as_lies(x, g)
    if g is None:
        return NotImplemented
    real = x.dtype.type
    if sets.pieces == 1:
        kernel, total = INPUT_GRAD_OF_WHOLE[x.dtype, sets.vector], np.int32(sets.count)
        sets.launch(kernel, 1, g, x, moments, real(eps), y, total, real(sets.size))
    else:
        sums = _empty(moments)
        _slopes(g, x, moments, eps, sets, sums)
        _input_grad(g, x, None, moments, sums, eps, sets, y)
    return y


# -- launches -------------------------------------------------------------------------------------


def _channels(x: Any) -> Sets | None:
    return sets_of(x, (0, *range(2, x.ndim)))


def _sets(x: Any, dims: tuple[int, ...]) -> Sets | None:
    return sets_of(x, {d % x.ndim for d in dims})


def _empty(x: Any) -> Any:
    return backend_for("cuda").xp.empty_like(x)


def _as_lies(x: Any, g: Any) -> Any:
    """g in the order of x, by a copy where it has another; None if that cannot be."""
    if alike(g, x):
        return g
    y = _empty(x)
    return y if alike(y, x) and copy(g, y) else None


def _suit(dtype: Any, *arrays: Any) -> bool:
    """Whether all that there are hold numbers of a type, one after the other."""
    return all(a is None or (a.dtype == dtype and a.flags.c_contiguous) for a in arrays)


def _partial(x: Any, sets: Sets, fields: int) -> Any:
    return backend_for("cuda").xp.empty((fields, sets.pieces, sets.count), x.dtype)


def _moments(x: Any, sets: Sets | None, shape: tuple[int, ...], out: Any) -> Any:
    if sets is None or not _suit(x.dtype, out):
        return NotImplemented
    y = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    pieces, count = sets.pieces, np.int32(sets.count)
    partial = y if pieces == 1 else _partial(x, sets, 4)
    sets.launch(MOMENTS[x.dtype, sets.vector], pieces, x, partial, y, count)
    return y


def _slopes(g: Any, x: Any, moments: Any, eps: float, sets: Sets, y: Any) -> None:
    pieces, count, real_eps = sets.pieces, np.int32(sets.count), x.dtype.type(eps)
    partial = y if pieces == 1 else _partial(x, sets, 2)
    kernel = SLOPES[x.dtype, sets.vector]
    sets.launch(kernel, pieces, g, x, moments, real_eps, partial, y, count)


def _normalized(
    x: Any,
    sets: Sets | None,
    weight: Any,
    bias: Any,
    moments: Any,
    eps: float,
    out: Any,
    activation: Activation,
) -> Any:
    name, slope = activation or ("", 1.0)
    y = _empty(x) if out is None else out
    if sets is None or not alike(y, x) or not _suit(x.dtype, weight, bias, moments):
        return NotImplemented
    if name and name not in ACTIVATIONS:
        return NotImplemented
    real = x.dtype.type
    arguments = (
        x, moments, real(eps), *_given(weight, moments), *_given(bias, moments),
        np.int32(ACTIVATIONS.get(name, 0)), real(slope), y, np.int32(sets.count),
    )  # fmt: skip
    sets.launch(NORMALIZED[x.dtype, sets.vector], sets.shares, *arguments)
    return y


def _input_grad(
    g: Any, x: Any, weight: Any, moments: Any, sums: Any, eps: float, sets: Sets, y: Any
) -> None:
    real = x.dtype.type
    arguments = (
        g, x, moments, real(eps), *_given(weight, moments), sums, y, np.int32(sets.count),
        real(sets.size),
    )  # fmt: skip
    sets.launch(INPUT_GRAD[x.dtype, sets.vector], sets.shares, *arguments)


def _given(v: Any, moments: Any) -> tuple[Any, np.int32]:
    """A vector and whether there is one."""
    return (moments, np.int32(0)) if v is None else (v, np.int32(1))
