"""Rows of a table by index: embedding and one-hot vectors."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, may_read, primitive
from tinygan.backend import host_array

__all__ = ["embedding", "one_hot"]


def _take(xp: Any, table: Any, index: Any) -> Any:
    """table[index] for indices in [0, len(table)); on the CPU others, also -1, are errors."""
    if index.dtype.kind not in "iu":
        raise TypeError(f"expected integer indices, got {index.dtype}")
    bounded = xp.minimum(index.astype(xp.uint64), len(table))  # -1 becomes 2^64 - 1
    try:
        return table.take(bounded.astype(xp.int64), axis=0)
    except IndexError:
        raise IndexError(
            f"expected indices from 0 to {len(table) - 1}, got {index.min()} to {index.max()}"
        ) from None


@primitive
def embedding(xp: Any, input: Any, weight: Any, *, padding_idx: int | None = None) -> Any:
    """weight[input]: (*) integers and (V, E) -> (*, E). Row `padding_idx` gets no gradient."""
    if weight.ndim != 2:
        raise ValueError(f"expected a weight of shape (V, E), got {weight.shape}")
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        raise ValueError(f"padding_idx {padding_idx} is out of range for {len(weight)} rows")
    return _take(xp, weight, input)


@primitive
def embedding_grad(xp: Any, g: Any, input: Any, *, count: int, padding_idx: int | None) -> Any:
    """The rows g added up by their index: (*, E) -> (count, E)."""
    result = xp.zeros((count, g.shape[-1]), dtype=g.dtype)
    xp.add.at(result, input.reshape(-1), g.reshape(-1, g.shape[-1]))
    if padding_idx is not None:
        result[padding_idx] = 0
    return result


embedding.vjp(
    weight=lambda g, input, weight_shape, padding_idx: embedding_grad(
        g, input, count=weight_shape[0], padding_idx=padding_idx
    )
)


@primitive
def _looked_up(xp: Any, x: Any, input: Any, *, padding_idx: int | None) -> Any:
    """x[input], 0 where the index is padding_idx: the adjoint of embedding_grad."""
    y = _take(xp, x, input)
    if padding_idx is not None:
        y *= (input != padding_idx % len(x))[..., None]
    return y


embedding_grad.vjp(g=lambda g, input, padding_idx: _looked_up(g, input, padding_idx))
_looked_up.vjp(
    x=lambda g, input, x_shape, padding_idx: embedding_grad(
        g, input, count=x_shape[0], padding_idx=padding_idx
    )
)


@primitive
def _one_hot(xp: Any, x: Any, *, num_classes: int) -> Any:
    classes = xp.arange(num_classes)
    return (_take(xp, classes, x)[..., None] == classes).astype(xp.int64)


for _op in (embedding, embedding_grad, _looked_up, _one_hot):
    _op.kernel("cpu", f"tinygan.backend.cpu.indexing:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.indexing:{_op.name}")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the index, 0 elsewhere: (*) integers -> (*, num_classes) int64.

    Without num_classes it is the largest index plus one, which waits for the device.
    """
    if num_classes < 0:
        if not tensor.numel():
            raise RuntimeError("one_hot: num_classes is needed for an empty tensor")
        may_read("one_hot without num_classes")
        num_classes = int(host_array(tensor.array).max()) + 1
    return _one_hot(tensor, num_classes=num_classes)
