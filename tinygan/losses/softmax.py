"""Cross entropy of softmax with classes, and its derivative, each in one op."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops import ones_like, softmax, where
from tinygan.ops.indexing import _check_index


def _picked(xp: Any, x: Any, target: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """Which rows count, and the places of the classes."""
    valid = target != ignore_index
    options = {"size": x.shape[1], "negative": False, "op": "cross_entropy"}
    return valid, xp.arange(len(x)), _check_index.compute([xp.where(valid, target, 0)], options)


@primitive
def softmax_cross_entropy(
    xp: Any, x: Any, target: Any, *, ignore_index: int, reduction: str
) -> Any:
    """log(sum_c exp(x[n, c])) - x[n, target[n]] for rows n, 0 for those ignored, then reduced.

    The mean is over the rows that are not ignored. In a recorded step a class out of range gives
    nan in place of an error.
    """
    valid, rows, classes = _picked(xp, x, target, ignore_index)
    top = x.max(axis=1)
    total = xp.log(xp.exp(x - top[:, None]).sum(axis=1)) + top
    loss = xp.where(valid, total - x[rows, classes], 0).astype(x.dtype)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / valid.sum().astype(x.dtype)


@primitive
def softmax_cross_entropy_grad(
    xp: Any, g: Any, x: Any, target: Any, *, ignore_index: int, reduction: str
) -> Any:
    """g (softmax(x)[n, c] - [c = target[n]]), 0 where ignored; for the mean over how many count."""
    valid, rows, classes = _picked(xp, x, target, ignore_index)
    y = xp.exp(x - x.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    y[rows, classes] -= 1
    if reduction == "mean":
        g = g / valid.sum().astype(x.dtype)
    return xp.where(valid[:, None], y * (g[:, None] if g.ndim else g), 0).astype(x.dtype)


def _by_g(v: Tensor, g: Tensor, x: Tensor, target: Tensor, **options: Any) -> Tensor:
    y = v * softmax_cross_entropy_grad(ones_like(g), x, target, **options)
    return y.sum(1) if options["reduction"] == "none" else y.sum()


def _by_x(
    v: Tensor, g: Tensor, x: Tensor, target: Tensor, ignore_index: int, reduction: str
) -> Tensor:
    valid = target != ignore_index
    scale = where(valid, g / valid.to(x.dtype).sum() if reduction == "mean" else g, 0.0)
    p = softmax(x, 1)
    return scale.reshape(-1, 1) * p * (v - (v * p).sum(1, keepdim=True))


softmax_cross_entropy.vjp(
    x=lambda g, x, target, ignore_index, reduction: softmax_cross_entropy_grad(
        g, x, target, ignore_index=ignore_index, reduction=reduction
    )
)
softmax_cross_entropy_grad.vjp(
    g=lambda v, g, x, target, ignore_index, reduction: _by_g(
        v, g, x, target, ignore_index=ignore_index, reduction=reduction
    ),
    x=_by_x,
)
for _op in (softmax_cross_entropy, softmax_cross_entropy_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.softmax:{_op.name}")
