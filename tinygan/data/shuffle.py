"""Orders that two numbers determine, so that a run can be resumed in the middle of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.ops import initial_seed


def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """A random order of 0..n-1, the same for the same seed and epoch on every machine.

    It sorts raw 64-bit numbers of Philox, keyed by (seed, epoch): NumPy promises the raw stream
    for ever, and the streams of its distributions only until the next version.
    """
    key = np.array([seed % 2**64, epoch], dtype=np.uint64)
    return np.argsort(np.random.Philox(key=key).random_raw(n), kind="stable")


def seed_of(generator: Any) -> int:
    """The seed of a Generator, of a plain int, or the one given to `manual_seed` (None)."""
    if isinstance(generator, int):
        return generator
    if generator is None:
        return int(initial_seed())
    return int(generator.initial_seed())
