"""Are samples where real ones are, and real ones where samples are: by nearest neighbours."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinygan.backend import backend_of
from tinygan.metrics.errors import expect_enough
from tinygan.metrics.matrices import Samples, distance_blocks, neighbourhood, pair


class PrecisionRecall(NamedTuple):
    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    density: float
    coverage: float


def precision_recall(real: Samples, fake: Samples, k: int = 3) -> PrecisionRecall:
    """precision = mean_j [y_j in M(x)], recall = mean_i [x_i in M(y)]; M(x) = union_i ball(x_i).

    The ball around a sample reaches to its k-th nearest neighbour in its own set; x (N, D) are
    real, y (M, D) generated. Source: Kynkaanniemi et al., "Improved precision and recall metric
    for assessing generative models" (2019), where k is 3.
    """
    x, y = pair(real, fake)
    _expect("precision_recall", k, x, y)
    return PrecisionRecall(_share_inside(y, x, k), _share_inside(x, y, k))


def density_coverage(real: Samples, fake: Samples, k: int = 5) -> DensityCoverage:
    """density = 1/(k M) sum_j sum_i [y_j in ball(x_i)], coverage = mean_i [some y_j in ball(x_i)].

    The balls are of real samples alone, so one generated outlier claims nothing. For equal
    distributions the expectations are known: density 1, coverage 1 - product_{a=1..k}
    (N - a) / (N + M - a), which is 0.969 for N = M and k = 5. Source: Naeem et al., "Reliable
    fidelity and diversity metrics for generative models" (2020).
    """
    x, y = pair(real, fake)
    _expect("density_coverage", k, x, y)
    radii = neighbourhood(x, k)
    hits, covered = 0, 0
    for part, block in distance_blocks(x, y):
        inside = block <= radii[part, None]
        hits += int(inside.sum())
        covered += int(inside.any(axis=1).sum())
    return DensityCoverage(hits / (k * len(y)), covered / len(x))


def expected_coverage(n: int, m: int, k: int = 5) -> float:
    """1 - product_{a=1..k} (n - a) / (n + m - a): coverage of n real samples by m real ones."""
    missed = 1.0
    for a in range(1, k + 1):
        missed *= (n - a) / (n + m - a)
    return 1 - missed


def _share_inside(points: Any, centres: Any, k: int) -> float:
    """The share of the points that lie in a ball around one of the centres."""
    radii = neighbourhood(centres, k)
    xp = backend_of(points).xp
    inside = sum(
        int(xp.any(block <= radii, axis=1).sum()) for _, block in distance_blocks(points, centres)
    )
    return inside / len(points)


def _expect(metric: str, k: int, x: Any, y: Any) -> None:
    expect_enough(metric, min(len(x), len(y)), k + 1, f"for each has to have {k} neighbours")
