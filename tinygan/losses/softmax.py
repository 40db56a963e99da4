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
    xp: Any,
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Any:
    """-sum_c t[n, c] w[c] log softmax(x)[n, c] for rows n, 0 for those ignored, then reduced.

    t is 1 for the class target[n], mixed with smoothing s as (1 - s) t + s / C. The mean is over
    the rows that are not ignored, and weighted: sum w[target[n]] (...) / sum w[target[n]]. In a
    recorded step a class out of range gives nan in place of an error.
    """
    valid, rows, classes = _picked(xp, x, target, ignore_index)
    top = x.max(axis=1)
    total = xp.log(xp.exp(x - top[:, None]).sum(axis=1)) + top
    share = _shares(xp, x, weight, valid, classes)
    loss = (total - x[rows, classes]) * share
    if smoothing:
        every = total[:, None] - x if weight is None else (total[:, None] - x) * weight
        loss = (1 - smoothing) * loss + smoothing / x.shape[1] * every.sum(axis=1)
    loss = xp.where(valid, loss, 0).astype(x.dtype)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / share.sum()


@primitive
def softmax_cross_entropy_grad(
    xp: Any,
    g: Any,
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Any:
    """g (m[n] softmax(x)[n, c] - t[n, c] w[c]), m = sum_c t w; 0 where ignored.

    For the mean it is divided as the loss is.
    """
    valid, rows, classes = _picked(xp, x, target, ignore_index)
    share = _shares(xp, x, weight, valid, classes)
    y = xp.exp(x - x.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    picked = (1 - smoothing) * share
    if smoothing:
        every = xp.ones_like(x[0]) if weight is None else weight
        every = every * (smoothing / x.shape[1])
        y = y * (picked + every.sum())[:, None] - every
    else:
        y *= picked[:, None]
    y[rows, classes] -= picked
    if reduction == "mean":
        g = g / share.sum()
    return xp.where(valid[:, None], y * (g[:, None] if g.ndim else g), 0).astype(x.dtype)


def _shares(xp: Any, x: Any, weight: Any, valid: Any, classes: Any) -> Any:
    """How much every row counts."""
    share = valid.astype(x.dtype)
    return share if weight is None else share * weight[classes]


def _by_g(
    v: Tensor, g: Tensor, x: Tensor, target: Tensor, weight: Tensor | None, **options: Any
) -> Tensor:
    y = v * softmax_cross_entropy_grad(ones_like(g), x, target, weight, **options)
    return y.sum(1) if options["reduction"] == "none" else y.sum()


def _by_x(
    v: Tensor,
    g: Tensor,
    x: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    valid = target != ignore_index
    share = valid.to(x.dtype)
    if weight is not None:
        share = share * weight[where(valid, target, 0)]
    mass = share * (1 - smoothing)
    if smoothing:
        mass = mass + (smoothing if weight is None else weight.mean() * smoothing)
    scale = where(valid, (g / share.sum() if reduction == "mean" else g) * mass, 0.0)
    p = softmax(x, 1)
    return scale.reshape(-1, 1) * p * (v - (v * p).sum(1, keepdim=True))


softmax_cross_entropy.vjp(
    x=lambda g, x, target, weight, ignore_index, reduction, smoothing: softmax_cross_entropy_grad(
        *(g, x, target, weight),
        ignore_index=ignore_index,
        reduction=reduction,
        smoothing=smoothing,
    )
)
softmax_cross_entropy_grad.vjp(
    g=lambda v, g, x, target, weight, ignore_index, reduction, smoothing: _by_g(
        *(v, g, x, target, weight),
        ignore_index=ignore_index,
        reduction=reduction,
        smoothing=smoothing,
    ),
    x=_by_x,
)
for _op in (softmax_cross_entropy, softmax_cross_entropy_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.softmax:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.softmax:{_op.name}")
