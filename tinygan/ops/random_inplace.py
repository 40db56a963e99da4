"""Filling a tensor with random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor, change, no_grad
from tinygan.ops.draw import floats, integers, like, random_normal, random_uniform
from tinygan.ops.generator import Generator
from tinygan.ops.random import bernoulli, between

__all__ = ["bernoulli_", "normal_", "random_", "uniform_"]


def normal_(
    x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill x with mean + std * standard normal numbers, in place."""
    if std < 0:
        raise RuntimeError(f"normal_: expected std >= 0, got {std}")
    with no_grad():
        y = like(random_normal, "normal_", x, generator, None, None) * std + mean
    return change(x, y)


def uniform_(
    x: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill x with numbers uniform in [low, high), in place."""
    if low > high:
        raise RuntimeError(f"uniform_: expected low <= high, got {low} and {high}")
    with no_grad():
        y = between(like(random_uniform, "uniform_", x, generator, None, None), low, high)
    return change(x, y)


def bernoulli_(x: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill x with 1 with probability p and else 0, in place."""
    if isinstance(p, Tensor):
        with no_grad():
            u = floats(random_uniform, "bernoulli_", tuple(x.shape), generator, p.dtype, x.device)
            return change(x, (u < p).to(x.dtype))
    return change(x, bernoulli(x, p, generator=generator))


def random_(
    x: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fill x with integers in [low, high), or [0, low), or all of x's dtype from 0, in place."""
    if high is None and low > 0:
        low, high = 0, low
    if high is None:
        high = 1 + _largest(x.dtype)
    y = integers("random_", low, high, tuple(x.shape), generator, x.dtype, x.device)
    return change(x, y)


def _largest(dtype: np.dtype[Any]) -> int:
    """The largest integer that numbers of a type can count to without gaps."""
    if dtype.kind == "b":
        return 1
    if dtype.kind == "f":
        return 1 << (np.finfo(dtype).nmant + 1)
    return int(np.iinfo(dtype).max)
