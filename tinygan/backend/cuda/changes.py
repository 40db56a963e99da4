"""Changes in place, and arrays filled or converted."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda import copy as copies
from tinygan.backend.cuda import elementwise
from tinygan.backend.cuda.mapping import empty, in_memory_order
from tinygan.backend.kernels import launches

INTEGER = np.dtype(np.int64)
CONVERTED = tuple(map(np.dtype, ("?", "i1", "u1", "i4", "u4", "i8", "u8", "f4", "f8")))


@cache
def _kernel(given: str, result: str, expression: str) -> Any:
    return backend_for("cuda").xp.ElementwiseKernel(given, result, expression, "tinygan_change")


def add_to(x: Any, value: Any) -> Any:
    """x += value: a number to a count, or an array of the same shape and type."""
    if x.dtype == INTEGER and not x.ndim and type(value) is int:
        _kernel("int64 x, int64 amount", "int64 y", "y = x + amount")(x, value, x)
        return x
    if getattr(value, "shape", None) != x.shape or value.dtype != x.dtype:
        return NotImplemented
    return elementwise.add(x, value, alpha=1, out=x)


def assign(x: Any, value: Any) -> Any:
    """x[...] = value, a number or an array, which is broadcast."""
    is_array = not isinstance(value, (int, float))
    if is_array and may_overlap(x, value):
        if value.data.ptr == x.data.ptr and value.shape == x.shape and value.strides == x.strides:
            return x
        apart = empty([value], value.dtype)
        if not copies.copy(value, apart):
            return NotImplemented
        value = apart
    return x if write(x, value) else NotImplemented


def may_overlap(x: Any, y: Any) -> bool:
    """Whether the addresses from their first to their last byte meet.

    CuPy's may_share_memory takes arrays of different owners for apart, as those of a record are.
    """
    (first, last), (other_first, other_last) = _bounds(x), _bounds(y)
    return bool(x.size and y.size) and first < other_last and other_first < last


def _bounds(x: Any) -> tuple[int, int]:
    reaches = [(n - 1) * step for n, step in zip(x.shape, x.strides, strict=True)]
    first = x.data.ptr + sum(r for r in reaches if r < 0)
    return first, x.data.ptr + sum(r for r in reaches if r > 0) + x.itemsize


@launches
def fill(x: Any, value: Any, *, out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    return y if write(y, value) else NotImplemented


@launches
def copy(x: Any, source: Any, *, out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    return y if write(y, source) else NotImplemented


@launches
def cast(x: Any, *, dtype: Any, out: Any = None) -> Any:
    y = empty([x], np.dtype(dtype)) if out is None else out
    return y if write(y, x) else NotImplemented


def write(y: Any, value: Any) -> bool:
    """y[...] = a number or an array, broadcast and converted; False if no kernel does it."""
    if isinstance(value, (int, float)):
        return copies.fill(y, value)
    if value.ndim > y.ndim:
        return False
    value = backend_for("cuda").xp.broadcast_to(value, y.shape)
    if value.dtype == y.dtype:
        return copies.copy(value, y)
    if value.dtype not in CONVERTED or y.dtype not in CONVERTED:
        return False
    if y.size:
        to_bool = y.dtype == np.bool_
        given, expression = ("bool y", "y = x != 0") if to_bool else ("Y y", "y = x")
        _kernel("X x", given, expression)(*in_memory_order([value], y))
    return True
