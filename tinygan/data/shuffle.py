"""Orders that two numbers determine, so that a run can be resumed in the middle of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend import philox
from tinygan.ops import default_generator


def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """A random order of 0..n-1, the same for the same seed and epoch on every machine.

    It sorts raw 64-bit numbers of Philox, keyed by (seed, epoch): NumPy promises the raw stream
    for ever, and the streams of its distributions only until the next version.
    """
    key = np.array([seed % 2**64, epoch], dtype=np.uint64)
    return np.argsort(np.random.Philox(key=key).random_raw(n), kind="stable")


def seed_of(generator: Any) -> int:
    """The seed of a Generator, a plain int, or 64 bits drawn from the default generator (None)."""
    if isinstance(generator, int):
        return generator
    if generator is not None:
        return int(generator.initial_seed())
    source = default_generator()
    state = source.get_state().array
    source.skip(1)  # by hand and not by its own draws, of which ranks have shares: theirs is one
    return int(philox.integers(np, state, (1,), 0, 1 << 64)[0]) % 2**64
