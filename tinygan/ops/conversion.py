"""Copies: of another type, on another device, in another memory order."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor, primitive, wrap
from tinygan.autograd.tensor import to_device
from tinygan.backend import Device
from tinygan.backend.layout import order_of_copy

__all__ = ["cast", "clone", "copy_to"]  # the others are methods only


@primitive
def cast(xp: Any, x: Any, *, dtype: Any) -> Any:
    """x with its elements converted to another type."""
    return x.astype(dtype, order=order_of_copy(x))


cast.vjp(x=lambda g: g)  # the walk casts it back
cast.kernel("cpu", "tinygan.backend.cpu.comparison:cast")
cast.kernel("cuda", "tinygan.backend.cuda.changes:cast")


@primitive
def clone(xp: Any, x: Any) -> Any:
    """A copy of x, in the same memory order; in that of its dimensions if x was expanded."""
    return x.copy(order_of_copy(x))


clone.vjp(x=lambda g: g)
clone.kernel("cpu", "tinygan.backend.cpu.copy:clone")
clone.kernel("cuda", "tinygan.backend.cuda.copy:clone")


@primitive
def _contiguous(xp: Any, x: Any) -> Any:
    return xp.ascontiguousarray(x)


_contiguous.vjp(x=lambda g: g)
_contiguous.kernel("cpu", "tinygan.backend.cpu.copy:contiguous")
_contiguous.kernel("cuda", "tinygan.backend.cuda.copy:contiguous")


def contiguous(x: Tensor) -> Tensor:
    """x with its elements in memory in the order of its dimensions; x itself if they are."""
    return x if x.array.flags.c_contiguous else _contiguous(x)


@primitive
def _copy_to(xp: Any, x: Any, *, device: Device, source: Device) -> Any:
    return to_device(wrap(x), device)


_copy_to.vjp(x=lambda g, source: copy_to(g, source))


def copy_to(x: Tensor, device: str | Device) -> Tensor:
    """x on another device; x itself if it is there."""
    device = Device(device)
    return x if x.device == device else _copy_to(x, device=device, source=x.device)


def to(
    x: Tensor,
    *target: Any,
    dtype: Any = None,
    device: str | Device | None = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """x with another type, on another device, or as another tensor is: `to(x, like)`.

    x itself where nothing has to change, unless `copy`. Copies are never asynchronous, so
    `non_blocking` changes nothing.
    """
    for value in target:
        if isinstance(value, Tensor):
            dtype, device = value.dtype, value.device
        elif isinstance(value, (str, Device)):
            device = value
        elif value is not None:
            dtype = value
    y = x
    if dtype is not None and x.array.dtype != dtype:
        y = cast(y, dtype=np.dtype(dtype))
    if device is not None:
        y = copy_to(y, device)
    return clone(y) if copy and y is x else y


def type_as(x: Tensor, other: Tensor) -> Tensor:
    """x with the type of another tensor."""
    return to(x, other.dtype)


def cpu(x: Tensor) -> Tensor:
    """x in the memory of the host."""
    return copy_to(x, "cpu")


def cuda(x: Tensor, device: str | int | Device | None = None) -> Tensor:
    """x on a GPU, by default the current one."""
    return copy_to(x, f"cuda:{device}" if isinstance(device, int) else device or "cuda")
