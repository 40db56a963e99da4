"""Products of vectors, matrices and batches of them."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.shape import flatten, squeeze, transpose, unsqueeze

__all__ = ["linear", "matmul"]


def _same_dtype(*arrays: Any) -> None:
    if any(a.dtype != arrays[0].dtype for a in arrays):
        raise TypeError(
            f"expected one dtype, got {' and '.join(str(a.dtype) for a in arrays)}; cast one with "
            "x.to(dtype)"
        )


def _mT(x: Tensor) -> Tensor:
    return transpose(x, -2, -1)


@primitive
def matmul(xp: Any, x: Any, w: Any) -> Any:
    """x (..., i, j) @ w (..., j, k) -> (..., i, k), batch dimensions broadcast.

    A 1-D x counts as a row, a 1-D w as a column, and the dimension so added is dropped again.
    """
    _same_dtype(x, w)
    if not x.ndim or not w.ndim:
        raise ValueError("expected at least one dimension on both sides, got a 0-d tensor")
    if x.shape[-1] != w.shape[-2 if w.ndim > 1 else 0]:
        raise ValueError(
            f"the last size of {x.shape} must equal the "
            f"{'second to last' if w.ndim > 1 else 'only'} size of {w.shape}"
        )
    if x.ndim > 2 and w.ndim == 2 and x.size:  # one product instead of a batch of small ones
        return xp.matmul(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[1])
    return xp.matmul(x, w)


def _matmul_x(g: Tensor, w: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    if w.array.ndim == 1:
        return unsqueeze(g, -1) * w if len(x_shape) > 1 else g * w
    if len(x_shape) == 1:
        return squeeze(matmul(w, unsqueeze(g, -1)), -1)
    return matmul(g, _mT(w))


def _matmul_w(g: Tensor, x: Tensor, w_shape: tuple[int, ...]) -> Tensor:
    if x.array.ndim == 1:
        return unsqueeze(x, -1) * unsqueeze(g, -2) if len(w_shape) > 1 else g * x
    if len(w_shape) == 1:
        return matmul(flatten(g), flatten(x, 0, -2))
    if len(w_shape) == 2:
        return matmul(_mT(flatten(x, 0, -2)), flatten(g, 0, -2))
    return matmul(_mT(x), g)


matmul.vjp(x=_matmul_x, w=_matmul_w)


@primitive
def linear(xp: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """y = x w^T + b: x (..., in), weight (out, in), bias (out) or None -> (..., out)."""
    _same_dtype(x, weight) if bias is None else _same_dtype(x, weight, bias)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"expected x (..., in) and weight (out, in), got {x.shape} and {weight.shape}"
        )
    flat = x.reshape(-1, x.shape[-1]) if x.ndim > 2 and x.size else x
    y = xp.matmul(flat, weight.T)
    if bias is not None:
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"expected bias ({weight.shape[0]},), got {bias.shape}")
        y += bias
    return y if flat is x else y.reshape(*x.shape[:-1], weight.shape[0])


def _linear_weight(g: Tensor, x: Tensor) -> Tensor:
    if x.array.ndim == 1:
        return unsqueeze(g, 1) * x
    return matmul(_mT(flatten(g, 0, -2)), flatten(x, 0, -2))


linear.vjp(x=lambda g, weight: matmul(g, weight), weight=_linear_weight, bias=lambda g: g)
