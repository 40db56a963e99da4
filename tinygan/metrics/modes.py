"""Which modes of a mixture in the plane a generator has found, and how well it hits them."""

from __future__ import annotations

from math import erf, exp, sqrt
from typing import NamedTuple

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.metrics.errors import MetricError, expect_enough
from tinygan.metrics.histogram import histogram_kl, histogram_kl_floor
from tinygan.metrics.matrices import Samples

REACH = 3  # standard deviations

# the share of a round Gaussian in the plane that lies within: a disc of 3 sigma, a square of 6
CRITERIA = {"disc": 1 - exp(-(REACH**2) / 2), "box": erf(REACH / sqrt(2)) ** 2}


class Modes(NamedTuple):
    """What `mode_scores` found; the floors are what n samples of the mixture itself would get."""

    covered: int
    total: int
    high_quality: float
    high_quality_floor: float
    reverse_kl: float
    reverse_kl_floor: float
    full_kl: float
    full_kl_floor: float
    counts: np.ndarray


def mode_scores(
    samples: Samples, centres: np.ndarray, sigma: float, criterion: str = "disc"
) -> Modes:
    """min_k |x - c_k| < 3 sigma: x (N, 2) is of high quality, and covers the nearest mode c_k.

    `high_quality` is the share of such samples, `covered` the number of modes with at least one,
    `reverse_kl` = log K - entropy of their histogram over the K modes (Srivastava et al., "VEEGAN"
    2017, section 5.1; Lin et al., "PacGAN" 2018, section 4.1, in whose code the disc and the
    histogram of good samples alone are to be read). The criterion "box" is |x - c| < 3 sigma on
    each axis (Liu et al., "Self-conditioned GANs" 2020, in their code).

    `full_kl` has a bin for the samples beside all modes too, KL(generated || mixture) over K + 1
    bins, of which a perfect sampler fills the last with e^-4.5 of its samples (disc): coverage
    alone is reached with nine bad samples out of ten, this is not.
    """
    if criterion not in CRITERIA:
        raise MetricError(f"criterion {criterion!r}: there are disc and box")
    x = host_array(samples.array) if isinstance(samples, Tensor) else np.asarray(samples)
    if x.ndim != 2 or x.shape[1] != 2:
        raise MetricError(f"mode_scores: expected points of shape N 2, got {x.shape}")
    total = len(centres)
    expect_enough("mode_scores", len(x), total, f"or {total} modes cannot all be seen")
    if not np.isfinite(x).all():
        raise MetricError("the samples hold numbers that are not finite")
    difference = x.astype(np.float64)[:, None] - centres[None]
    squares = (difference**2).sum(axis=2)
    mode = squares.argmin(axis=1)
    at = np.arange(len(x))
    if criterion == "disc":
        good = squares[at, mode] < (REACH * sigma) ** 2
    else:
        good = (np.abs(difference[at, mode]) < REACH * sigma).all(axis=1)
    counts = np.bincount(mode[good], minlength=total)
    share = CRITERIA[criterion]
    ideal = np.append(np.full(total, share / total), 1 - share)
    return Modes(
        covered=int((counts > 0).sum()),
        total=total,
        high_quality=float(good.mean()),
        high_quality_floor=share,
        reverse_kl=histogram_kl(counts),
        reverse_kl_floor=histogram_kl_floor(round(share * len(x)), total),
        full_kl=histogram_kl(np.append(counts, len(x) - counts.sum()), ideal),
        full_kl_floor=histogram_kl_floor(len(x), ideal),
        counts=counts,
    )
