"""Several tensors made one, and one taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.dtypes import promote, result_dtype
from tinygan.ops.dims import dimension, takes_axis
from tinygan.ops.indexing import narrow
from tinygan.ops.shape import expand, reshape, unsqueeze

__all__ = [
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "hstack",
    "meshgrid",
    "split",
    "stack",
    "unbind",
    "vstack",
]


@primitive
def _cat(xp: Any, *tensors: Any, dim: int) -> Any:
    return xp.concatenate(promote(list(tensors), real=False), axis=dim)


def _part(g: Tensor, position: int, tensors_shape: Sequence[tuple[int, ...]], dim: int) -> Tensor:
    start = sum(shape[dim] for shape in tensors_shape[:position])
    return narrow(g, dim, start, tensors_shape[position][dim])


_cat.vjp(tensors=_part)
_cat.kernel("cpu", "tinygan.backend.cpu.rearrange:cat")
_cat.kernel("cuda", "tinygan.backend.cuda.rearrange:cat")


@takes_axis
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along `dim`; their other sizes must agree.

    The empty vector, of shape (0,), joins anything.
    """
    given = tuple(tensors)
    if not given:
        raise ValueError("cat: expected at least one tensor, got none")
    tensors = tuple(x for x in given if x.array.shape != (0,)) or given
    if len(tensors) < len(given):  # whose types count all the same
        dtype = result_dtype([x.array for x in given])
        tensors = tuple(x.to(dtype) for x in tensors)
    first = tensors[0].array.shape
    dim = dimension("cat", dim, len(first))
    for i, x in enumerate(tensors):
        shape = x.array.shape
        if not shape:
            raise ValueError(f"cat: tensor {i} has no dimension to be joined along; use stack()")
        if len(shape) != len(first) or any(
            n != m for k, (n, m) in enumerate(zip(shape, first, strict=True)) if k != dim
        ):
            raise ValueError(
                f"cat: tensor {i} has shape {shape}, the first {first}; expected the same sizes "
                f"except in dimension {dim}"
            )
    return _cat(*tensors, dim=dim)


concat = concatenate = cat


@takes_axis
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new dimension `dim`."""
    tensors = tuple(tensors)
    if not tensors:
        raise ValueError("stack: expected at least one tensor, got none")
    for i, x in enumerate(tensors):
        if x.array.shape != tensors[0].array.shape:
            raise ValueError(
                f"stack: tensor {i} has shape {x.array.shape}, the first "
                f"{tensors[0].array.shape}; expected equal shapes"
            )
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side: along dimension 1, vectors and numbers along 0."""
    given = [reshape(x, -1) if not x.array.ndim else x for x in tensors]
    return cat(given, 0 if given and given[0].array.ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors one under the other: along dimension 0, vectors as rows."""
    return cat([reshape(x, 1, -1) if x.array.ndim < 2 else x for x in tensors], 0)


def split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of x along `dim`: of split_size each (the last may be smaller), or of given sizes."""
    dim = dimension("split", dim, input.array.ndim)
    size = input.array.shape[dim]
    if isinstance(split_size, int):
        if split_size < 0 or (split_size == 0 and size):
            raise ValueError(f"split: expected a positive split_size, got {split_size}")
        count = max(-(-size // max(split_size, 1)), 1)
        sizes = [split_size] * (count - 1) + [size - split_size * (count - 1)]
    else:
        sizes = list(split_size)
        if sum(sizes) != size or any(n < 0 for n in sizes):
            raise ValueError(f"split: the sizes {sizes} do not add up to dimension {dim}'s {size}")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(input, dim, start, n) for start, n in zip(starts, sizes, strict=True))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """x in at most `chunks` views of one size (the last may be smaller) along `dim`."""
    if chunks < 1:
        raise ValueError(f"chunk: expected a positive number of chunks, got {chunks}")
    size = input.array.shape[dimension("chunk", dim, input.array.ndim)]
    if size == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-size // chunks), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along `dim`, which is dropped."""
    dim = dimension("unbind", dim, input.array.ndim)
    shape = input.array.shape
    rest = (*shape[:dim], *shape[dim + 1 :])
    return tuple(reshape(narrow(input, dim, i, 1), rest) for i in range(shape[dim]))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Of vectors x_k (n_k) the tensors (n_0, n_1, ...) that hold x_k[i_k] at (i_0, i_1, ...).

    With indexing="xy" the first two dimensions are swapped.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    for i, x in enumerate(tensors):
        if x.array.ndim > 1:
            raise ValueError(f"meshgrid: expected 1-D tensors, tensor {i} has shape {x.shape}")
    places = list(range(len(tensors)))
    if indexing == "xy" and len(tensors) > 1:
        places[:2] = 1, 0
    shape = [1] * len(tensors)
    for place, x in zip(places, tensors, strict=True):
        shape[place] = x.array.size
    result = []
    for place, x in zip(places, tensors, strict=True):
        own = [1] * len(tensors)
        own[place] = x.array.size
        result.append(expand(reshape(x, own), shape))
    return tuple(result)
