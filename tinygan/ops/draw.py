"""The ops that draw from a generator's state, which they move on: the only sources of chance.

A kernel for one of them moves the state on as well, by `philox.count_blocks`.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygan.autograd import Primitive, Tensor, assign, perform, primitive, wrap
from tinygan.backend import Device, DeviceError, backend_for, philox
from tinygan.backend.dtypes import get_default_dtype
from tinygan.ops.conversion import cast
from tinygan.ops.dims import sizes as plain_sizes
from tinygan.ops.generator import Generator, default_generator

__all__: list[str] = []


def advance(state: Any, numbers: int, itemsize: int) -> None:
    """Move the counter past the blocks that so many numbers of so many bytes have used."""
    state[1:] += philox.count_blocks(numbers, itemsize)


@primitive
def random_uniform(xp: Any, state: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """Numbers uniform in [0, 1), drawn from a generator's state, which moves on."""
    y = philox.uniform(xp, state, shape, dtype)
    advance(state, y.size, y.itemsize)
    return y


@primitive
def random_normal(xp: Any, state: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """Standard normal numbers, drawn from a generator's state, which moves on."""
    y = philox.normal(xp, state, shape, dtype)
    advance(state, y.size, y.itemsize)
    return y


@primitive
def random_integers(xp: Any, state: Any, *, shape: tuple[int, ...], low: int, count: int) -> Any:
    """Integers in [low, low + count), drawn from a generator's state, which moves on."""
    y = philox.integers(xp, state, shape, low, count)
    advance(state, y.size, y.itemsize)
    return y


@primitive
def random_permutation(xp: Any, state: Any, *, count: int) -> Any:
    """The integers below `count` in random order: the order of as many random 64-bit keys."""
    keys = philox.integers(xp, state, (count,), 0, 1 << 64)
    advance(state, keys.size, keys.itemsize)
    return xp.argsort(keys, kind="stable")


@primitive
def random_choice(xp: Any, state: Any, weights: Any, *, num_samples: int, replacement: bool) -> Any:
    """Indices into the last dimension of `weights`, drawn in proportion to them.

    With replacement by inverting the distribution function. Without, the order in which
    exponential clocks of these rates ring.
    """
    weights = weights.astype(xp.float64)
    if xp is np:  # on a GPU nobody waits to look
        total = weights.sum(-1)
        if (weights < 0).any() or not ((total > 0) & np.isfinite(total)).all():
            raise ValueError("expected weights that are not negative and of a finite sum above 0")
    shape = (*weights.shape[:-1], num_samples if replacement else weights.shape[-1])
    u = philox.uniform(xp, state, shape, xp.float64)
    advance(state, u.size, u.itemsize)
    if replacement:
        total = xp.cumsum(weights, axis=-1)
        u *= total[..., -1:]
        return (u[..., None] >= total[..., None, :]).sum(axis=-1)
    clocks = -xp.log1p(-u) / weights  # weight 0: infinitely late
    return xp.argsort(clocks, axis=-1, kind="stable")[..., :num_samples]


for _op in (random_uniform, random_normal):
    _op.kernel("cpu", f"tinygan.backend.cpu.philox:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.philox:{_op.name}")
random_integers.kernel("cuda", "tinygan.backend.cuda.philox:random_integers")


# -- the same on the arguments of PyTorch's functions ---------------------------------------------


def draw(
    op: Primitive, generator: Generator, numbers: int, itemsize: int, *args: Any, **static: Any
) -> Tensor:
    """op(state, *args), which draws so many numbers of so many bytes: the generator's share."""
    rank, ranks = generator.share
    blocks = philox.count_blocks(numbers, itemsize)
    if rank:
        generator.skip(rank * blocks)
    y = op(generator._state, *args, **static)
    if ranks - rank > 1:
        generator.skip((ranks - rank - 1) * blocks)
    return y


def source(name: str, generator: Generator | None, device: str | Device | None) -> Generator:
    """Where to draw from: the generator, by default the device's own."""
    if generator is None:
        generator = default_generator("cpu" if device is None else device)
    elif device is not None and Device(device) != generator.device:
        raise DeviceError(
            f"{name}: the generator is on {generator.device}, the result is asked for on {device}"
        )
    return generator


def shape_of(name: str, sizes: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """The shape of f(2, 3), f((2, 3)) or f(size=(2, 3))."""
    shape = plain_sizes(sizes if size is None else (size,))
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: a size cannot be negative, got {shape}")
    return shape


def floats(
    op: Primitive,
    name: str,
    shape: tuple[int, ...],
    generator: Generator | None,
    dtype: Any,
    device: str | Device | None,
) -> Tensor:
    """What `op` draws, in a floating-point type; float16 is drawn as float32."""
    dtype = get_default_dtype() if dtype is None else np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"{name}: expected a floating-point dtype, got {dtype}")
    drawn = np.dtype(np.float32) if dtype.itemsize < 4 else dtype
    generator = source(name, generator, device)
    y = draw(op, generator, prod(shape), drawn.itemsize, shape=shape, dtype=drawn)
    return y if drawn == dtype else cast(y, dtype=dtype)


def like(
    op: Primitive,
    name: str,
    x: Tensor,
    generator: Generator | None,
    dtype: Any,
    device: str | Device | None,
) -> Tensor:
    """What `op` draws, in the shape and memory order of x."""
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    device = x.device if device is None else device
    y = floats(op, name, tuple(x.shape), generator, dtype, device)
    if x.array.flags.c_contiguous or y.device != x.device:
        return y
    array = backend_for(x.device).xp.empty_like(x.array, dtype=dtype)
    perform(assign, array, y.array)
    return wrap(array)


def integers(
    name: str,
    low: int,
    high: int,
    shape: tuple[int, ...],
    generator: Generator | None,
    dtype: Any,
    device: str | Device | None,
) -> Tensor:
    """Integers in [low, high), as int64 or another type."""
    if low >= high:
        raise RuntimeError(f"{name}: expected low < high, got {low} and {high}")
    dtype = np.dtype(np.int64 if dtype is None else dtype)
    generator = source(name, generator, device)
    y = draw(random_integers, generator, prod(shape), 8, shape=shape, low=low, count=high - low)
    return y if dtype == np.int64 else cast(y, dtype=dtype)
