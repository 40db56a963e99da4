"""Picking and placing elements by an index of their own: gather, scatter, and sorting by them."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinygan.autograd import Tensor, may_read, primitive, wrap
from tinygan.backend import backend_of
from tinygan.ops.dims import common_shape, dimension
from tinygan.ops.indexing import _check_index, _slice, getitem
from tinygan.ops.joins import stack
from tinygan.ops.shape import _expand, _reshape, broadcast_tensors, own

__all__ = [
    "argsort",
    "gather",
    "masked_select",
    "nonzero",
    "scatter",
    "scatter_add",
    "sort",
    "take_along_dim",
    "topk",
]


class Sorted(NamedTuple):
    """Values and where each of them stood in the input."""

    values: Tensor
    indices: Tensor


def _places(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """For every element of the index the place it names: itself in `dim`, its own in the others."""
    return tuple(
        index if d == dim else xp.arange(n).reshape((1,) * d + (n,) + (1,) * (index.ndim - d - 1))
        for d, n in enumerate(index.shape)
    )


@primitive
def _gather(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    return x[_places(xp, index, dim)]


@primitive
def _gather_grad(xp: Any, x: Any, index: Any, *, dim: int, shape: tuple[int, ...]) -> Any:
    """Zeros of the given shape with x added at the places that the index names."""
    y = xp.zeros(shape, x.dtype)
    xp.add.at(y, _places(xp, index, dim), x)
    return y


@primitive
def _scatter(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    y = x.copy(order="K")
    y[_places(xp, index, dim)] = src
    return y


_gather.vjp(x=lambda g, index, x_shape, dim: _gather_grad(g, index, dim=dim, shape=x_shape))
_gather_grad.vjp(x=lambda g, index, dim: _gather(g, index, dim=dim))
_scatter.vjp(
    x=lambda g, index, dim: _scatter(g, index, 0, dim=dim),
    src=lambda g, index, dim: _gather(g, index, dim=dim),
)
for _op in (_gather, _gather_grad, _scatter):
    _op.kernel("cpu", f"tinygan.backend.cpu.places:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.places:{_op.name}")


def _checked(op: str, x: Tensor, dim: int, index: Tensor) -> tuple[int, Tensor]:
    """The dimension and the index, whose shape must lie in that of x except along the dimension."""
    shape, size = x.array.shape, index.array.shape
    dim = dimension(op, dim, len(shape))
    if index.array.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected an index of integers, got {index.dtype}")
    if len(size) != len(shape) or any(
        n > m for d, (n, m) in enumerate(zip(size, shape, strict=True)) if d != dim
    ):
        raise ValueError(
            f"{op}: an index of shape {size} does not fit a tensor of shape {shape}; expected as "
            f"many dimensions, and sizes no larger except in dimension {dim}"
        )
    return dim, _check_index(index, size=shape[dim] if shape else 1, negative=False, op=op)


def _source(op: str, index: Tensor, src: Tensor) -> Tensor:
    """The part of src that the index has places for."""
    size, given = index.array.shape, src.array.shape
    if len(given) != len(size) or any(n > m for n, m in zip(size, given, strict=True)):
        raise ValueError(
            f"{op}: src has shape {given}, expected one at least as large as the index's {size}"
        )
    return src if given == size else _slice(src, tuple(slice(n) for n in size))


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """y[i, j, k] = x[i, index[i, j, k], k] (for dim = 1)."""
    dim, index = _checked("gather", input, dim, index)
    if not input.array.ndim:
        return own(_reshape(input, index.array.shape), input)
    return _gather(input, index, dim=dim)


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | float | None = None,
    *,
    value: float | None = None,
) -> Tensor:
    """x with y[i, index[i, j, k], k] = src[i, j, k] (for dim = 1); src may be a number.

    Of several sources for one place one is taken, which one is not said.
    """
    dim, index = _checked("scatter", input, dim, index)
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter: expected src, a tensor, or value, a number; got neither")
    if isinstance(src, Tensor):
        if src.array.dtype != input.array.dtype:
            raise TypeError(f"scatter: src is {src.dtype}, expected {input.dtype} as x")
        src = _source("scatter", index, src)
    return _scatter(input, index, src, dim=dim)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """x with src[i, j, k] added at (i, index[i, j, k], k) (for dim = 1)."""
    dim, index = _checked("scatter_add", input, dim, index)
    if src.array.dtype != input.array.dtype:
        raise TypeError(f"scatter_add: src is {src.dtype}, expected {input.dtype} as x")
    src = _source("scatter_add", index, src)
    return input + _gather_grad(src, index, dim=dim, shape=input.array.shape)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with x and the indices broadcast together except along dim; None flattens both."""
    if dim is None:
        return gather(_reshape(input, (-1,)), 0, _reshape(indices, (-1,)))
    dim = dimension("take_along_dim", dim, input.array.ndim)
    if input.array.ndim != indices.array.ndim:
        raise ValueError(
            f"take_along_dim: x has shape {input.array.shape}, the indices {indices.array.shape}; "
            "expected as many dimensions"
        )

    shapes = [(*t.array.shape[:dim], 1, *t.array.shape[dim + 1 :]) for t in (input, indices)]
    common = common_shape("take_along_dim", shapes)
    input = _expand(input, (*common[:dim], input.array.shape[dim], *common[dim + 1 :]))
    indices = _expand(indices, (*common[:dim], indices.array.shape[dim], *common[dim + 1 :]))
    return gather(input, dim, indices)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements of x where the mask (both broadcast) is true, as a vector in row-major order.

    How many they are is read from the device.
    """
    if mask.array.dtype != bool:
        raise TypeError(f"masked_select: expected a mask of booleans, got {mask.dtype}")
    input, mask = broadcast_tensors(input, mask)
    return getitem(input, mask)


def nonzero(input: Tensor, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """The indices of the elements that are not zero, (count, x.ndim), or a vector per dimension.

    How many they are is read from the device.
    """
    may_read("nonzero()")
    array = input.array if input.array.ndim or not as_tuple else input.array.reshape(1)
    xp = backend_of(array).xp
    if not array.ndim:
        return wrap(xp.zeros((int(bool(array != 0)), 0), xp.int64))
    found = tuple(wrap(i) for i in xp.nonzero(array))
    return found if as_tuple else stack(found, 1)


@primitive
def _argsort(xp: Any, x: Any, *, dim: int, descending: bool) -> Any:
    if not x.ndim:
        return xp.zeros((), xp.int64)
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    # sorted from the back, so that equal elements keep their order
    back = xp.argsort(xp.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - xp.flip(back, dim)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort x along a dimension; always stable, NaN counts as the largest."""
    return _argsort(input, dim=dimension("argsort", dim, input.array.ndim), descending=descending)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Sorted:
    """x sorted along a dimension, and the indices that sort it; always stable."""
    dim = dimension("sort", dim, input.array.ndim)
    indices = _argsort(input, dim=dim, descending=descending)
    return Sorted(_pick(input, dim, indices), indices)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """The k largest (or smallest) elements along a dimension, best first, and their indices."""
    dim = dimension("topk", dim, input.array.ndim)
    size = input.array.shape[dim] if input.array.ndim else 1
    if not 0 <= k <= size:
        raise ValueError(f"topk: k is {k}, expected 0 to {size}, the size of dimension {dim}")
    indices = _argsort(input, dim=dim, descending=largest)
    if input.array.ndim:
        indices = _slice(indices, (slice(None),) * dim + (slice(k), ...))
    return Sorted(_pick(input, dim, indices), indices)


def _pick(x: Tensor, dim: int, indices: Tensor) -> Tensor:
    """`gather` by indices that are known to be in range."""
    return _gather(x, indices, dim=dim) if x.array.ndim else x.clone()
