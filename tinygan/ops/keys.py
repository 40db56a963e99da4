"""What stands between the brackets of x[...], in PyTorch's reading of it."""

from __future__ import annotations

from operator import index as as_int
from typing import Any, NamedTuple

import numpy as np

from tinygan.autograd import Tensor, may_read, wrap
from tinygan.backend import backend_of

__all__: list[str] = []

_BASIC = (int, slice, type(None), type(Ellipsis))


class Key(NamedTuple):
    """An index in three parts, each applied to the result of the one before.

    `basic`: integers, slices, None and `...`, which give a view; `steps`, in order: a 0-d integer
    tensor picks from the dimension it is paired with, and drops it, a number joins as many
    dimensions from there on into one; `arrays`: integer arrays, together.
    """

    basic: tuple[Any, ...]
    steps: list[tuple[int, Tensor | int]]
    arrays: list[tuple[int, Tensor]]


def parse(x: Tensor, key: Any) -> Key:
    """A key for x, checked: its numbers in range, its masks of x's shape, its steps positive."""
    items = key if type(key) is tuple else (key,)
    shape = x.array.shape
    basic: list[Any] = []
    steps: list[tuple[int, Tensor | int]] = []
    arrays: list[tuple[int, Tensor]] = []
    dim = out = 0  # the next dimension of x, and of the result of `basic` and `steps`
    ellipsis = False
    items = tuple([item if isinstance(item, _BASIC) else _plain(x, item) for item in items])
    used = sum([_consumes(item) for item in items])
    if used > len(shape):
        hint = "" if shape else "; x.item() is its number, which scripts from before 2018 ask x[0]"
        raise IndexError(f"index: {used} indices for a tensor of shape {shape}{hint}")
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
        elif type(item) is slice:
            basic.append(_plain_slice(item))
            dim, out = dim + 1, out + 1
        elif type(item) is bool:  # a new dimension of size 1, or 0
            basic.append(None)
            arrays.append((out, _on_device(x, np.zeros(int(item), np.int64))))
            out += 1
        elif isinstance(item, Tensor):
            if item.array.dtype == np.bool_:
                width = item.array.ndim
                arrays.append((out, _positions(item, shape[dim : dim + width])))
                basic.extend([slice(None)] * width or [None])
                if width > 1:
                    steps.append((out, width))
                dim, out = dim + width, out + 1
                continue
            basic.append(slice(None))
            dim += 1
            if item.array.ndim:
                arrays.append((out, item))
                out += 1
            else:
                steps.append((out, item))
        else:
            if not -shape[dim] <= item < shape[dim]:
                raise IndexError(
                    f"index: {item} is out of range for dimension {dim} of size {shape[dim]}"
                )
            basic.append(item)
            dim += 1
    basic.append(...)  # so that the result is an array, never a scalar
    return Key(tuple(basic), steps, arrays)


def _plain(x: Tensor, item: Any) -> Any:
    """An item of a key as one of: int, bool, Tensor of integers or of booleans."""
    if isinstance(item, (list, tuple, range)):
        item = np.asarray([i.tolist() if isinstance(i, Tensor) else i for i in item])
        if not item.size:
            item = item.astype(np.int64)
    if isinstance(item, np.ndarray):
        item = _on_device(x, item)
    if isinstance(item, Tensor):
        dtype = item.array.dtype
        if dtype != np.bool_ and dtype.kind != "i":
            hint = "; cast it, to bool for a mask" if dtype == np.uint8 else ""
            raise TypeError(f"index: expected integers or booleans, got a tensor of {dtype}{hint}")
        return item
    if isinstance(item, np.bool_):
        return bool(item)
    try:
        return as_int(item)
    except TypeError:
        raise TypeError(
            "index: expected integers, slices, '...', None, integer or boolean tensors, got "
            f"{type(item).__name__}"
        ) from None


def _consumes(item: Any) -> int:
    """How many dimensions an item of a key indexes."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item.array.dtype == np.bool_:
        ndim: int = item.array.ndim
        return ndim
    return 1


def _plain_slice(item: slice) -> slice:
    start, stop, step = (
        n if n is None or type(n) is int else as_int(n) for n in (item.start, item.stop, item.step)
    )
    if step is not None and step <= 0:
        raise ValueError(f"index: the step of a slice must be positive, got {step}; use flip()")
    return slice(start, stop, step)


def _on_device(x: Tensor, array: np.ndarray) -> Tensor:
    return wrap(backend_of(x.array).from_host(array))


def _positions(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Where, in row-major order, a mask is true: how many places these are is read."""
    if mask.array.shape != shape:
        raise IndexError(
            f"index: a mask of shape {mask.array.shape} for dimensions of shape {shape}; expected "
            "equal shapes"
        )
    may_read("x[mask]")
    return wrap(backend_of(mask.array).xp.nonzero(mask.array.reshape(-1))[0])
