"""The Wasserstein distance along random lines."""

from __future__ import annotations

import numpy as np

from tinygan.autograd import wrap
from tinygan.backend import backend_of, host_array
from tinygan.metrics.errors import expect_enough
from tinygan.metrics.matrices import Samples, pair
from tinygan.ops import matmul

LINES = 512


def sliced_wasserstein(x: Samples, y: Samples, seed: int = 0, lines: int = LINES) -> float:
    """sqrt of the mean over directions t of W_2^2(t x, t y), x (N, D) and y (M, D).

    t is uniform on the unit sphere. On a line the optimal plan is known: W_2^2 is the mean of
    (F_x^-1(u) - F_y^-1(u))^2 over u in (0, 1), for N = M that over the sorted samples; otherwise
    both quantile functions are read off at max(N, M) places. Sets that differ by a shift v are
    |v| / sqrt(D) apart, on average over the directions. Source: Rabin et al., "Wasserstein
    barycenter and its application to texture mixing" (2011).
    """
    a, b = pair(x, y)
    expect_enough("sliced_wasserstein", min(len(a), len(b)), 2, "or there is no distribution")
    random = np.random.Generator(np.random.Philox(seed))
    directions = random.standard_normal((a.shape[1], lines))
    directions /= np.linalg.norm(directions, axis=0)
    t = wrap(backend_of(a).from_host(directions.astype(np.float32)))
    first, second = (np.sort(host_array(matmul(wrap(z), t).array), axis=0) for z in (a, b))
    if len(first) != len(second):
        count = max(len(first), len(second))
        first, second = _quantiles(first, count), _quantiles(second, count)
    difference = first.astype(np.float64) - second
    return float(np.sqrt((difference * difference).mean()))


def _quantiles(values: np.ndarray, count: int) -> np.ndarray:
    """The values, sorted along axis 0, at (i + 1/2) / count of their number."""
    at = (np.arange(count) + 0.5) / count * len(values)
    return values[at.astype(np.int64)]
