"""Dropout, of elements and of whole channels."""

from __future__ import annotations

from math import prod
from typing import Any

from tinygan.autograd import Tensor, change, primitive
from tinygan.backend import philox
from tinygan.ops.draw import advance, draw
from tinygan.ops.generator import default_generator

__all__ = ["dropout", "dropout1d", "dropout2d"]


@primitive
def dropout_mask(xp: Any, state: Any, like: Any, *, p: float, dims: int) -> Any:
    """1 / (1 - p) with probability 1 - p and else 0, in the memory order of `like`.

    The first `dims` dimensions are drawn, over the others the mask is constant (of size 1).
    """
    shape = like.shape[:dims] + (1,) * (like.ndim - dims)
    u = philox.uniform(xp, state, shape, xp.float32)
    advance(state, u.size, u.itemsize)
    y = xp.empty_like(like) if dims == like.ndim else xp.empty(shape, dtype=like.dtype)
    y[...] = u >= p
    if p < 1:
        y *= 1 / (1 - p)
    return y


dropout_mask.kernel("cpu", "tinygan.backend.cpu.philox:dropout_mask")
dropout_mask.kernel("cuda", "tinygan.backend.cuda.philox:dropout_mask")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """input * mask / (1 - p), every element of the mask 0 with probability p and else 1."""
    return _dropout("dropout", input, p, training, inplace, input.ndim)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of (N, C, L) or (C, L)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: expected an input (N, C, L) or (C, L), got shape {tuple(input.shape)}"
        )
    return _dropout("dropout1d", input, p, training, inplace, input.ndim - 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of (N, C, H, W)."""
    if input.ndim < 2:
        raise RuntimeError(
            f"dropout2d: expected an input (N, C, H, W), got shape {tuple(input.shape)}"
        )
    return _dropout("dropout2d", input, p, training, inplace, 2)


def _dropout(name: str, x: Tensor, p: float, training: bool, inplace: bool, dims: int) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability p in [0, 1], got {p}")
    if not training or p == 0:
        return x
    numbers = prod(x.shape[:dims])
    y = x * draw(dropout_mask, default_generator(x.device), numbers, 4, x, p=p, dims=dims)
    return change(x, y) if inplace else y
