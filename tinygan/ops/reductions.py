"""Sums, means and extremes over dimensions."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import float16, float32, int64

__all__ = ["mean", "sum"]

Dim = Any  # None, an integer, or a sequence of integers


def _axes(dim: Dim) -> Any:
    """NumPy's `axis`, for which no dimensions are written as None."""
    return dim if dim is None or isinstance(dim, int) else tuple(dim) or None


def keep_dims(y: Tensor, x_shape: tuple[int, ...], dim: Dim, keepdim: bool) -> Tensor:
    """y, reduced from `x_shape` over `dim`, with the reduced dimensions kept as ones."""
    if keepdim or not y.ndim:
        return y
    ndim = len(x_shape)
    dims = {dim % ndim} if isinstance(dim, int) else {d % ndim for d in dim}
    return y.reshape(tuple(1 if d in dims else n for d, n in enumerate(x_shape)))


def _count(shape: tuple[int, ...], dim: Dim) -> int:
    """How many elements of `shape` a reduction over `dim` puts into one."""
    dims = range(len(shape)) if _axes(dim) is None else (dim,) if isinstance(dim, int) else dim
    count = 1
    for d in dims:
        count *= shape[d]
    return count


@primitive
def sum(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The sum over `dim` (all dimensions by default); integers give int64."""
    if dtype is not None:
        x = x.astype(dtype)
    if x.dtype == float16:  # added up in float32
        return x.sum(axis=_axes(dim), dtype=float32, keepdims=keepdim).astype(float16)
    dtype = x.dtype if x.dtype.kind == "f" else int64
    return x.sum(axis=_axes(dim), dtype=dtype, keepdims=keepdim)


sum.vjp(
    x=lambda g, x_shape, dim, keepdim: keep_dims(g, x_shape, dim, keepdim).expand(x_shape),
)


@primitive
def mean(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The mean over `dim` (all dimensions by default) of floating-point numbers."""
    if dtype is not None:
        x = x.astype(dtype)
    if x.dtype.kind != "f":
        raise TypeError(f"expected a floating-point tensor, got {x.dtype}; use x.float().mean()")
    count = _count(x.shape, dim)
    if x.dtype == float16:
        return (x.sum(axis=_axes(dim), dtype=float32, keepdims=keepdim) / count).astype(float16)
    return x.sum(axis=_axes(dim), keepdims=keepdim) / count


mean.vjp(
    x=lambda g, x_shape, dim, keepdim: keep_dims(
        g / _count(x_shape, dim), x_shape, dim, keepdim
    ).expand(x_shape),
)
