"""The distance between the means of two sets of features in the space of a kernel."""

from __future__ import annotations

import numpy as np

from tinygan.backend import backend_of
from tinygan.metrics.errors import expect_enough
from tinygan.metrics.matrices import Samples, pair, product_blocks


def kernel_distance(x: Samples, y: Samples) -> float:
    """MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y) with k(x, y) = (x y / D + 1)^3, unbiased.

    The means are over pairs of different samples of x (N, D) and of y (M, D), so that equal
    distributions give 0 on average, whatever N and M, and values below 0 do occur (Gretton et al.
    2012, lemma 6; Binkowski et al., "Demystifying MMD GANs" 2018, who average it over
    random blocks of 1,000; here it is over all pairs).
    """
    a, b = pair(x, y)
    expect_enough("kernel_distance", min(len(a), len(b)), 2, "or there are no pairs")
    within = sum(_total(z, z, same=True) / (len(z) * (len(z) - 1)) for z in (a, b))
    return within - 2 * _total(a, b, same=False) / (len(a) * len(b))


def _total(x: np.ndarray, y: np.ndarray, same: bool) -> float:
    """The sum of the kernel over all pairs, without those of a sample with itself if `same`."""
    size = x.shape[1]
    total = 0.0
    for _, block in product_blocks(x, y):
        total += float(_kernel(block, size).sum(dtype=np.float64))
    if same:
        squares = backend_of(x).xp.einsum("ij,ij->i", x, x)
        total -= float(_kernel(squares, size).sum(dtype=np.float64))
    return total


def _kernel(products: np.ndarray, size: int) -> np.ndarray:
    base = products / np.float32(size) + np.float32(1)
    return base * base * base
