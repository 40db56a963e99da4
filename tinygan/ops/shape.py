"""Views and other rearrangements: the same numbers under another shape."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.dims import common_shape, dimension, dimensions, sizes, solve_shape

__all__ = [
    "broadcast_tensors",
    "broadcast_to",
    "expand",
    "expand_as",
    "flatten",
    "movedim",
    "permute",
    "reshape",
    "squeeze",
    "sum_to_size",
    "swapaxes",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]


@primitive(view=True)
def _reshape(xp: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    return x.reshape(shape)


_reshape.vjp(x=lambda g, x_shape: _reshape(g, x_shape))
_reshape.kernel("cpu", "tinygan.backend.cpu.copy:reshape")
_reshape.kernel("cuda", "tinygan.backend.cuda.copy:reshape")


@primitive(view=True)
def _permute(xp: Any, x: Any, *, dims: tuple[int, ...]) -> Any:
    return x.transpose(dims)


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


_permute.vjp(x=lambda g, dims: _permute(g, _inverse(dims)))


@primitive(view=True)
def _expand(xp: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    return xp.broadcast_to(x, shape)


_expand.vjp(x=lambda g: g)  # the walk sums it down


@primitive
def _sum_to_size(xp: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    extra = x.ndim - len(shape)
    spread = [extra + i for i, n in enumerate(shape) if n == 1 and x.shape[extra + i] != 1]
    axes = (*range(extra), *spread)
    return x.sum(axis=axes).reshape(shape) if axes else x.reshape(shape)


_sum_to_size.vjp(x=lambda g, x_shape: _expand(g, x_shape))
_sum_to_size.kernel("cpu", "tinygan.backend.cpu.reductions:sum_to_size")
_sum_to_size.kernel("cuda", "tinygan.backend.cuda.reductions:sum_to_size")


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The elements of x in row-major order under another shape; one size may be -1.

    A view where the memory allows one, a copy otherwise.
    """
    return _reshape(x, solve_shape("reshape", sizes(shape), x.array.size, x.array.shape))


def view(x: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, which copies where PyTorch's `view` refuses."""
    return _reshape(x, solve_shape("view", sizes(shape), x.array.size, x.array.shape))


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """x under the shape of `other`."""
    return view(x, other.array.shape)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim (inclusive) joined into one, in row-major order."""
    shape = x.array.shape
    start, end = (dimension("flatten", d, len(shape)) for d in (start_dim, end_dim))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return _reshape(x, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` split into dimensions of the given sizes, one of which may be -1."""
    shape = x.array.shape
    dim = dimension("unflatten", dim, len(shape))
    inner = solve_shape("unflatten", tuple(sizes), shape[dim], shape[dim : dim + 1])
    return _reshape(x, (*shape[:dim], *inner, *shape[dim + 1 :]))


def squeeze(x: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """x without its dimensions of size 1, or without those of them that `dim` names."""
    shape = x.array.shape
    dims = range(len(shape)) if dim is None else dimensions("squeeze", dim, len(shape))
    return _reshape(x, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x with a dimension of size 1 inserted before `dim`."""
    shape = x.array.shape
    dim = dimension("unsqueeze", dim, len(shape) + 1)
    return _reshape(x, (*shape[:dim], 1, *shape[dim:]))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """y with dimension k of y being dimension dims[k] of x."""
    order = dimensions("permute", sizes(dims), x.array.ndim)
    if len(order) != x.array.ndim:
        raise ValueError(
            f"permute: {len(order)} dimensions given for a tensor of shape {tuple(x.shape)}; "
            f"expected all {x.array.ndim}"
        )
    return _permute(x, order)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with dimensions dim0 and dim1 swapped."""
    ndim = x.array.ndim
    a, b = dimension("transpose", dim0, ndim), dimension("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = b, a
    return _permute(x, tuple(order))


swapaxes = transpose


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; tensors of fewer dimensions as they are."""
    if x.array.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {tuple(x.shape)}")
    return transpose(x, 0, 1) if x.array.ndim == 2 else x


def movedim(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with dimensions `source` at the places `destination`, the others in their order."""
    ndim = x.array.ndim
    origins = dimensions("movedim", source, ndim)
    places = dimensions("movedim", destination, ndim)
    if len(origins) != len(places):
        raise ValueError(f"movedim: {source} and {destination} are of different lengths")
    order = [i for i in range(ndim) if i not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        order.insert(place, origin)
    return _permute(x, tuple(order))


def expand(x: Tensor, *shape: Any) -> Tensor:
    """x repeated, without copying, along dimensions of size 1 and new leading ones; -1 keeps."""
    old, new = x.array.shape, sizes(shape)
    extra = len(new) - len(old)
    full = tuple(old[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(new))
    if extra < 0 or any(o not in (1, n) for o, n in zip(old, full[extra:], strict=True)):
        raise ValueError(
            f"expand: a tensor of shape {old} cannot be expanded to {new}; expected sizes equal to "
            "its own or, where its own is 1, any"
        )
    return _expand(x, full)


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x expanded to `shape`."""
    return expand(x, tuple(shape))


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """x expanded to the shape of `other`."""
    return expand(x, other.array.shape)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    shape = common_shape("broadcast_tensors", [x.array.shape for x in tensors])
    return tuple(x if x.array.shape == shape else _expand(x, shape) for x in tensors)


def sum_to_size(x: Tensor, *shape: Any) -> Tensor:
    """x summed over whatever would be expanded to take `shape` to the shape of x."""
    new, old = sizes(shape), x.array.shape
    extra = len(old) - len(new)
    if extra < 0 or any(n not in (1, o) for n, o in zip(new, old[extra:], strict=True)):
        raise ValueError(
            f"sum_to_size: {new} does not broadcast to {old}, so {old} does not sum to {new}"
        )
    return _sum_to_size(x, new)
