"""The ops that draw from a generator's state, which they move on: the only sources of chance.

A kernel for one of them moves the state on as well, by `philox.count_blocks`.
"""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive
from tinygan.backend import philox

__all__: list[str] = []


def advance(state: Any, numbers: int, itemsize: int) -> None:
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
    shape = (*weights.shape[:-1], num_samples if replacement else weights.shape[-1])
    u = philox.uniform(xp, state, shape, xp.float64)
    advance(state, u.size, u.itemsize)
    if replacement:
        total = xp.cumsum(weights, axis=-1)
        u *= total[..., -1:]
        return (u[..., None] >= total[..., None, :]).sum(axis=-1)
    clocks = -xp.log1p(-u) / weights  # weight 0: infinitely late
    return xp.argsort(clocks, axis=-1, kind="stable")[..., :num_samples]
