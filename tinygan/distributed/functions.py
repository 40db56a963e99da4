"""What the ranks do with tensors, in functions that can be recorded and differentiated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

from tinygan.autograd import Tensor, perform, primitive, wrap
from tinygan.backend import backend_of
from tinygan.distributed.group import get_world_size, world


def all_reduce(tensor: Tensor) -> None:
    """tensor = the sum over the ranks, in place."""
    perform(_sum, tensor.array, changed=[tensor])


def broadcast(tensor: Tensor, src: int = 0) -> None:
    """tensor = the tensor of rank `src`, in place."""
    perform(lambda array: world().broadcast(array, src), tensor.array, changed=[tensor])


@primitive
def mean_over_ranks(xp: Any, x: Any) -> Any:
    """The mean of x over the ranks, of x's shape and the same on each.

    Its derivative is that of the mean of the ranks' losses, which `averaged` gradients are of.
    """
    y = xp.array(x)  # a copy
    world().all_reduce(y)
    y /= get_world_size()
    return y


mean_over_ranks.vjp(x=lambda g: mean_over_ranks(g))


def averaged(gradients: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """The mean of every gradient over the ranks, by one all-reduce of one flat buffer.

    The gradient of the mean of the ranks' losses: of the loss of all their batches as one, where a
    loss is a mean over samples and the batches are equally large. None stays None, and has to be
    None on all ranks.
    """
    result = list(gradients)
    if get_world_size() == 1:
        return tuple(result)
    by_type: dict[Any, list[int]] = {}
    for number, g in enumerate(gradients):
        if g is not None:
            by_type.setdefault(g.dtype, []).append(number)
    for numbers in by_type.values():
        for number, mean in zip(numbers, _means([gradients[n] for n in numbers]), strict=True):
            result[number] = mean
    return tuple(result)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every `.grad` by its mean over the ranks: between `backward()` and `step()`."""
    parameters = list(parameters)
    for p, gradient in zip(parameters, averaged([p.grad for p in parameters]), strict=True):
        p.grad = gradient


def _means(gradients: Sequence[Any]) -> list[Tensor]:
    """The means of gradients of one type, views of one buffer."""
    arrays = [g.array for g in gradients]
    sizes = [prod(a.shape) for a in arrays]
    flat = backend_of(arrays[0]).xp.empty(sum(sizes), dtype=arrays[0].dtype)
    perform(_average, flat, arrays)
    means, start = [], 0
    for array, size in zip(arrays, sizes, strict=True):
        means.append(wrap(flat[start : start + size].reshape(array.shape)))
        start += size
    return means


def _sum(array: Any) -> None:
    world().all_reduce(array)


def _average(flat: Any, arrays: list[Any]) -> None:
    """flat = the mean over the ranks of all entries of the arrays, in a row."""
    backend_of(flat).xp.concatenate([a.reshape(-1) for a in arrays], out=flat)
    world().all_reduce(flat)
    flat /= get_world_size()
