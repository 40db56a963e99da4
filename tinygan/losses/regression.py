"""Losses between numbers: how far `input` is from `target`."""

from __future__ import annotations

import warnings

from tinygan.autograd import Tensor, primitive
from tinygan.losses.reduction import reduce, takes_old_names
from tinygan.ops import where

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


@primitive(elementwise=True, real=True)
def huber(xp, x, t, *, delta):
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); d = x - t."""
    far = xp.abs(x - t)
    near = xp.minimum(far, delta)
    return near * (far - near / 2)


@primitive(elementwise=True, real=True)
def huber_grad(xp, g, x, t, *, delta):
    """g (x - t), the difference between -delta and delta."""
    return g * xp.minimum(xp.maximum(x - t, -delta), delta)


def _second_derivative(v: Tensor, g: Tensor, x: Tensor, t: Tensor, delta: float) -> Tensor:
    return where((x - t).abs() <= delta, v * g, 0)


huber.vjp(
    x=lambda g, x, t, delta: huber_grad(g, x, t, delta=delta),
    t=lambda g, x, t, delta: huber_grad(g, t, x, delta=delta),
)
huber_grad.vjp(
    g=lambda v, x, t, delta: huber_grad(v, x, t, delta=delta),
    x=_second_derivative,
    t=lambda v, g, x, t, delta: -_second_derivative(v, g, x, t, delta),
)
for _op in (huber, huber_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.losses:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.activations:{_op.name}")


@takes_old_names
def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(x - t)^2, elementwise, then reduced."""
    _check_shapes("mse_loss", input, target)
    return reduce((input - target).square(), reduction)


@takes_old_names
def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|x - t|, elementwise, then reduced."""
    _check_shapes("l1_loss", input, target)
    return reduce((input - target).abs(), reduction)


@takes_old_names
def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """(x - t)^2 / 2 beta where |x - t| < beta, else |x - t| - beta / 2."""
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta is {beta}, expected 0 or more")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    _check_shapes("smooth_l1_loss", input, target)
    return reduce(huber(input, target, delta=beta), reduction) / beta


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """(x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2)."""
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta is {delta}, expected a positive number")
    _check_shapes("huber_loss", input, target, 3)
    return reduce(huber(input, target, delta=delta), reduction)


def _check_shapes(name: str, x: Tensor, target: Tensor, stacklevel: int = 4) -> None:
    if x.shape != target.shape:
        warnings.warn(
            f"{name}: the target has shape {tuple(target.shape)}, the input {tuple(x.shape)}; "
            "they are broadcast, which is rarely meant: reshape one of them",
            stacklevel=stacklevel,  # who called the loss, past `takes_old_names`
        )
