"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor, primitive
from tinygan.ops.dims import dimension, takes_axis

__all__ = ["log_softmax", "softmax"]


@primitive
def _softmax(xp: Any, x: Any, *, dim: int) -> Any:
    """exp(x) / sum(exp(x)) over a dimension, without overflow."""
    if not x.size:
        return x.copy()
    y = xp.subtract(x, x.max(axis=dim, keepdims=True), out=xp.empty_like(x))
    xp.exp(y, out=y)
    y /= y.sum(axis=dim, keepdims=True)
    return y


_softmax.vjp(x=lambda g, y, dim: y * (g - (g * y).sum(dim, keepdim=True)))


@primitive
def _log_softmax(xp: Any, x: Any, *, dim: int) -> Any:
    """x - log(sum(exp(x))) over a dimension, without overflow."""
    if not x.size:
        return x.copy()
    y = xp.subtract(x, x.max(axis=dim, keepdims=True), out=xp.empty_like(x))
    y -= xp.log(xp.exp(y).sum(axis=dim, keepdims=True))
    return y


_log_softmax.vjp(x=lambda g, y, dim: g - y.exp() * g.sum(dim, keepdim=True))

for _op in (_softmax, _log_softmax):
    _op.kernel("cpu", f"tinygan.backend.cpu.softmax:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.softmax:{_op.name}")


@takes_axis
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) along `dim`; with a dtype the input is cast to it first."""
    return _softmax(_prepare("softmax", input, dtype), dim=dimension("softmax", dim, input.ndim))


@takes_axis
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """x_i - log(sum_j exp(x_j)) along `dim`; with a dtype the input is cast to it first."""
    x = _prepare("log_softmax", input, dtype)
    return _log_softmax(x, dim=dimension("log_softmax", dim, input.ndim))


def _prepare(name: str, x: Tensor, dtype: Any) -> Tensor:
    if dtype is not None:
        x = x.to(np.dtype(dtype))
    if not x.is_floating_point():
        raise RuntimeError(
            f"{name}: expected a floating-point input, got {x.dtype}; pass dtype=tinygan.float32"
        )
    return x
