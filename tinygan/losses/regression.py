"""Losses between numbers: how far `input` is from `target`."""

from __future__ import annotations

import warnings

from tinygan.autograd import Tensor
from tinygan.losses.reduction import reduce
from tinygan.ops import where

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(x - t)^2, elementwise, then reduced."""
    return reduce(_difference("mse_loss", input, target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|x - t|, elementwise, then reduced."""
    return reduce(_difference("l1_loss", input, target).abs(), reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """(x - t)^2 / 2 beta where |x - t| < beta, else |x - t| - beta / 2."""
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta is {beta}, expected 0 or more")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    d = _difference("smooth_l1_loss", input, target)
    far = d.abs()
    return reduce(where(far < beta, d.square() * (0.5 / beta), far - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """(x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2)."""
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta is {delta}, expected a positive number")
    d = _difference("huber_loss", input, target)
    far = d.abs()
    return reduce(where(far <= delta, d.square() * 0.5, (far - 0.5 * delta) * delta), reduction)


def _difference(name: str, x: Tensor, target: Tensor) -> Tensor:
    if x.shape != target.shape:
        warnings.warn(
            f"{name}: the target has shape {tuple(target.shape)}, the input {tuple(x.shape)}; "
            "they are broadcast, which is rarely meant: reshape one of them",
            stacklevel=3,
        )
    return x - target
