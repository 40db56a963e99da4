"""The Parzen window log-likelihood: how the first papers on GANs were scored. Do not rely on it.

In many dimensions it says nothing about the density and ranks models wrongly: the centres of
k-means score above true samples (Theis, van den Oord, Bethge, "A note on the evaluation of
generative models" 2016, who advise against it). It is here to read old tables with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.backend import host_array
from tinygan.metrics.errors import MetricError, expect_enough
from tinygan.metrics.matrices import Samples, distance_blocks, pair

WIDTHS = np.logspace(-1, 0, 10)
VALIDATION = 1000


class Parzen(NamedTuple):
    log_likelihood: float
    error: float
    sigma: float


def parzen_log_likelihood(
    samples: Samples, validation: Samples, test: Samples, widths: np.ndarray = WIDTHS
) -> Parzen:
    """mean over x of log 1/N sum_j N(x; s_j, sigma^2 I), in nats; samples s (N, D), pixels in 0..1.

    sigma is that of `widths` under which the first 1,000 validation images are most likely; the
    error is the standard deviation over the test images, divided by the root of their number.
    Source: Goodfellow et al., "Generative adversarial nets" (2014), section 5, with 10,000 samples
    (225 +- 2 on MNIST); the protocol of Breuleux et al. (2011).
    """
    s, chosen_on = pair(samples, validation)
    _, x = pair(samples, test)
    expect_enough("parzen_log_likelihood", len(x), 2, "or there is no error")
    for array in (s, x):
        if float(array.min()) < 0 or float(array.max()) > 1:
            raise MetricError(
                "parzen_log_likelihood: pixels must lie in 0..1, or sigma means something else; "
                "give (x + 1) / 2"
            )
    scores = log_density(chosen_on[:VALIDATION], s, widths).mean(axis=1)
    best = int(scores.argmax())
    likelihood = log_density(x, s, widths[best : best + 1])[0]
    error = float(likelihood.std() / np.sqrt(len(x)))
    return Parzen(float(likelihood.mean()), error, float(widths[best]))


def log_density(x: np.ndarray, samples: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """log 1/N sum_j N(x_i; s_j, sigma^2 I) of x (M, D), for each sigma of `widths`: (W, M)."""
    count, size = samples.shape
    result = np.empty((len(widths), len(x)))
    for part, block in distance_blocks(x, samples):
        squares = host_array(block)
        least = squares.min(axis=1)
        for row, sigma in enumerate(widths):
            scale = np.float32(-0.5 / sigma**2)
            sums = np.exp((squares - least[:, None]) * scale).sum(axis=1, dtype=np.float64)
            result[row, part] = np.log(sums) - 0.5 / sigma**2 * least.astype(np.float64)
    return result - np.log(count) - size / 2 * np.log(2 * np.pi * widths[:, None] ** 2)
