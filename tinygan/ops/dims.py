"""Dimensions and shapes as callers write them, made plain: negative numbers, tuples or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from operator import index
from typing import Any, TypeVar, cast

from tinygan.autograd.primitive import NUMPY_NAMES

__all__: list[str] = []

F = TypeVar("F", bound=Callable[..., Any])


def dimension(op: str, dim: Any, ndim: int) -> int:
    """dim in [-ndim, ndim) as a number in [0, ndim); a 0-d tensor counts as having one."""
    dim, count = index(dim), max(ndim, 1)
    if not -count <= dim < count:
        raise IndexError(
            f"{op}: dim {dim} is out of range for a tensor with {ndim} dimensions; expected "
            f"{-count} to {count - 1}"
        )
    return dim % count


def dimensions(op: str, dims: int | Iterable[int], ndim: int) -> tuple[int, ...]:
    """Several distinct dimensions, each in [0, ndim)."""
    given = (dims,) if isinstance(dims, int) else tuple(dims)
    result = tuple(dimension(op, d, ndim) for d in given)
    if len(set(result)) != len(result):
        raise ValueError(f"{op}: a dimension appears twice in {given}")
    return result


def sizes(arguments: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """The numbers of `f(2, 3)`, `f((2, 3))`, `f([2, 3])` or, by its name, `f(size=(2, 3))`."""
    if named is not None:
        if arguments:
            raise TypeError(f"expected numbers once, got {tuple(arguments)} and {named}")
        arguments = (named,)
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        arguments = arguments[0]
    return tuple([n if type(n) is int else index(n) for n in arguments])


def solve_shape(op: str, shape: Sequence[int], size: int, given: Sequence[int]) -> tuple[int, ...]:
    """`shape` with its one -1 replaced so that it has `size` elements; `given` is the old shape."""
    known, unknown = 1, -1
    for i, n in enumerate(shape):
        if n == -1:
            if unknown >= 0:
                raise ValueError(f"{op}: only one dimension of {tuple(shape)} can be -1")
            unknown = i
        elif n < 0:
            raise ValueError(f"{op}: the shape {tuple(shape)} has the negative size {n}")
        else:
            known *= n
    if unknown >= 0:
        if known == 0 or size % known:
            raise ValueError(
                f"{op}: {size} elements of shape {tuple(given)} do not fit into {tuple(shape)}"
            )
        return (*shape[:unknown], size // known, *shape[unknown + 1 :])
    if known != size:
        raise ValueError(
            f"{op}: {size} elements of shape {tuple(given)} do not fit into {tuple(shape)}, "
            f"which has {known}"
        )
    return tuple(shape)


def common_shape(op: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all of the shapes broadcast to."""
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(shape, ndim - len(shape)):
            if n != 1 and result[i] not in (1, n):
                raise ValueError(
                    f"{op}: the shapes {', '.join(map(str, shapes))} do not broadcast together"
                )
            result[i] = result[i] if n == 1 else n
    return tuple(result)


def laid_out_like(x: Any, shape: tuple[int, ...], create: Callable[..., Any]) -> Any:
    """create(shape, x.dtype) with its dimensions in memory in the order of those of the array x.

    NumPy's `zeros_like(x, shape=...)` does this; CuPy's allocates as many elements as x has.
    """
    if x.ndim != len(shape) or x.flags.c_contiguous:
        return create(shape, x.dtype)
    strides = x.strides
    order = sorted(range(x.ndim), key=lambda d: -abs(strides[d]))
    y = create(tuple([shape[d] for d in order]), x.dtype)
    return y.transpose(sorted(range(x.ndim), key=order.__getitem__))


def takes_axis(function: F) -> F:
    """Let a function of `dim` and `keepdim` take NumPy's names for them too, as PyTorch's do."""

    @wraps(function)
    def taking(*arguments: Any, **options: Any) -> Any:
        for numpy_name, name in NUMPY_NAMES.items():
            if numpy_name in options:
                options[name] = options.pop(numpy_name)
        return function(*arguments, **options)

    return cast(F, taking)
