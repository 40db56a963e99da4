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
    "numel",
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
_reshape.put = lambda x, value, shape: _reshape(value, x.array.shape)
_reshape.kernel("cpu", "tinygan.backend.cpu.copy:reshape")
_reshape.kernel("cuda", "tinygan.backend.cuda.copy:reshape")


@primitive(view=True)
def _permute(xp: Any, x: Any, *, dims: tuple[int, ...]) -> Any:
    return x.transpose(dims)


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


_permute.vjp(x=lambda g, dims: _permute(g, _inverse(dims)))
_permute.put = lambda x, value, dims: _permute(value, _inverse(dims))


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


def reshape(input: Tensor, *size: Any, shape: Any = None) -> Tensor:
    """The elements of x in row-major order under another shape; one size may be -1.

    A view where the memory allows one, a copy otherwise.
    """
    new = sizes(size, shape)
    return _reshape(input, solve_shape("reshape", new, input.array.size, input.array.shape))


def view(input: Tensor, *shape: Any, size: Any = None) -> Tensor:
    """As `reshape`, which copies where PyTorch's `view` refuses.

    What is written into a copy does not reach x. Images in channels-last memory, as convolutions,
    pooling and normalisation make them, are copied too.
    """
    new = sizes(shape, size)
    return _reshape(input, solve_shape("view", new, input.array.size, input.array.shape))


def own(y: Tensor, x: Tensor) -> Tensor:
    """y in memory of its own, where it looks into that of x."""
    return y.clone() if y.version is x.version else y


def numel(input: Tensor) -> int:
    """How many elements x has."""
    return input.numel()


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """x under the shape of `other`."""
    return view(input, other.array.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim (inclusive) joined into one, in row-major order."""
    shape = input.array.shape
    start, end = (dimension("flatten", d, len(shape)) for d in (start_dim, end_dim))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return _reshape(input, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` split into dimensions of the given sizes, one of which may be -1."""
    shape = input.array.shape
    dim = dimension("unflatten", dim, len(shape))
    inner = solve_shape("unflatten", tuple(sizes), shape[dim], shape[dim : dim + 1])
    return _reshape(input, (*shape[:dim], *inner, *shape[dim + 1 :]))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """x without its dimensions of size 1, or without those of them that `dim` names."""
    shape = input.array.shape
    dims = range(len(shape)) if dim is None else dimensions("squeeze", dim, len(shape))
    return _reshape(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """x with a dimension of size 1 inserted before `dim`."""
    shape = input.array.shape
    dim = dimension("unsqueeze", dim, len(shape) + 1)
    return _reshape(input, (*shape[:dim], 1, *shape[dim:]))


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """y with dimension k of y being dimension order[k] of x."""
    order = dimensions("permute", sizes(order, dims), input.array.ndim)
    if len(order) != input.array.ndim:
        raise ValueError(
            f"permute: {len(order)} dimensions given for a tensor of shape {tuple(input.shape)}; "
            f"expected all {input.array.ndim}"
        )
    return _permute(input, order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with dimensions dim0 and dim1 swapped."""
    ndim = input.array.ndim
    a, b = dimension("transpose", dim0, ndim), dimension("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = b, a
    return _permute(input, tuple(order))


swapaxes = transpose


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; tensors of fewer dimensions as they are."""
    if input.array.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, 0, 1) if input.array.ndim == 2 else input


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with dimensions `source` at the places `destination`, the others in their order."""
    ndim = input.array.ndim
    origins = dimensions("movedim", source, ndim)
    places = dimensions("movedim", destination, ndim)
    if len(origins) != len(places):
        raise ValueError(f"movedim: {source} and {destination} are of different lengths")
    order = [i for i in range(ndim) if i not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)) if ndim else ():
        order.insert(place, origin)
    return _permute(input, tuple(order))


def expand(input: Tensor, *shape: Any, size: Any = None) -> Tensor:
    """x repeated, without copying, along dimensions of size 1 and new leading ones; -1 keeps."""
    old, new = input.array.shape, sizes(shape, size)
    extra = len(new) - len(old)
    full = tuple(old[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(new))
    if extra < 0 or any(o not in (1, n) for o, n in zip(old, full[extra:], strict=True)):
        raise ValueError(
            f"expand: a tensor of shape {old} cannot be expanded to {new}; expected sizes equal to "
            "its own or, where its own is 1, any"
        )
    return _expand(input, full)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """x expanded to `size`."""
    return expand(input, tuple(size))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """x expanded to the shape of `other`."""
    return expand(input, other.array.shape)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    shape = common_shape("broadcast_tensors", [x.array.shape for x in tensors])
    return tuple(x if x.array.shape == shape else _expand(x, shape) for x in tensors)


def sum_to_size(input: Tensor, *shape: Any) -> Tensor:
    """x summed over whatever would be expanded to take `shape` to the shape of x."""
    new, old = sizes(shape), input.array.shape
    extra = len(old) - len(new)
    if extra < 0 or any(n not in (1, o) for n, o in zip(new, old[extra:], strict=True)):
        raise ValueError(
            f"sum_to_size: {new} does not broadcast to {old}, so {old} does not sum to {new}"
        )
    return input if new == old else _sum_to_size(input, new)
