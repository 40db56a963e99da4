"""Reading and writing by index: a pair of ops for slices, a pair for indices along a dimension."""

from __future__ import annotations

from math import prod
from operator import index as as_int
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, change, is_grad_enabled, primitive, wrap
from tinygan.autograd.memory import is_recorded, may_change, store
from tinygan.backend import DeviceError, backend_of
from tinygan.ops.conversion import clone
from tinygan.ops.dims import common_shape, dimension, laid_out_like
from tinygan.ops.keys import Key, parse
from tinygan.ops.shape import _permute, _reshape

__all__ = ["getitem", "index_add", "index_select", "narrow", "select", "setitem"]


_ALL = slice(None)


@primitive(view=True)
def _slice(xp: Any, x: Any, *, key: tuple[Any, ...]) -> Any:
    return x[key]


@primitive
def _slice_grad(xp: Any, x: Any, *, key: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of the given shape with x at the key."""
    y = laid_out_like(x, shape, xp.zeros)
    y[key] = x
    return y


_slice.vjp(x=lambda g, key, x_shape: _slice_grad(g, key, x_shape))
_slice_grad.vjp(x=lambda g, key: _slice(g, key))


@primitive
def _slice_set(xp: Any, x: Any, value: Any, *, key: tuple[Any, ...]) -> Any:
    """x with `value`, broadcast, at the key."""
    y = x.copy(order="K")
    y[key] = value
    return y


_slice_set.vjp(x=lambda g, key: _slice_set(g, 0, key), value=lambda g, key: _slice(g, key))


def _with_slice(x: Tensor, value: Tensor, key: tuple[Any, ...]) -> Tensor:
    y = wrap(x.array)
    if x.node is not None or value.node is not None:
        _slice_set.record((x, value), [x.array, value.array], {"key": key}, y)
    return y


_slice.put = _with_slice
for _op in (_slice_grad, _slice_set):
    _op.kernel("cpu", f"tinygan.backend.cpu.rearrange:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.rearrange:{_op.name}")


@primitive(view=True)  # an index that is fine is returned as it is
def _check_index(xp: Any, index: Any, *, size: int, negative: bool, op: str) -> Any:
    """Indices in [-size, size) as numbers in [0, size), or an error; below 0 only if allowed.

    The error is that of a lookup in an array of that size, which costs NumPy little and a device
    no waiting. CuPy's lookup wraps around instead, so there a kernel stops the device.
    """
    index = index.astype(xp.int64, copy=False)
    probe = index if negative else xp.where(index < 0, size, index)
    try:
        xp.empty(size, xp.bool_).take(probe)
    except IndexError:
        low = -size if negative else 0
        raise IndexError(
            f"{op} expects indices from {low} to {size - 1}, got {index.min()} to {index.max()}"
        ) from None
    return xp.where(index < 0, index + size, index) if negative else index


_check_index.kernel("cuda", "tinygan.backend.cuda.indices:check_index")


@primitive
def _take(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    """x at the indices of a dimension, in whose place come those of the index."""
    return x.take(index, axis=dim)


@primitive
def _take_grad(xp: Any, x: Any, index: Any, *, dim: int, size: int) -> Any:
    """Zeros with x added at the indices of a dimension of the given size."""
    shape = (*x.shape[:dim], size, *x.shape[dim + index.ndim :])
    y = laid_out_like(x, shape, xp.zeros)
    xp.add.at(y, (slice(None),) * dim + (index,), x)
    return y


_take.vjp(x=lambda g, index, x_shape, dim: _take_grad(g, index, dim=dim, size=x_shape[dim]))
_take_grad.vjp(x=lambda g, index, dim: _take(g, index, dim=dim))


@primitive
def _put(xp: Any, x: Any, value: Any, index: Any) -> Any:
    """x with `value`, broadcast to the index, at positions of its row-major order."""
    y = x.flatten()
    y[index] = value
    return y.reshape(x.shape)


_put.vjp(
    x=lambda g, index: _put(g, 0, index),
    value=lambda g, index: _take(_reshape(g, (-1,)), index, dim=0),
)
for _op in (_check_index, _take, _take_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.indexing:{_op.name}")
_put.kernel("cpu", "tinygan.backend.cpu.places:put")
for _op in (_take, _take_grad):
    _op.kernel("cuda", f"tinygan.backend.cuda.indexing:{_op.name}")
_put.kernel("cuda", "tinygan.backend.cuda.places:put")


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The view x[start : start + length] along a dimension."""
    shape = input.array.shape
    dim = dimension("narrow", dim, len(shape))
    begin = start + shape[dim] if start < 0 else start
    if length < 0 or begin < 0 or begin + length > shape[dim]:
        raise ValueError(
            f"narrow: {length} elements from {start} on exceed dimension {dim} of size {shape[dim]}"
        )
    return _slice(input, (slice(None),) * dim + (slice(begin, begin + length), ...))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The view of x at one index of a dimension, which is dropped."""
    dim = dimension("select", dim, input.array.ndim)
    return getitem(input, (slice(None),) * dim + (as_int(index),))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """x at the indices (1-D, in any order, with repeats) of a dimension."""
    if index.array.ndim > 1:
        raise ValueError(f"index_select: expected a 1-D index, got shape {index.array.shape}")
    dim = dimension("index_select", dim, input.array.ndim)
    shape = input.array.shape or (1,)
    i = _check_index(_reshape(index, (-1,)), size=shape[dim], negative=False, op="index_select")
    return _reshape(
        _take(_reshape(input, shape), i, dim=dim),
        (*shape[:dim], i.array.size, *shape[dim + 1 :]) if input.array.ndim else (),
    )


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """x with alpha * source[k] added at index[k] of a dimension, k counting in that dimension."""
    shape = input.array.shape
    dim = dimension("index_add", dim, len(shape))
    expected = (*shape[:dim], index.array.size, *shape[dim + 1 :])
    if index.array.ndim != 1 or source.array.shape != expected:
        raise ValueError(
            f"index_add: expected source {expected} for x {shape}, dim {dim} and index "
            f"{index.array.shape}, got {source.array.shape}"
        )
    i = _check_index(index, size=shape[dim], negative=False, op="index_add")
    added = _take_grad(source, i, dim=dim, size=shape[dim])
    return input + (added if alpha == 1 else added * alpha)


def getitem(x: Tensor, key: Any) -> Tensor:
    """x[key]: integers, slices, `...`, None, integer arrays and boolean masks, mixed at will.

    A view unless arrays or masks are in it. As in PyTorch, integers are applied before arrays (in
    NumPy they count among them), and the steps of slices must be positive. The size of what a
    mask picks is read from the device; nothing else is.
    """
    return _apply(x, parse(x, key))


def _apply(x: Tensor, key: Key) -> Tensor:
    if not key.arrays and not key.steps:
        return _slice(x, key.basic)
    y = x if all(k == _ALL or k is ... for k in key.basic) else _slice(x, key.basic)
    for dim, step in key.steps:
        shape = y.array.shape
        if isinstance(step, Tensor):
            y = _take(y, _checked(step, shape[dim]), dim=dim)
        else:
            joined = prod(shape[dim : dim + step])
            y = _reshape(y, (*shape[:dim], joined, *shape[dim + step :]))
    if not key.arrays:
        return y
    dims = [dim for dim, _ in key.arrays]
    place = dims[0]
    if len(dims) == 1:
        return _take(y, _checked(key.arrays[0][1], y.array.shape[place]), dim=place)
    if dims[-1] - place != len(dims) - 1:  # apart from each other: they go to the front together
        y = _permute(y, (*dims, *[d for d in range(y.array.ndim) if d not in dims]))
        place = 0
    shape = y.array.shape
    indexed = shape[place : place + len(dims)]
    y = _reshape(y, (*shape[:place], prod(indexed), *shape[place + len(dims) :]))
    return _take(y, _joint_index(key, indexed), dim=place)


def _checked(index: Tensor, size: int) -> Tensor:
    return _check_index(index, size=size, negative=True, op="x[index]")


def _joint_index(key: Key, sizes: tuple[int, ...]) -> Tensor:
    """The key's arrays, broadcast together, as row-major positions in their dimensions."""
    indices = [_checked(i, n) for (_, i), n in zip(key.arrays, sizes, strict=True)]
    try:
        common_shape("index", [i.array.shape for i in indices])
    except ValueError as error:
        raise IndexError(str(error)) from None
    position = indices[0]
    for i, n in zip(indices[1:], sizes[1:], strict=True):
        position = position * n + i
    return position


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, in place; the value is broadcast and cast, keys are those of `getitem`.

    The gradient goes to the value, and is zero for what was overwritten. Where a key names a place
    twice, one of the values stays (which one is not said) and each gets that place's gradient.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (Tensor, int, float)):
        raise TypeError(
            f"index: a {type(value).__name__} cannot be assigned; expected a number or a Tensor "
            "(make one with tinygan.tensor(...))"
        )
    if isinstance(value, Tensor) and value.device != x.device:
        raise DeviceError(
            f"index: a value on {value.device} cannot be assigned into a tensor on {x.device}; "
            f"move it with value.to({str(x.device)!r})"
        )
    recorded = is_grad_enabled() and (
        is_recorded(x) or (isinstance(value, Tensor) and value.node is not None)
    )
    mask = _full_mask(x, key, value)
    if mask is not None:
        if not isinstance(value, Tensor) and not x.is_floating_point():
            value = bool(value) if x.dtype == np.bool_ else int(value)  # cast, as by other keys
        change(x, x.masked_fill(mask, value))
        return
    parsed = parse(x, key)
    with_arrays = bool(parsed.arrays or parsed.steps)
    if not with_arrays and _is_there(x, parsed.basic, value):
        return
    if not recorded and not with_arrays:
        target = _slice(wrap(x.array), parsed.basic)
        value = _fitted(target.array.shape, value)
        if isinstance(value, Tensor):  # CuPy does not look whether the two overlap
            value = clone(value).array if value.version is x.version else value.array
        store(x, parsed.basic, value)
    elif not with_arrays:
        target = _slice(wrap(x.array), parsed.basic)
        change(x, _slice_set(x, _fitted(target.array.shape, value), key=parsed.basic))
    else:
        xp = backend_of(x.array).xp
        positions = _apply(wrap(xp.arange(x.array.size).reshape(x.array.shape)), parsed)
        change(x, _put(x, _fitted(positions.array.shape, value), positions))


def _full_mask(x: Tensor, key: Any, value: Any) -> Tensor | None:
    """The key, if it is a mask of x's shape to be filled with one number: that needs no reading."""
    if isinstance(key, Tensor) and key.array.dtype == np.bool_ and key.array.shape == x.array.shape:
        return key if not isinstance(value, Tensor) or value.array.ndim == 0 else None
    return None


def _is_there(x: Tensor, key: tuple[Any, ...], value: Any) -> bool:
    """Whether the value is what x holds at the key, as in x[key] += y, which changed it there."""
    if not isinstance(value, Tensor) or value.version is not x.version:
        return False
    may_change(x, False)
    there, given = _slice(wrap(x.array), key).array, value.array
    address = backend_of(given).address
    same = there.shape == given.shape and there.strides == given.strides
    return bool(same and address(there) == address(given))


def _fitted(shape: tuple[int, ...], value: Any) -> Any:
    """The value without leading dimensions of size 1 that the target does not have, checked."""
    if not isinstance(value, Tensor):
        return value
    given = value.array.shape
    extra = max(len(given) - len(shape), 0)
    kept = given[extra:]
    if any(n != 1 for n in given[:extra]) or any(
        n not in (1, m) for n, m in zip(kept[::-1], shape[::-1], strict=False)
    ):
        raise ValueError(
            f"index: a value of shape {given} cannot be assigned to a place of shape {shape}; "
            "expected a shape that broadcasts to it"
        )
    return _reshape(value, kept) if extra else value
