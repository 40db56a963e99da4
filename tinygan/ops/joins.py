"""Several tensors made one, and one taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.dims import dimension
from tinygan.ops.indexing import slice_along
from tinygan.ops.shape import unsqueeze

__all__ = ["cat", "concat", "stack"]


@primitive
def _cat(xp: Any, *tensors: Any, dim: int) -> Any:
    return xp.concatenate(tensors, axis=dim)


def _part(g: Tensor, position: int, tensors_shape: Sequence[tuple[int, ...]], dim: int) -> Tensor:
    start = sum(shape[dim] for shape in tensors_shape[:position])
    return slice_along(g, dim, start, start + tensors_shape[position][dim])


_cat.vjp(tensors=_part)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along `dim`; their other sizes must agree."""
    tensors = tuple(tensors)
    if not tensors:
        raise ValueError("cat: expected at least one tensor, got none")
    first = tensors[0].array.shape
    if not first:
        raise ValueError("cat: 0-d tensors cannot be joined; use stack()")
    dim = dimension("cat", dim, len(first))
    for i, x in enumerate(tensors):
        shape = x.array.shape
        if (
            len(shape) != len(first)
            or shape[:dim] + shape[dim + 1 :] != first[:dim] + first[dim + 1 :]
        ):
            raise ValueError(
                f"cat: tensor {i} has shape {shape}, the first {first}; expected the same sizes "
                f"except in dimension {dim}"
            )
    return _cat(*tensors, dim=dim)


concat = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new dimension `dim`."""
    tensors = tuple(tensors)
    for i, x in enumerate(tensors):
        if x.array.shape != tensors[0].array.shape:
            raise ValueError(
                f"stack: tensor {i} has shape {tuple(x.shape)}, the first "
                f"{tuple(tensors[0].shape)}; expected equal shapes"
            )
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def _attach() -> None:  # until ops.methods attaches them
    from tinygan.ops import indexing, linalg, shape

    for name in (*shape.__all__, "matmul"):
        setattr(Tensor, name, getattr(linalg if name == "matmul" else shape, name))
    Tensor.__getitem__ = indexing.getitem  # type: ignore[method-assign]
    Tensor.__matmul__ = linalg.matmul  # type: ignore[method-assign,assignment]


_attach()
