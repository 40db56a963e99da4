"""Lines: arrays as (outer, along, inner) over their memory, for what works along dimensions.

The numbers of a line are `inner` places apart; with `inner` 1 they lie one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import inlined
from tinygan.backend.cpu.copy import copy, fits, ordered
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.layout import axes_of

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
PARALLEL = 1 << 15  # numbers for which waking other threads costs less than it brings
GROUP = 256  # lines side by side that are worked on at a time
SHARE = 1 << 12  # numbers in a chunk, about


def order_of(x: np.ndarray) -> tuple[int, ...]:
    """The dimensions of x as they lie in memory, outermost first."""
    strides = x.strides
    return tuple(sorted(range(x.ndim), key=lambda d: -abs(strides[d])))


def as_lines(x: np.ndarray, order: tuple[int, ...], axes: Sequence[int]) -> np.ndarray | None:
    """x, its dimensions in this order, as (outer, along, inner): `axes`, next to each other.

    By a copy to scratch memory where x lies differently; None if that cannot be made.
    """
    turned = x.transpose(order)
    if not (turned.flags.c_contiguous and turned.flags.aligned):
        if not fits(x):
            return None
        turned = ordered(x, order).transpose(order)
    places = [i for i, d in enumerate(order) if d in axes]
    along = [i for i in places if turned.shape[i] > 1] or places[:1]
    first, last = (along[0], along[-1] + 1) if along else (x.ndim, x.ndim)
    shape = turned.shape
    return turned.reshape(prod(shape[:first]), prod(shape[first:last]), prod(shape[last:]))


def side_by_side(order: tuple[int, ...], axes: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether dimensions follow each other in an order, those of size 1 not counted."""
    marks = [d in axes for d in order if shape[d] > 1]
    return sum(b and not a for a, b in zip([False, *marks], marks, strict=False)) < 2


class Reduction(NamedTuple):
    """Lines of which each gives a number: (outer, along, inner) -> (outer, inner)."""

    x: np.ndarray
    y: np.ndarray
    result: np.ndarray  # y in the shape that is asked for
    out: np.ndarray | None  # where to copy it to, if it lies differently

    def done(self) -> Any:
        """What to return when y is there."""
        if self.out is None:
            return self.result
        return self.out if copy(self.result, self.out) else NotImplemented


def reduction(
    x: Any, dim: Any, keepdim: bool, dtype: Any, out: Any, order: tuple[int, ...] | None = None
) -> Any:
    """How to reduce x over dimensions, None where it cannot be done.

    Its lines are those of a memory order, that of x if none is given.
    """
    axes = axes_of(x.ndim, dim)
    if not x.size or axes is None:
        return None
    order = order or order_of(x)
    if not side_by_side(order, axes, x.shape):
        order = (*[d for d in order if d not in axes], *[d for d in order if d in axes])
    numbers = as_lines(x, order, axes)
    if numbers is None or (out is not None and out.dtype != dtype):
        return None
    shape = [1 if d in axes else n for d, n in enumerate(x.shape)]
    own: Any = None if out is None else out.reshape(shape).transpose(order)
    direct = own is not None and own.flags.c_contiguous
    if not direct:
        own = (np.empty if out is None else scratch)([shape[d] for d in order], dtype)
    y = own.reshape(len(numbers), numbers.shape[2])
    if direct:
        return Reduction(numbers, y, out, None)
    result = own.transpose([order.index(d) for d in range(x.ndim)])
    if not keepdim:
        result = result.reshape([n for d, n in enumerate(x.shape) if d not in axes])
    return Reduction(numbers, y, result, out)


def run(kernel: Any, x: np.ndarray, arguments: tuple[Any, ...]) -> None:
    """A launch over the lines of x, of which up to GROUP that lie side by side are a tile.

    What the kernel is given besides: the columns of a tile, and the tiles of a chunk.
    """
    outer, along, inner = x.shape
    group = min(inner, GROUP)
    share = max(1, SHARE // (along * group))
    tiles = outer * -(-inner // group)
    number = threads.get_num_threads() if x.size > PARALLEL else 1
    threads.run(kernel, -(-tiles // share), (*arguments, group, share), number)


@inlined
def tiles_of(chunk, x, group, share):
    """The first tile of a chunk and the one after the last."""
    across = (x.shape[2] + group - 1) // group
    return chunk * share, min((chunk + 1) * share, x.shape[0] * across)


@inlined
def tile(number, x, group):
    """A tile: where in `outer`, its first line and the one after the last."""
    across = (x.shape[2] + group - 1) // group
    outer = number // across
    start = (number - outer * across) * group
    return outer, start, min(start + group, x.shape[2])
