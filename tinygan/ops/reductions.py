"""Sums, means, products and what is made of them, over dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import float16, float32, get_default_dtype, int64
from tinygan.ops.comparison import where
from tinygan.ops.dims import dimension, takes_axis
from tinygan.ops.shape import own
from tinygan.ops.unary import exp, sqrt, square

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "cumsum",
    "logsumexp",
    "mean",
    "prod",
    "std",
    "sum",
    "var",
    "var_mean",
]

Dim = int | Sequence[int] | None


def axes(dim: Dim, ndim: int) -> Any:
    """NumPy's `axis`; as in PyTorch none means all, and a 0-d tensor counts as having one."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
    if not dims or (not ndim and set(dims) <= {0, -1}):
        return None
    return dim if isinstance(dim, int) else dims


def keep_dims(y: Tensor, x_shape: tuple[int, ...], dim: Dim, keepdim: bool) -> Tensor:
    """y, reduced from `x_shape` over `dim`, with the reduced dimensions as ones."""
    if keepdim or not y.array.ndim:
        return y
    ndim = len(x_shape)
    reduced = {d % ndim for d in ((dim,) if isinstance(dim, int) else dim or ())}
    return y.reshape(tuple([1 if d in reduced else n for d, n in enumerate(x_shape)]))


def count(shape: tuple[int, ...], dim: Dim) -> int:
    """How many elements of `shape` a reduction over `dim` puts into one."""
    axis = axes(dim, len(shape))
    if axis is None:
        return math.prod(shape)
    return math.prod([shape[d] for d in ((axis,) if isinstance(axis, int) else axis)])


@primitive
def sum(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The sum over `dim` (all dimensions by default); integers give int64."""
    if dtype is not None:
        x = x.astype(dtype)
    if x.dtype == float16:  # added up in float32
        return x.sum(axis=axes(dim, x.ndim), dtype=float32, keepdims=keepdim).astype(float16)
    if dtype is None:
        dtype = x.dtype if x.dtype.kind == "f" else int64
    return x.sum(axis=axes(dim, x.ndim), dtype=dtype, keepdims=keepdim)


sum.vjp(x=lambda g, x_shape, dim, keepdim: keep_dims(g, x_shape, dim, keepdim).expand(x_shape))


@primitive
def mean(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The mean over `dim` (all dimensions by default) of floating-point numbers."""
    if dtype is not None:
        x = x.astype(dtype)
    if x.dtype.kind != "f":
        raise TypeError(f"expected a floating-point tensor, got {x.dtype}; use x.float().mean()")
    if x.dtype == float16:
        total = x.sum(axis=axes(dim, x.ndim), dtype=float32, keepdims=keepdim)
        return (total / count(x.shape, dim)).astype(float16)
    return x.sum(axis=axes(dim, x.ndim), keepdims=keepdim) / count(x.shape, dim)


def _mean_by_x(g: Tensor, x_shape: tuple[int, ...], dim: Dim, keepdim: bool) -> Tensor:
    return keep_dims(g / count(x_shape, dim), x_shape, dim, keepdim).expand(x_shape)


mean.vjp(x=_mean_by_x)

for _op in (sum, mean):
    _op.kernel("cpu", f"tinygan.backend.cpu.reductions:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.reductions:{_op.name}")


def _spread(
    x: Tensor, dim: Dim, unbiased: bool, keepdim: bool, correction: float | None
) -> tuple[Tensor, Tensor]:
    """The variance over `dim`, and the mean with the dimensions kept."""
    if isinstance(dim, bool):  # x.var(False)
        correction = int(dim)
        dim = None
    if correction is None:
        correction = 1 if unbiased else 0
    dtype = x.dtype
    if dtype == float16:
        x = x.to(float32)
    middle = mean(x, dim=dim, keepdim=True)
    freedom = max(count(x.array.shape, dim) - correction, 0)
    return (sum(square(x - middle), dim=dim, keepdim=keepdim) / freedom).to(dtype), middle.to(dtype)


@takes_axis
def var(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """sum (x - mean)^2 / (n - correction) over `dim`; correction is 1, or 0 if not unbiased."""
    return _spread(input, dim, unbiased, keepdim, correction)[0]


@takes_axis
def var_mean(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `dim`; see `var`."""
    variance, middle = _spread(input, dim, unbiased, keepdim, correction)
    return variance, middle if keepdim else middle.reshape(variance.array.shape)


@takes_axis
def std(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """sqrt(var(x)), with derivative 0 where the variance is 0."""
    variance = var(input, dim, unbiased, keepdim, correction=correction)
    spread = variance != 0
    return where(spread, sqrt(where(spread, variance, 1.0)), 0.0)


@takes_axis
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The product over `dim` (all dimensions by default); integers give int64.

    Halves are multiplied until one element is left: no division, so the derivatives of every
    order are right where x is 0.
    """
    given = input
    if dtype is None and not input.is_floating_point():
        dtype = int64
    input = input if dtype is None else input.to(dtype)
    if dim is None:
        input, dim = input.reshape((input.numel(),)), 0
    dim = dimension("prod", dim, input.ndim)
    if not input.ndim:
        return own(input, given)
    before = (slice(None),) * dim
    n = input.shape[dim]
    if n == 0:
        return (sum(input, dim=dim, keepdim=keepdim) + 1).to(input.dtype)
    odd: Tensor | None = None
    while n > 1:
        if n % 2:
            last = input[(*before, slice(n - 1, n))]
            odd = last if odd is None else odd * last
        n //= 2
        input = input[(*before, slice(0, n))] * input[(*before, slice(n, 2 * n))]
    input = input if odd is None else input * odd
    return own(input if keepdim else input.squeeze(dim), given)


@primitive
def cumsum(xp: Any, x: Any, *, dim: int, dtype: Any = None) -> Any:
    """The sums of the first 1, 2, ... elements along `dim`; integers give int64."""
    if dtype is None:
        dtype = x.dtype if x.dtype.kind == "f" else int64
    return x.cumsum(axis=dim, dtype=dtype) if x.ndim else x.astype(dtype)


cumsum.vjp(x=lambda g, dim: g if not g.ndim else g.flip(dim).cumsum(dim).flip(dim))


@primitive
def logsumexp(xp: Any, x: Any, *, dim: Dim, keepdim: bool = False) -> Any:
    """log(sum(exp(x))) over `dim`, without overflow."""
    axis = axes(dim, x.ndim)
    if x.dtype.kind != "f":
        x = x.astype(get_default_dtype())
    top = x.max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    y = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdim else y.squeeze(axis)


def _logsumexp_by_x(g: Tensor, y: Tensor, x: Tensor, dim: Dim, keepdim: bool) -> Tensor:
    shape = x.array.shape
    return keep_dims(g, shape, dim, keepdim) * exp(x - keep_dims(y, shape, dim, keepdim))


logsumexp.vjp(x=_logsumexp_by_x)
logsumexp.kernel("cpu", "tinygan.backend.cpu.softmax:logsumexp")
logsumexp.kernel("cuda", "tinygan.backend.cuda.softmax:logsumexp")


@primitive
def any(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether one element along `dim` is nonzero."""
    return xp.any(x, axis=axes(dim, x.ndim), keepdims=keepdim)


@primitive
def all(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether all elements along `dim` are nonzero."""
    return xp.all(x, axis=axes(dim, x.ndim), keepdims=keepdim)


@primitive
def count_nonzero(xp: Any, x: Any, *, dim: Dim = None) -> Any:
    """How many elements along `dim` are not 0."""
    return (x != 0).sum(axis=axes(dim, x.ndim), dtype=int64)


for _op in (cumsum, any, all, count_nonzero):
    _op.kernel("cpu", f"tinygan.backend.cpu.extremes:{_op.name}")
