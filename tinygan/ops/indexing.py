"""Reading and writing by index."""

from __future__ import annotations

from operator import index as as_int
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, primitive, wrap
from tinygan.backend import backend_of
from tinygan.ops.dims import dimension
from tinygan.ops.shape import _permute, _reshape, broadcast_tensors

__all__ = ["getitem", "index_select", "select"]

Key = tuple[Any, ...]


@primitive(view=True)
def _slice(xp: Any, x: Any, *, key: Key) -> Any:
    return x[key]


@primitive
def _slice_grad(xp: Any, x: Any, *, key: Key, shape: tuple[int, ...]) -> Any:
    y = xp.zeros(shape, x.dtype)
    y[key] = x
    return y


_slice.vjp(x=lambda g, key, x_shape: _slice_grad(g, key, x_shape))
_slice_grad.vjp(x=lambda g, key: _slice(g, key))


def slice_along(x: Tensor, dim: int, start: int, stop: int) -> Tensor:
    """x[start:stop] along dimension dim >= 0, a view."""
    return _slice(x, (slice(None),) * dim + (slice(start, stop), ...))


@primitive
def _index_select(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    return x.take(index, axis=dim)


@primitive
def _index_sum(xp: Any, x: Any, index: Any, *, dim: int, size: int) -> Any:
    y = xp.zeros((*x.shape[:dim], size, *x.shape[dim + 1 :]), x.dtype)
    xp.add.at(y, (slice(None),) * dim + (index,), x)
    return y


_index_select.vjp(x=lambda g, index, x_shape, dim: _index_sum(g, index, dim=dim, size=x_shape[dim]))
_index_sum.vjp(x=lambda g, index, dim: _index_select(g, index, dim=dim))


@primitive
def _wrap_index(xp: Any, index: Any, *, size: int) -> Any:
    """Indices in [-size, size) as numbers in [0, size), and an error for others."""
    if index.size and bool(((index < -size) | (index >= size)).any()):
        raise IndexError(f"an index is out of range for a dimension of size {size}")
    return xp.where(index < 0, index + size, index)


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """x at one index of a dimension, which is dropped."""
    dim = dimension("select", dim, x.array.ndim)
    return getitem(x, (slice(None),) * dim + (as_int(index),))


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """x at the indices (1-D, any order, with repeats) of a dimension."""
    dim = dimension("index_select", dim, x.array.ndim)
    return _index_select(x, _wrap_index(index, x.array.shape[dim]), dim=dim)


def getitem(x: Tensor, key: Any) -> Tensor:
    """x[key]: integers, slices, `...`, None, integer arrays and boolean masks, mixed at will.

    A view unless arrays or masks are in it. As in PyTorch, integers are applied before arrays (so
    they do not count among them), and steps must be positive.
    """
    basic, arrays = parse(x, key)
    y = _slice(x, basic)
    if not arrays:
        return y
    dims = [dim for dim, _ in arrays]
    shape = y.array.shape
    indices = broadcast_tensors(*[_wrap_index(i, shape[dim]) for dim, i in arrays])
    flat = wrap(indices[0].array)
    for dim, i in zip(dims[1:], indices[1:], strict=True):
        flat = wrap(flat.array * shape[dim] + i.array)
    place = dims[0]
    if dims[-1] - dims[0] != len(dims) - 1:  # apart: the indexed dimensions go to the front
        rest = [d for d in range(len(shape)) if d not in dims]
        y, place = _permute(y, (*dims, *rest)), 0
        shape = y.array.shape
    before, after = shape[:place], shape[place + len(dims) :]
    if len(dims) > 1:
        y = _reshape(y, (*before, int(np.prod(shape[place : place + len(dims)])), *after))
    y = _index_select(y, _reshape(flat, (flat.array.size,)), dim=place)
    return _reshape(y, (*before, *flat.array.shape, *after))


def parse(x: Tensor, key: Any) -> tuple[Key, list[tuple[int, Tensor]]]:
    """A key as a basic key, and what arrays then index which dimensions of its result."""
    items = key if type(key) is tuple else (key,)
    basic: list[Any] = []
    arrays: list[tuple[int, Tensor]] = []
    used = sum(_consumes(item) for item in items)
    shape = x.array.shape
    if used > len(shape):
        raise IndexError(
            f"index: {used} indices for a tensor of shape {tuple(shape)} with {len(shape)} "
            "dimensions"
        )
    dim = out = 0  # the dimension of x that comes next, and of the basic key's result
    ellipsis = False
    for item in items:
        if item is None:
            basic.append(None)
            out += 1
        elif item is Ellipsis:
            if ellipsis:
                raise IndexError("index: only one ellipsis ('...') is allowed")
            ellipsis = True
            skipped = len(shape) - used
            basic.extend([slice(None)] * skipped)
            dim, out = dim + skipped, out + skipped
        elif isinstance(item, slice):
            if item.step is not None and as_int(item.step) <= 0:
                raise ValueError(
                    f"index: the step of a slice must be positive, got {item.step}; use flip()"
                )
            basic.append(item)
            dim, out = dim + 1, out + 1
        elif isinstance(item, (bool, np.bool_)):
            basic.append(None)
            arrays.append((out, _to_index(x, np.arange(int(item)))))
            out += 1
        elif isinstance(item, (Tensor, np.ndarray, list, tuple, range)):
            for i in _index_arrays(x, item, shape[dim:]):
                basic.append(slice(None))
                arrays.append((out, i))
                dim, out = dim + 1, out + 1
        else:
            number = _integer(item)
            if not -shape[dim] <= number < shape[dim]:
                raise IndexError(
                    f"index: {number} is out of range for dimension {dim} of size {shape[dim]}"
                )
            basic.append(number)
            dim += 1
    if not ellipsis:
        basic.append(...)  # so that the result is an array, never a scalar
    return tuple(basic), arrays


def _consumes(item: Any) -> int:
    """How many dimensions an item of a key indexes."""
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    if isinstance(item, Tensor):
        item = item.array
    elif isinstance(item, list):
        item = np.asarray(item)
    return item.ndim if getattr(item, "dtype", None) == np.bool_ else 1


def _integer(item: Any) -> int:
    try:
        return as_int(item)
    except TypeError:
        raise TypeError(
            "index: expected integers, slices, '...', None, integer or boolean arrays, got "
            f"{type(item).__name__}"
        ) from None


def _to_index(x: Tensor, array: np.ndarray) -> Tensor:
    return wrap(backend_of(x.array).from_host(array))


def _index_arrays(x: Tensor, item: Any, shape: tuple[int, ...]) -> list[Tensor]:
    if not isinstance(item, Tensor):
        array = np.asarray(item)
        item = _to_index(x, array if array.size else array.astype(np.int64))
    dtype = item.array.dtype
    if dtype == np.bool_:
        if item.array.shape != shape[: item.array.ndim]:
            raise IndexError(
                f"index: a mask of shape {tuple(item.shape)} does not fit the dimensions "
                f"{tuple(shape[: item.array.ndim])} that it indexes"
            )
        return [wrap(i) for i in backend_of(item.array).xp.nonzero(item.array)]
    if dtype.kind != "i":
        raise TypeError(f"index: expected integers or booleans, got {dtype}")
    return [item]
