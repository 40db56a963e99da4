"""2-D toys: the densities are densities, and the samples are theirs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygan.autograd import wrap
from tinygan.data import DataError, Grid, Moons, Ring, SwissRoll, Toy, load

TOYS: list[Any] = [Ring(), Grid(), Moons(), SwissRoll(0.1), Ring(5, 2.0, 0.1), Moons(0.2)]


def mesh(toy: Toy, cells: int) -> tuple[np.ndarray, float]:
    """Midpoints of a fine grid around the toy, and the area of a cell."""
    low = toy.centres.min(axis=0) - 8 * toy.sigma
    high = toy.centres.max(axis=0) + 8 * toy.sigma
    step = (high - low) / cells
    lines = [low[i] + step[i] * (np.arange(cells) + 0.5) for i in (0, 1)]
    return np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2), float(step.prod())


@pytest.mark.parametrize(
    "toy", [Ring(sigma=0.05), Ring(5, 2.0, 0.1), Grid(sigma=0.2), Moons(), SwissRoll(0.1)]
)
def test_a_density_integrates_to_one(toy: Toy) -> None:
    points, area = mesh(toy, 200)
    assert np.exp(toy.log_prob(points)).sum() * area == pytest.approx(1, abs=1e-4)


def test_a_density_is_that_of_its_formula() -> None:
    """At a mode of the ring: one Gaussian in eight, the others too far away to count."""
    ring = Ring()
    expected = math.log(1 / 8 / (2 * math.pi * 0.01**2))
    np.testing.assert_allclose(ring.log_prob(ring.modes()), expected)
    away = ring.modes()[:1] + np.array([0.02, 0.0])
    np.testing.assert_allclose(ring.log_prob(away), expected - 2)
    grid = Grid(sigma=1.5)
    x = np.random.default_rng(0).normal(size=(7, 2))
    square = ((x[:, None] - grid.modes()) ** 2).sum(-1)
    direct = np.log(np.exp(-square / 4.5).mean(1) / (2 * np.pi * 2.25))
    np.testing.assert_allclose(grid.log_prob(x), direct)


def test_far_away_the_density_is_small_but_not_nothing() -> None:
    assert np.isfinite(Ring().log_prob(np.array([[50.0, 50.0]]))).all()


@pytest.mark.parametrize("toy", TOYS)
def test_samples_have_the_density(toy: Toy) -> None:
    """Each mode gets its share, offsets are normal, and the mean of log p is minus the entropy,
    which is summed up on a grid."""
    points, labels = toy.sample_labelled(20_000, 1)
    shares = np.bincount(labels) / len(labels)
    kinds = len(shares)
    assert np.abs(shares - 1 / kinds).max() < 5 * math.sqrt(1 / kinds / 20_000)
    if (modes := toy.modes()) is not None:
        offsets = (points - modes[labels]) / toy.sigma
        assert _ks(np.sort(offsets.ravel())) < 1.95 / math.sqrt(40_000)  # p = 0.001
        inside = (np.linalg.norm(offsets, axis=1) < 3).mean()
        assert inside == pytest.approx(1 - math.exp(-4.5), abs=0.004)
    log_p = toy.log_prob(points[:4000])
    cells, area = mesh(toy, 160 if toy.sigma > 0.04 else 700)
    table = toy.log_prob(cells)
    negative_entropy = (np.exp(table) * table).sum() * area
    assert log_p.mean() == pytest.approx(negative_entropy, abs=5 * log_p.std() / math.sqrt(4000))


def _ks(x: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of sorted numbers to the standard normal."""
    cdf = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x])
    steps = np.arange(len(x) + 1) / len(x)
    return float(max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max()))


def test_the_published_places() -> None:
    ring, grid = Ring(), Grid()
    assert len({tuple(np.round(mode, 9)) for mode in ring.modes()}) == 8  # no mode twice
    np.testing.assert_allclose(np.linalg.norm(ring.modes(), axis=1), 1)
    assert sorted(set(grid.modes()[:, 0])) == [-4, -2, 0, 2, 4] and len(grid.modes()) == 25
    assert (ring.sigma, grid.sigma) == (0.01, 0.05)
    assert Moons().modes() is None and SwissRoll().modes() is None


def test_moons_lie_where_scikit_learn_draws_them() -> None:
    points, labels = Moons(1e-3).sample_labelled(500, 0)
    upper, lower = points[labels == 0], points[labels == 1]
    assert np.abs(np.linalg.norm(upper, axis=1) - 1).max() < 0.01 and upper[:, 1].min() > -0.01
    assert np.abs(np.linalg.norm(lower - [1, 0.5], axis=1) - 1).max() < 0.01
    assert lower[:, 1].max() < 0.51


def test_the_curves_are_integrated_finely_enough() -> None:
    """Twice as many nodes change nothing."""
    for toy in (Moons(), SwissRoll()):
        fine = type(toy)(toy.sigma / 2)
        fine.sigma = toy.sigma  # the nodes of a narrower density, with this one's width
        points = toy.sample(200, 3)
        np.testing.assert_allclose(toy.log_prob(points), fine.log_prob(points), atol=1e-9)


def test_seeds() -> None:
    np.testing.assert_array_equal(Ring().sample(5, 7), Ring().sample(5, 7))
    assert (Ring().sample(5, 7) != Ring().sample(5, 8)).any()
    generator = np.random.default_rng(0)
    assert (Ring().sample(5, generator) != Ring().sample(5, generator)).any()


def test_tensors_are_points_too() -> None:
    points = Moons().sample(5)
    np.testing.assert_allclose(Moons().log_prob(wrap(points)), Moons().log_prob(points))
    assert Moons().log_prob(np.empty((0, 2))).shape == (0,)
    with pytest.raises(DataError, match=r"shape N 2, got \(3,\)"):
        Ring().log_prob(np.zeros(3))
    with pytest.raises(DataError, match="sigma is 0"):
        Ring(sigma=0)


def test_toys_load_by_name() -> None:
    ring = load("ring", seed=3)
    assert ring.points.shape == (100_000, 2) and ring.points.dtype == np.float32
    assert ring.labels.max() == 7 and ring.describe()["name"] == "ring"
    assert ring.density.modes().shape == (8, 2)
    assert load("ring", seed=3).checksum == ring.checksum != load("ring", seed=4).checksum
    assert load("swiss_roll").name == "swiss-roll"
