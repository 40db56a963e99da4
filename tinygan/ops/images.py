"""What ops on images share: 1-D and unbatched input as N C H W, and constants of a geometry."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import Backend, backend_of

__all__: list[str] = []


def as_images(op: str, x: Tensor, dims: int) -> Tensor:
    """(N, C, L), (N, C, H, W) or either without N as (N, C, H, W), a view."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: input must be a Tensor, got {type(x).__name__}")
    if x.ndim not in (dims + 1, dims + 2):
        names = "(N, C, L) or (C, L)" if dims == 1 else "(N, C, H, W) or (C, H, W)"
        raise RuntimeError(f"{op}: expected an input {names}, got shape {tuple(x.shape)}")
    if x.ndim == dims + 1:
        x = x.unsqueeze(0)
    return x.unsqueeze(2) if dims == 1 else x


def of_images(like: Tensor, y: Tensor, dims: int) -> Tensor:
    """(N, C, H', W') with the dimensions that `like` had before `as_images`."""
    if dims == 1:
        y = y.squeeze(2)
    return y.squeeze(0) if like.ndim == dims + 1 else y


def constant(like: Tensor, make: Callable[..., np.ndarray], *arguments: Any) -> Tensor:
    """make(*arguments) with the type and on the device of `like`; made once."""
    return _constant(make, arguments, like.dtype, backend_of(like.array))


@lru_cache(256)
def _constant(
    make: Callable[..., np.ndarray],
    arguments: tuple[Any, ...],
    dtype: np.dtype[Any],
    backend: Backend,
) -> Tensor:
    return wrap(backend.from_host(make(*arguments).astype(dtype)))
