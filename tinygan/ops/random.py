"""Random tensors, as PyTorch names them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinygan.autograd import Primitive, Tensor, change, no_grad, wrap
from tinygan.backend import Device, DeviceError, backend_for
from tinygan.backend.dtypes import get_default_dtype
from tinygan.ops.draw import (
    random_choice,
    random_integers,
    random_normal,
    random_permutation,
    random_uniform,
)
from tinygan.ops.generator import Generator, default_generator

__all__ = [
    "bernoulli",
    "bernoulli_",
    "multinomial",
    "normal",
    "normal_",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random_",
    "randperm",
    "uniform",
    "uniform_",
]


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers uniform in [0, 1)."""
    y = _floats(random_uniform, "rand", _size("rand", size), generator, dtype, device)
    return y.requires_grad_(requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers."""
    y = _floats(random_normal, "randn", _size("randn", size), generator, dtype, device)
    return y.requires_grad_(requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers uniform in [0, 1), in the shape, dtype, device and memory order of `input`."""
    y = _like(random_uniform, "rand_like", input, generator, dtype, device)
    return y.requires_grad_(requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers, in the shape, dtype, device and memory order of `input`."""
    y = _like(random_normal, "randn_like", input, generator, dtype, device)
    return y.requires_grad_(requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`."""
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        raise TypeError("randint: expected (high, size) or (low, high, size)")
    return _integers(
        "randint", int(low), int(high), _size("randint", (size,)), generator, dtype, device
    ).requires_grad_(requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
) -> Tensor:
    """Integers in [low, high), or [0, low), in the shape, dtype and device of `input`."""
    if high is None:
        low, high = 0, low
    dtype = input.dtype if dtype is None else dtype
    device = input.device if device is None else device
    return _integers("randint_like", low, high, tuple(input.shape), generator, dtype, device)


def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """mean + std * standard normal numbers, of shape `size` or of that of the tensors given.

    No gradient flows to mean and std; write mean + std * randn(...) for one that does.
    """
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if bool(given) == (size is not None):
        raise TypeError("normal: expected size, or a tensor as mean or as std, and not both")
    if isinstance(std, (int, float)) and std < 0:
        raise RuntimeError(f"normal: expected std >= 0, got {std}")
    with no_grad():
        if given:
            shape = np.broadcast_shapes(*(tuple(x.shape) for x in given))
            dtype = given[0].dtype if dtype is None else dtype
            device = given[0].device if device is None else device
        else:
            shape = _size("normal", (size,))
        y = _floats(random_normal, "normal", shape, generator, dtype, device) * std + mean
    return y.requires_grad_(requires_grad)


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    size: Any = (),
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers uniform in [low, high)."""
    with no_grad():
        y = rand(size, generator=generator, dtype=dtype, device=device) * (high - low) + low
    return y.requires_grad_(requires_grad)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with probability input (or p) and else 0, in the shape and dtype of input."""
    if p is not None and not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli: expected a probability in [0, 1], got {p}")
    if p is None and not input.is_floating_point():
        raise TypeError(f"bernoulli: expected probabilities, got {input.dtype}")
    with no_grad():
        dtype = input.dtype if input.dtype == np.float64 else np.float32
        u = _like(random_uniform, "bernoulli", input, generator, dtype, None)
        return (u < (input if p is None else p)).to(input.dtype)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = np.int64,
    device: str | Device | None = None,
) -> Tensor:
    """The integers 0 ... n - 1 in random order."""
    if n < 0:
        raise ValueError(f"randperm: expected n >= 0, got {n}")
    state = _state("randperm", generator, device)
    order = random_permutation(state, count=n).array
    return wrap(order.astype(np.dtype(dtype), copy=False))


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices (n,) or (m, n) drawn with probabilities in proportion to input, (k,) or (m, k).

    Without replacement an index of weight 0 comes only after all others.
    """
    if input.ndim not in (1, 2) or not input.is_floating_point():
        raise RuntimeError(
            "multinomial: expected weights of shape (k,) or (m, k), got "
            f"{input.dtype} {tuple(input.shape)}"
        )
    if num_samples < 1 or (not replacement and num_samples > input.shape[-1]):
        raise RuntimeError(
            f"multinomial: cannot draw {num_samples} of {input.shape[-1]} without replacement"
            if num_samples > 0
            else f"multinomial: expected num_samples >= 1, got {num_samples}"
        )
    state = _state("multinomial", generator, input.device)
    return random_choice(state, input.detach(), num_samples=num_samples, replacement=replacement)


# -- in place -------------------------------------------------------------------------------------


def normal_(
    x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill x with mean + std * standard normal numbers, in place."""
    if std < 0:
        raise RuntimeError(f"normal_: expected std >= 0, got {std}")
    y = _like(random_normal, "normal_", x, generator, None, None).array
    y *= std
    y += mean
    return change(x, wrap(y))


def uniform_(
    x: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill x with numbers uniform in [low, high), in place."""
    if low > high:
        raise RuntimeError(f"uniform_: expected low <= high, got {low} and {high}")
    y = _like(random_uniform, "uniform_", x, generator, None, None).array
    y *= high - low
    y += low
    return change(x, wrap(y))


def bernoulli_(x: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill x with 1 with probability p and else 0, in place."""
    if isinstance(p, Tensor):
        with no_grad():
            u = _floats(random_uniform, "bernoulli_", tuple(x.shape), generator, p.dtype, x.device)
            return change(x, (u < p).to(x.dtype))
    return change(x, bernoulli(x, p, generator=generator))


def random_(
    x: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fill x with integers in [low, high), or [0, low), or all of x's dtype from 0, in place."""
    if high is None and low > 0:
        low, high = 0, low
    if high is None:
        bits = np.finfo(x.dtype).nmant + 1 if x.is_floating_point() else None
        high = (1 << bits) + 1 if bits else (2 if x.dtype == bool else int(np.iinfo(x.dtype).max))
    y = _integers("random_", low, high, tuple(x.shape), generator, x.dtype, x.device)
    return change(x, y)


# -- arguments ------------------------------------------------------------------------------------


def _state(name: str, generator: Generator | None, device: str | Device | None) -> Tensor:
    if generator is None:
        generator = default_generator("cpu" if device is None else device)
    elif device is not None and Device(device) != generator.device:
        raise DeviceError(
            f"{name}: the generator is on {generator.device}, the result is asked for on {device}"
        )
    return generator._state


def _size(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape = tuple(operator.index(n) for n in size)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: a size cannot be negative, got {shape}")
    return shape


def _floats(
    op: Primitive,
    name: str,
    shape: tuple[int, ...],
    generator: Generator | None,
    dtype: Any,
    device: str | Device | None,
) -> Tensor:
    dtype = get_default_dtype() if dtype is None else np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"{name}: expected a floating-point dtype, got {dtype}")
    drawn = np.dtype(np.float32) if dtype.itemsize < 4 else dtype
    y = op(_state(name, generator, device), shape=shape, dtype=drawn)
    return y if drawn == dtype else wrap(y.array.astype(dtype))


def _like(
    op: Primitive,
    name: str,
    x: Tensor,
    generator: Generator | None,
    dtype: Any,
    device: str | Device | None,
) -> Tensor:
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    device = x.device if device is None else device
    y = _floats(op, name, tuple(x.shape), generator, dtype, device)
    if x.array.flags.c_contiguous or y.device != x.device:
        return y
    array = backend_for(x.device).xp.empty_like(x.array, dtype=dtype)
    array[...] = y.array
    return wrap(array)


def _integers(
    name: str,
    low: int,
    high: int,
    shape: tuple[int, ...],
    generator: Generator | None,
    dtype: Any,
    device: str | Device | None,
) -> Tensor:
    if low >= high:
        raise RuntimeError(f"{name}: expected low < high, got {low} and {high}")
    dtype = np.dtype(np.int64 if dtype is None else dtype)
    y = random_integers(_state(name, generator, device), shape=shape, low=low, count=high - low)
    return y if dtype == np.int64 else wrap(y.array.astype(dtype))
