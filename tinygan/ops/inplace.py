"""Ops that write into the memory of their first argument."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tinygan.autograd import Primitive, Tensor, change, is_grad_enabled, primitive
from tinygan.ops.conversion import clone, copy_to
from tinygan.ops.creation import empty
from tinygan.ops.dims import sizes

__all__ = ["copy_", "fill_", "resize_", "resize_as_", "zero_"]


@primitive
def fill(xp: Any, x: Any, value: Any) -> Any:
    """`value` everywhere, in the shape and type of x."""
    y = xp.empty_like(x)
    y[...] = value
    return y


fill.vjp(x=lambda g: None, value=lambda g: g)


@primitive
def copy(xp: Any, x: Any, source: Any) -> Any:
    """`source` broadcast to the shape of x and converted to its type."""
    y = xp.empty_like(x)
    y[...] = source.astype(x.dtype, copy=False)
    return y


copy.vjp(x=lambda g: None, source=lambda g: g)
for _op in (fill, copy):
    _op.kernel("cpu", f"tinygan.backend.cpu.rearrange:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.changes:{_op.name}")


def copy_(x: Tensor, source: Any, non_blocking: bool = False) -> Tensor:
    """x = source, broadcast, converted to x's type and moved to its device as need be.

    Copies are never asynchronous, so `non_blocking` changes nothing.
    """
    if not isinstance(source, Tensor):
        return fill_(x, source)
    return change(x, copy(x, copy_to(source, x.device)))


def fill_(x: Tensor, value: Any) -> Tensor:
    """x = value everywhere."""
    return change(x, fill(x, value))


def zero_(x: Tensor) -> Tensor:
    """x = 0 everywhere."""
    return change(x, fill(x, 0))


def resize_(x: Tensor, *size: Any) -> Tensor:
    """x with another shape: its first elements in the order of its dimensions, the rest unset.

    Where the shape changes the memory does too, and what looked into the old one keeps it.
    """
    if x.requires_grad:
        raise RuntimeError("resize_: this tensor requires a gradient; use x.detach() or reshape()")
    if not size:
        raise TypeError("resize_: expected sizes, got none; for a 0-d tensor give ()")
    shape = sizes(size)
    if shape != x.array.shape:
        y = empty(shape, dtype=x.dtype, device=x.device)
        kept = min(x.numel(), y.numel())
        y.array.reshape(-1)[:kept] = x.array.reshape(-1)[:kept]
        x.data = y
    return x


def resize_as_(x: Tensor, other: Tensor) -> Tensor:
    """x with the shape of another tensor, as by `resize_`."""
    return resize_(x, other.shape)


def in_place(op: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The form of an op that writes its result into its first argument."""
    keeps_input = not isinstance(op, Primitive) or 0 in op.saves

    def method(x: Tensor, *args: Any, **keywords: Any) -> Tensor:
        source = x
        if keeps_input and is_grad_enabled():
            others = (*args, *keywords.values())
            if x.node is not None or any(isinstance(a, Tensor) and a.node for a in others):
                source = clone(x)  # the derivative will ask for what x was
                args = tuple(source if a is x else a for a in args)
        return change(x, op(source, *args, **keywords))

    method.__name__ = f"{op.__name__}_"
    method.__doc__ = f"In place: {op.__doc__}"
    return method


def number_first(method: Callable[..., Tensor], name: str, count: int) -> Callable[..., Tensor]:
    """The method, that also takes its keyword `name` before its `count` tensors, and then warns.

    `average.mul_(0.999).add_(0.001, p)` is how scripts from before 2020 write a moving average.
    """

    def either(x: Tensor, *args: Any, **keywords: Any) -> Tensor:
        if len(args) <= count:
            return method(x, *args, **keywords)
        warnings.warn(
            f"{method.__name__}: the number before the tensors is {name}= after them now",
            UserWarning,
            stacklevel=2,
        )
        return method(x, *args[1:], **{name: args[0]}, **keywords)

    either.__name__, either.__doc__ = method.__name__, method.__doc__
    return either
