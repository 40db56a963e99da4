"""Random tensors, as PyTorch names them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, no_grad
from tinygan.backend import Device
from tinygan.ops.draw import (
    draw,
    floats,
    integers,
    like,
    random_choice,
    random_normal,
    random_permutation,
    random_uniform,
    shape_of,
    source,
)
from tinygan.ops.generator import Generator

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "uniform",
]


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers uniform in [0, 1)."""
    y = floats(random_uniform, "rand", shape_of("rand", sizes, size), generator, dtype, device)
    return y.requires_grad_(requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers."""
    y = floats(random_normal, "randn", shape_of("randn", sizes, size), generator, dtype, device)
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
    y = like(random_uniform, "rand_like", input, generator, dtype, device)
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
    y = like(random_normal, "randn_like", input, generator, dtype, device)
    return y.requires_grad_(requires_grad)


def randint(
    low: int = 0,
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
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint: expected (high, size) or (low, high, size)")
    return integers(
        "randint", int(low), int(high), shape_of("randint", (size,)), generator, dtype, device
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
    return integers("randint_like", low, high, tuple(input.shape), generator, dtype, device)


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
            shape = shape_of("normal", (size,))
        y = floats(random_normal, "normal", shape, generator, dtype, device) * std + mean
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
        u = rand(size, generator=generator, dtype=dtype, device=device)
        y = between(u, low, high)
    return y.requires_grad_(requires_grad)


def between(u: Tensor, low: float, high: float) -> Tensor:
    """low + (high - low) u for u in [0, 1), below high also where that is rounded."""
    most = np.nextafter(u.dtype.type(high), u.dtype.type(low))
    return (u * (high - low) + low).clamp(max=float(most))


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
        u = like(random_uniform, "bernoulli", input, generator, dtype, None)
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
    generator = source("randperm", generator, device)
    order = draw(random_permutation, generator, n, 8, count=n)
    return order.to(np.dtype(dtype))


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
    generator = source("multinomial", generator, input.device)
    numbers = prod(input.shape[:-1]) * num_samples if replacement else input.numel()
    static = {"num_samples": num_samples, "replacement": replacement}
    return draw(random_choice, generator, numbers, 8, input.detach(), **static)
