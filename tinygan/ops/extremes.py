"""Maxima and minima over dimensions, where they are, and norms."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import float16, float32, int64
from tinygan.ops.comparison import where
from tinygan.ops.dims import takes_axis
from tinygan.ops.elementwise import maximum, minimum
from tinygan.ops.reductions import Dim, axes, keep_dims, sum
from tinygan.ops.unary import abs, sign

__all__ = ["amax", "amin", "argmax", "argmin", "max", "min", "norm"]


@primitive
def amax(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False) -> Any:
    """The maximum over `dim`; elements that tie for it share the gradient."""
    return x.max(axis=axes(dim, x.ndim), keepdims=keepdim)


@primitive
def amin(xp: Any, x: Any, *, dim: Dim = None, keepdim: bool = False) -> Any:
    """The minimum over `dim`; elements that tie for it share the gradient."""
    return x.min(axis=axes(dim, x.ndim), keepdims=keepdim)


def _shared(g: Tensor, y: Tensor, x: Tensor, dim: Dim, keepdim: bool) -> Tensor:
    """g in equal parts to the elements of x that equal y."""
    shape = x.array.shape
    ties = (x == keep_dims(y, shape, dim, keepdim)).to(g.dtype)
    return keep_dims(g, shape, dim, keepdim) * (ties / sum(ties, dim=dim, keepdim=True))


amax.vjp(x=_shared)
amin.vjp(x=_shared)


@primitive
def argmax(xp: Any, x: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the first maximum along `dim` (by default in the flattened tensor)."""
    return xp.argmax(x, axis=axes(dim, x.ndim), keepdims=keepdim).astype(int64)


@primitive
def argmin(xp: Any, x: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the first minimum along `dim` (by default in the flattened tensor)."""
    return xp.argmin(x, axis=axes(dim, x.ndim), keepdims=keepdim).astype(int64)


for _op in (amax, amin, argmax, argmin):
    _op.kernel("cpu", f"tinygan.backend.cpu.extremes:{_op.name}")


class Extreme(NamedTuple):
    """Extreme values and where along the dimension they were found."""

    values: Tensor
    indices: Tensor


def _chosen(x: Tensor, indices: Tensor, dim: int, keepdim: bool) -> Extreme:
    """The elements of x at `indices` along `dim`, to which alone the gradient goes."""
    if not x.ndim:
        return Extreme(x.clone(), indices)
    values = x.gather(dim, indices)
    return (
        Extreme(values, indices) if keepdim else Extreme(values.squeeze(dim), indices.squeeze(dim))
    )


@takes_axis
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The maximum: of all elements, over a dimension (values and indices), or of two tensors.

    max(x) is a Tensor, max(x, dim) a pair `values, indices`, max(x, other) elementwise.
    """
    if dim is None:
        return amax(input)
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return _chosen(input, argmax(input, dim=dim, keepdim=True), dim, keepdim)


@takes_axis
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The minimum: of all elements, over a dimension (values and indices), or of two tensors.

    min(x) is a Tensor, min(x, dim) a pair `values, indices`, min(x, other) elementwise.
    """
    if dim is None:
        return amin(input)
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return _chosen(input, argmin(input, dim=dim, keepdim=True), dim, keepdim)


@primitive
def _norm(xp: Any, x: Any, *, p: float, dim: Dim = None, keepdim: bool = False) -> Any:
    axis, dtype = axes(dim, x.ndim), x.dtype
    if dtype == float16:  # squares of moderate numbers overflow
        x = x.astype(float32)
    if p == 2:
        y = xp.sqrt((x * x).sum(axis=axis, keepdims=keepdim))
    elif p == 0:
        y = (x != 0).sum(axis=axis, keepdims=keepdim)
    elif p == 1:
        y = xp.abs(x).sum(axis=axis, keepdims=keepdim)
    elif p == math.inf:
        y = xp.abs(x).max(axis=axis, keepdims=keepdim)
    elif p == -math.inf:
        y = xp.abs(x).min(axis=axis, keepdims=keepdim)
    else:
        y = (xp.abs(x) ** p).sum(axis=axis, keepdims=keepdim) ** (1 / p)
    return y.astype(dtype, copy=False)


def _norm_by_x(g: Tensor, y: Tensor, x: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor | None:
    if p == 0:
        return None
    shape = x.array.shape
    g, y = keep_dims(g, shape, dim, keepdim), keep_dims(y, shape, dim, keepdim)
    if p == 1:
        return g * sign(x)
    if p in (math.inf, -math.inf):
        ties = (abs(x) == y).to(g.dtype)
        return g * sign(x) * (ties / sum(ties, dim=dim, keepdim=True))
    if p > 1:  # a division by infinity in place of one by 0: 0, and so are the derivatives of it
        y = where(y == 0, math.inf, y)
    if p == 2:
        return x * (g / y)
    size = abs(x)
    if p < 2:
        size = where(x == 0, math.inf, size)
    return x * size ** (p - 2) * (g / y ** (p - 1))


_norm.vjp(x=_norm_by_x)
_norm.kernel("cpu", "tinygan.backend.cpu.reductions:norm")
for _op in (_norm, amax, amin, argmax, argmin):
    _op.kernel("cuda", f"tinygan.backend.cuda.reductions:{_op.name}")


@takes_axis
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """(sum |x|^p)^(1/p) over `dim`; p may be inf, -inf or 0 (how many are nonzero).

    "fro" is p = 2. Where the norm is 0 the derivative is 0.
    """
    if p is None or p == "fro":
        p = 2
    if not isinstance(p, (int, float)):
        raise ValueError(f"norm: p is a number or 'fro', it was given as {p!r}")
    if dtype is not None:
        input = input.to(dtype)
    if not input.is_floating_point():
        raise TypeError(
            f"norm: expected a floating-point tensor, got {input.dtype}; use x.float().norm()"
        )
    return _norm(input, p=p, dim=dim, keepdim=keepdim)
