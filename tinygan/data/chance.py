"""Random numbers for what makes items: those of a loader's batch are the same in every run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tinygan.ops import rand


class _Stream(threading.local):
    """The numbers of the batch that this thread makes, None where it makes none."""

    bits: np.random.Philox | None = None


_stream = _Stream()


@contextmanager
def of_batch(seed: int, epoch: int, end: int, rank: int) -> Iterator[None]:
    """Let `uniform` draw from the stream of one batch: the one that ends at item `end`.

    Its key is that of the epoch's order, whose numbers are the stream's first; a batch's lie apart
    from them and from each other's, as the counter's upper half is its own.
    """
    key = np.array([seed % 2**64, epoch], dtype=np.uint64)
    counter = np.array([0, 0, end, rank + 1], dtype=np.uint64)
    _stream.bits = np.random.Philox(key=key, counter=counter)
    try:
        yield
    finally:
        _stream.bits = None


def uniform() -> float:
    """A number in [0, 1): of the batch that is being made, else of the default generator."""
    bits = _stream.bits
    if bits is None:
        return float(rand(()))
    return (int(bits.random_raw()) >> 11) * 2.0**-53
