"""The dimensions of arrays: their order in memory, and which are reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Where = tuple[tuple[int, ...], tuple[int, ...]]  # shape, strides


def common_order(shape: tuple[int, ...], operands: Sequence[Where]) -> list[int]:
    """The memory order of an elementwise result, outermost dimension first: an operand's.

    Of images in two orders it is the one with the channels last.
    """
    orders = [
        sorted(range(len(shape)), key=lambda d: (-abs(strides[d]) if shape[d] > 1 else 0, d))
        for own, strides in operands
        if own == shape and not repeats(own, strides)
    ]
    ordinary = list(range(len(shape)))
    orders = [ordinary if _same(order, ordinary, shape) else order for order in orders]
    if len(shape) == 4 and len(orders) > 1:
        orders.sort(key=lambda order: order == ordinary)
    return orders[0] if orders else ordinary


def repeats(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether several elements of an array are one number in memory, as `expand` makes them."""
    return any(not s and n != 1 for n, s in zip(shape, strides, strict=True))


def order_of_copy(x: Any) -> Literal["C", "K"]:
    """NumPy's name for the order of a dense copy: that of x itself, unless it repeats numbers."""
    return "C" if repeats(x.shape, x.strides) else "K"


def axes_of(ndim: int, dim: Any) -> tuple[int, ...] | None:
    """The dimensions that are reduced, counted from the front; None if some are not there."""
    if dim is None or dim == () or dim == []:
        return tuple(range(ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    count = max(ndim, 1)  # a number counts as having one
    axes = {d % count for d in dims if -count <= d < count}
    return tuple(axes)[:ndim] if len(axes) == len(dims) else None


def _same(order: list[int], other: list[int], shape: tuple[int, ...]) -> bool:
    """Whether two orders differ at most in where the dimensions of size 1 are."""
    return [d for d in order if shape[d] != 1] == [d for d in other if shape[d] != 1]
