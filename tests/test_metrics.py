"""Metrics against closed forms and planted faults."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from tinygan.autograd import wrap
from tinygan.backend import backend_for
from tinygan.data import Grid, Ring
from tinygan.metrics import (
    MetricError,
    density_coverage,
    expected_coverage,
    frechet_distance,
    histogram_kl,
    histogram_kl_floor,
    intersection_over_union,
    kernel_distance,
    matrices,
    memorisation,
    mode_scores,
    parzen_log_likelihood,
    precision_recall,
    sliced_wasserstein,
)
from tinygan.metrics.frechet import trace_of_root
from tinygan.metrics.matrices import distance_blocks, nearest, neighbourhood
from tinygan.metrics.parzen import log_density


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def on(device, x):
    return wrap(backend_for(device).from_host(x))


# -- modes ------------------------------------------------------------------------------------


def test_a_perfect_sampler_covers_all_modes_at_the_floor():
    ring = Ring()
    found = mode_scores(ring.sample(20_000, seed=1), ring.modes(), ring.sigma)
    assert (found.covered, found.total) == (8, 8)
    assert found.high_quality_floor == pytest.approx(1 - math.exp(-4.5))
    assert found.high_quality == pytest.approx(found.high_quality_floor, abs=0.003)
    assert 0 < found.reverse_kl < 5 * found.reverse_kl_floor
    assert 0 < found.full_kl < 5 * found.full_kl_floor


def test_collapse_onto_half_of_the_modes_is_log_2():
    ring = Ring()
    half = np.repeat(ring.modes()[:4], 250, axis=0)
    found = mode_scores(half, ring.modes(), ring.sigma)
    assert found.covered == 4
    assert found.high_quality == 1
    assert found.reverse_kl == pytest.approx(math.log(2))
    assert found.full_kl == pytest.approx(math.log(2 / (1 - math.exp(-4.5))))


def test_junk_between_the_modes_shows_in_quality_and_in_the_full_divergence_only():
    grid = Grid()
    junk = np.full((9000, 2), 1.0)
    found = mode_scores(np.concatenate([np.repeat(grid.modes(), 40, axis=0), junk]),
                        grid.modes(), grid.sigma)  # fmt: skip
    assert found.covered == 25
    assert found.high_quality == pytest.approx(0.1)
    assert found.reverse_kl == pytest.approx(0, abs=1e-12)
    ideal = math.exp(-4.5)
    by_hand = 0.9 * math.log(0.9 / ideal) + 0.1 * math.log(0.1 / (1 - ideal))
    assert found.full_kl == pytest.approx(by_hand)


def test_three_sigma_is_a_disc_or_a_box():
    corner = np.array([[0.0, 0.0], [2.5, 2.5]])  # 3.5 sigma off, but 2.5 on each axis
    centre = np.zeros((1, 2))
    assert mode_scores(corner, centre, 1.0).high_quality == 0.5
    assert mode_scores(corner, centre, 1.0, "box").high_quality == 1.0
    square = normal(40_000, 2)
    box = mode_scores(square, centre, 1.0, "box")
    assert box.high_quality == pytest.approx(box.high_quality_floor, abs=0.001)
    edge = np.array([[3.0, 0.0], [0.0, 2.999]])
    assert mode_scores(edge, centre, 1.0).counts.tolist() == [1]


def test_no_good_sample_leaves_the_reverse_divergence_undefined():
    ring = Ring()
    found = mode_scores(np.zeros((10, 2)), ring.modes(), ring.sigma)
    assert found.covered == 0
    assert math.isnan(found.reverse_kl)
    assert math.isfinite(found.full_kl)


def test_what_is_no_set_of_points_is_refused():
    ring = Ring()
    with pytest.raises(MetricError, match="give 8 or more"):
        mode_scores(np.zeros((7, 2)), ring.modes(), ring.sigma)
    with pytest.raises(MetricError, match="N 2"):
        mode_scores(np.zeros((9, 3)), ring.modes(), ring.sigma)
    with pytest.raises(MetricError, match="not finite"):
        mode_scores(np.full((9, 2), np.nan), ring.modes(), ring.sigma)
    with pytest.raises(MetricError, match="disc and box"):
        mode_scores(np.zeros((9, 2)), ring.modes(), ring.sigma, "ball")


# -- histograms -------------------------------------------------------------------------------


def test_divergence_of_histograms():
    assert histogram_kl(np.array([5, 5, 5])) == 0
    assert histogram_kl(np.array([9, 0, 0])) == pytest.approx(math.log(3))
    assert histogram_kl(np.array([3, 1]), np.array([3, 1])) == pytest.approx(0)
    assert histogram_kl(np.array([1, 1]), np.array([1, 0])) == math.inf
    assert math.isnan(histogram_kl(np.zeros(4)))
    with pytest.raises(MetricError, match="2 shares"):
        histogram_kl(np.array([1, 1]), np.array([1, 1, 1]))


def test_the_floor_is_the_mean_over_real_draws():
    assert histogram_kl_floor(26_000, 1000) == pytest.approx(999 / 52_000, rel=0.01)
    assert histogram_kl_floor(1, 8) == pytest.approx(math.log(8))
    assert histogram_kl_floor(50, 1) == 0
    target = np.array([0.5, 0.3, 0.15, 0.05])
    draws = np.random.default_rng(0).multinomial(30, target, size=40_000)
    mean = np.mean([histogram_kl(counts, target) for counts in draws])
    assert histogram_kl_floor(30, target) == pytest.approx(mean, rel=0.02)


# -- distances in blocks ----------------------------------------------------------------------


def test_blocks_are_the_distances(device, monkeypatch):
    monkeypatch.setattr(matrices, "ENTRIES", 100)  # seven rows at a time
    x, y = 50 + normal(23, 5), 50 + normal(14, 5, seed=1)
    a, b = on(device, x).array, on(device, y).array
    parts = list(distance_blocks(a, b))
    assert len(parts) == 4
    direct = ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2)
    joined = np.concatenate([wrap(block).cpu().numpy() for _, block in parts])
    np.testing.assert_allclose(joined, direct, rtol=1e-4, atol=1e-5)


def test_nearest_in_parts(device, monkeypatch):
    monkeypatch.setattr(matrices, "ENTRIES", 100)
    monkeypatch.setattr(matrices, "PART", 9)
    x, y = normal(23, 5), normal(31, 5, seed=1)
    y[17] = x[4]
    indices, distances = nearest(on(device, x), on(device, y))
    direct = np.sqrt(((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2))
    np.testing.assert_array_equal(indices, direct.argmin(axis=1))
    np.testing.assert_allclose(distances, direct.min(axis=1), rtol=1e-6)
    assert indices[4] == 17 and distances[4] == 0
    own = np.array([30, 3, 17])
    indices, distances = nearest(y[own], y, own)
    among = np.sqrt(((y[own][:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2))
    among[np.arange(3), own] = np.inf
    np.testing.assert_array_equal(indices, among.argmin(axis=1))
    np.testing.assert_allclose(distances, among.min(axis=1), rtol=1e-6)


def test_memory_is_bounded_by_the_block(monkeypatch):
    monkeypatch.setattr(matrices, "ENTRIES", 1 << 17)
    x, y = normal(3000, 4), normal(3000, 4, seed=1)
    density_coverage(x[:100], y[:100])  # loads what it needs
    tracemalloc.start()
    try:
        density_coverage(x, y)
        precision_recall(x, y)
        kernel_distance(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 4 * matrices.ENTRIES  # all distances would be 36 MB


def test_neighbourhood_counts_others_only(monkeypatch):
    monkeypatch.setattr(matrices, "ENTRIES", 20)
    x = np.array([[0.0], [1.0], [3.0], [7.0], [7.0]], np.float32)
    np.testing.assert_allclose(neighbourhood(x, 1), [1, 1, 4, 0, 0], atol=1e-5)
    np.testing.assert_allclose(neighbourhood(x, 2), [9, 4, 9, 16, 16], atol=1e-5)


# -- Frechet distance -------------------------------------------------------------------------


def test_the_root_of_a_product_of_covariances():
    random = np.random.default_rng(0)
    a, b = (z @ z.T for z in random.standard_normal((2, 6, 6)))
    values, vectors = np.linalg.eig(a @ b)  # not symmetric, but with real, positive eigenvalues
    root = (vectors * np.sqrt(values)) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(root @ root, a @ b, rtol=1e-8)
    assert trace_of_root(a, b) == pytest.approx(np.trace(root).real, rel=1e-10)
    assert trace_of_root(a, a) == pytest.approx(np.trace(a))
    thin = random.standard_normal((6, 2))
    singular = thin @ thin.T
    assert trace_of_root(singular, singular) == pytest.approx(np.trace(singular), rel=1e-6)
    assert trace_of_root(singular, np.zeros((6, 6))) == pytest.approx(0, abs=1e-9)


def with_moments(count, mean, deviations):
    """Samples whose mean and covariance are exactly these."""
    x = np.random.default_rng(0).standard_normal((count, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return (x * deviations + mean).astype(np.float32)


def test_frechet_distance_of_gaussians_with_known_moments(device):
    x = with_moments(500, np.array([0.0, 1.0, -2.0]), np.array([1.0, 2.0, 0.5]))
    y = with_moments(700, np.array([1.0, 1.0, 0.0]), np.array([3.0, 2.0, 1.0]))
    # axes agree: |m|^2 + sum (s - t)^2
    assert frechet_distance(on(device, x), on(device, y)) == pytest.approx(5 + 4.25, rel=1e-4)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    with pytest.raises(MetricError, match=r"3 samples are too few; give 4 or more.*3 features"):
        frechet_distance(x[:3], y)
    with pytest.raises(MetricError, match="3 and 2 numbers"):
        frechet_distance(x, y[:, :2])
    with pytest.raises(MetricError, match="not finite"):
        frechet_distance(np.full_like(x, np.inf), y)


# -- kernel distance --------------------------------------------------------------------------


def test_kernel_distance_by_its_definition(device, monkeypatch):
    monkeypatch.setattr(matrices, "ENTRIES", 50)
    x, y = normal(12, 4), 0.5 + normal(9, 4, seed=1)

    def kernel(a, b):
        return (float(a.astype(np.float64) @ b) / 4 + 1) ** 3

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j])
        for z in (x, y)
    ]
    between = np.mean([kernel(a, b) for a in x for b in y])
    expected = sum(within) - 2 * between
    assert kernel_distance(on(device, x), on(device, y)) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(MetricError, match="give 2 or more"):
        kernel_distance(x[:1], y)


def test_kernel_distance_is_unbiased():
    values = [kernel_distance(normal(30, 3, seed=2 * i), normal(20, 3, seed=2 * i + 1))
              for i in range(300)]  # fmt: skip
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0
    assert kernel_distance(normal(300, 3), 1 + normal(300, 3, seed=1)) > 20 * np.std(values)


# -- neighbours -------------------------------------------------------------------------------


def test_equal_distributions_have_the_expected_density_and_coverage(device):
    x, y = normal(1500, 8), normal(1000, 8, seed=1)
    density, coverage = density_coverage(on(device, x), on(device, y))
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(expected_coverage(1500, 1000), abs=0.02)
    assert expected_coverage(10**6, 10**6) == pytest.approx(1 - 2**-5, abs=1e-5)
    precision, recall = precision_recall(on(device, x), on(device, y))
    assert precision > 0.6 and recall > 0.5


def test_neighbours_by_their_definitions(monkeypatch):
    monkeypatch.setattr(matrices, "ENTRIES", 100)
    x, y = normal(23, 3), 0.3 + 0.8 * normal(17, 3, seed=1)

    def distance(a, b):
        return math.dist(a.astype(np.float64), b.astype(np.float64))

    def radii(z, k):
        return [sorted(distance(a, b) for b in z)[k] for a in z]  # the first is itself

    def inside(points, centres, reach):
        return np.array([[distance(p, c) <= r for c, r in zip(centres, reach, strict=True)]
                         for p in points])  # fmt: skip

    for k in (2, 4):
        precision, recall = precision_recall(x, y, k)
        assert precision == inside(y, x, radii(x, k)).any(axis=1).mean()
        assert recall == inside(x, y, radii(y, k)).any(axis=1).mean()
        density, coverage = density_coverage(x, y, k)
        assert density == pytest.approx(inside(y, x, radii(x, k)).sum() / (k * 17))
        assert coverage == inside(y, x, radii(x, k)).any(axis=0).mean()


def two_clusters(count, seed):
    x = 0.1 * normal(count, 2, seed=seed)
    x[: count // 2] += 10
    return x


@pytest.mark.parametrize("columns", [2, 16])
def test_neighbours_in_tight_clusters_are_told_apart(columns, device):
    """Distances are far below the rounding of |x|^2: 2e-5 and less, of points at 1."""
    turned = np.linalg.qr(normal(columns, columns))[0][:2]
    x, y = (Ring(sigma=1e-4).sample(1000, seed) @ turned for seed in (0, 1))
    x, y = x.astype(np.float32), y.astype(np.float32)
    squares = [sum((a[:, None] - b.astype(np.float64)) ** 2 for a, b in zip(x.T, z.T, strict=True))
               for z in (x, y)]  # fmt: skip
    inside = squares[1] <= np.sort(squares[0], axis=1)[:, 5:6]
    found = density_coverage(on(device, x), on(device, y))
    assert found.density == pytest.approx(inside.sum() / 5000, abs=0.002)
    assert found.coverage == pytest.approx(inside.any(axis=1).mean(), abs=0.002)


def test_a_dropped_mode_costs_recall_and_coverage_but_no_precision():
    real, fake = two_clusters(400, 0), two_clusters(800, 1)[:400]
    precision, recall = precision_recall(real, fake)
    density, coverage = density_coverage(real, fake)
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.05)
    assert density > 0.8 and coverage == pytest.approx(0.5, abs=0.05)


def test_junk_costs_precision_and_density_but_no_recall():
    real = two_clusters(400, 0)
    fake = np.concatenate([two_clusters(400, 1), np.full((400, 2), -50, np.float32)])
    precision, recall = precision_recall(real, fake)
    density, coverage = density_coverage(real, fake)
    assert precision == pytest.approx(0.5, abs=0.05) and recall > 0.9
    assert density == pytest.approx(0.5, abs=0.05) and coverage > 0.9


def test_one_outlier_among_the_real_claims_precision_but_little_density():
    real = np.concatenate([two_clusters(400, 0), np.full((1, 2), -50, np.float32)])
    fake = np.full((100, 2), -40, np.float32)  # within the outlier's huge ball
    assert precision_recall(real, fake).precision == 1
    assert density_coverage(real, fake).density == pytest.approx(1 / 5)


def test_neighbours_need_more_samples_than_neighbours():
    with pytest.raises(MetricError, match="3 samples are too few; give 4 or more"):
        precision_recall(normal(3, 2), normal(9, 2))
    with pytest.raises(MetricError, match="give 6 or more"):
        density_coverage(normal(9, 2), normal(5, 2))


@pytest.mark.parametrize(
    "metric",
    [
        frechet_distance,
        kernel_distance,
        precision_recall,
        density_coverage,
        sliced_wasserstein,
        memorisation,
    ],
)
def test_no_samples_are_refused_by_every_metric(metric):
    some, none = normal(20, 3), np.zeros((0, 3), np.float32)
    for pair in ((none, some), (some, none)):
        with pytest.raises(MetricError, match=r"give \d or more"):
            metric(*pair)


# -- sliced Wasserstein -----------------------------------------------------------------------


def test_sliced_wasserstein_of_a_shift_and_of_a_scale(device):
    x = normal(2000, 6)
    shift = np.array([3, 0, 0, 0, 4, 0], np.float32)
    moved = sliced_wasserstein(on(device, x), on(device, x + shift))
    assert moved == pytest.approx(5 / math.sqrt(6), rel=0.07)
    assert sliced_wasserstein(x, 3 * x) == pytest.approx(2 * np.sqrt((x**2).mean()), rel=0.02)
    assert sliced_wasserstein(x, x[::-1]) == 0


def test_sliced_wasserstein_is_a_function_of_the_seed():
    x, y = normal(50, 6), normal(50, 6, seed=1)
    first, again, other = (sliced_wasserstein(x, y, seed) for seed in (3, 3, 4))
    assert first == again != other


def test_sliced_wasserstein_of_sets_of_two_sizes():
    x, y = normal(100, 4), 1 + normal(150, 4, seed=1)
    twice = sliced_wasserstein(np.repeat(x, 3, axis=0), np.repeat(y, 2, axis=0))
    assert sliced_wasserstein(x, y) == pytest.approx(twice, rel=0.02)
    assert sliced_wasserstein(x, np.repeat(x, 4, axis=0)) == 0


# -- memorisation -----------------------------------------------------------------------------


def test_copies_are_nearer_than_held_out_images_and_new_draws_are_not():
    training, new, fresh = normal(600, 10), normal(300, 10, seed=1), normal(300, 10, seed=2)
    copies = memorisation(training[100:400], training, new)
    assert copies.nearer == 1 and copies.fake == 0
    np.testing.assert_array_equal(copies.indices, np.arange(100, 400))
    honest = memorisation(fresh, training, new)
    assert honest.nearer == pytest.approx(0.5, abs=0.07)
    assert honest.fake == pytest.approx(honest.real, rel=0.1)
    assert memorisation(20 + fresh, training, new).nearer == 0
    assert memorisation(new, training, new).nearer == 0.5  # every comparison has its mirror


def test_without_held_out_images_the_training_images_stand_in():
    training, fresh = normal(600, 10), normal(300, 10, seed=2)
    assert memorisation(fresh, training).nearer == pytest.approx(0.5, abs=0.07)
    assert memorisation(training[:300], training).nearer == 1


def test_bytes_are_compared_as_numbers():
    training = np.array([[0, 0], [255, 255], [10, 200]], np.uint8)
    indices, distances = nearest(np.array([[250, 250]], np.uint8), training)
    assert indices.tolist() == [1]
    assert distances[0] == pytest.approx(math.sqrt(50))


# -- Parzen windows ---------------------------------------------------------------------------


def test_log_density_of_one_and_of_two_windows():
    x = normal(7, 3)
    one = normal(1, 3, seed=1)
    square = ((x.astype(np.float64) - one) ** 2).sum(axis=1)
    expected = -square / (2 * 0.5**2) - 1.5 * math.log(2 * math.pi * 0.5**2)
    widths = np.array([2.0, 0.5])
    np.testing.assert_allclose(log_density(x, one, widths)[1], expected, rtol=1e-5)
    two = np.concatenate([one, one + 30])
    np.testing.assert_allclose(log_density(x, two, widths)[1], expected - math.log(2), rtol=1e-4)
    assert log_density(one - 30, one, widths)[1] == pytest.approx(-5400 - 0.677, rel=1e-4)


def test_parzen_finds_the_width_and_the_likelihood_of_a_known_density():
    # samples at a point, data N(1/2, 0.1^2): the window itself is the density
    random = np.random.default_rng(0)
    data = (0.5 + 0.1 * random.standard_normal((4000, 5))).clip(0, 1)
    samples = np.full((10, 5), 0.5)
    found = parzen_log_likelihood(samples, data[:2000], data[2000:])
    assert found.sigma == pytest.approx(0.1)
    entropy = 2.5 * (math.log(2 * math.pi * 0.01) + 1)
    assert found.log_likelihood == pytest.approx(-entropy, abs=4 * found.error)
    assert found.error == pytest.approx(math.sqrt(2.5 / 2000), rel=0.1)


def test_parzen_wants_pixels_from_0_to_1():
    with pytest.raises(MetricError, match=r"\(x \+ 1\) / 2"):
        parzen_log_likelihood(normal(9, 4), normal(9, 4), normal(9, 4))


# -- maps of classes --------------------------------------------------------------------------


def test_two_squares_that_overlap_by_a_corner():
    truth, predicted = np.zeros((2, 1, 6, 6), np.int64)
    truth[0, :3, :3] = predicted[0, 1:4, 1:4] = 2
    found = intersection_over_union(predicted, truth, 4)
    # background: 36 less the 14 of either square, of 36 less the 4 of both
    assert found[:3] == pytest.approx([22 / 32, np.nan, 4 / 14], nan_ok=True)
    assert np.isnan(found[3])
    assert np.array_equal(found, intersection_over_union(truth, predicted, 4), equal_nan=True)


def test_every_planted_mistake_counts_once_in_the_union(device):
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, (4, 8, 8))
    assert list(intersection_over_union(on(device, truth), on(device, truth), 3)) == [1, 1, 1]
    predicted = truth.copy()
    ones = np.argwhere(truth == 1)[:10]
    predicted[tuple(ones.T)] = 2
    n = np.bincount(truth.reshape(-1))
    found = intersection_over_union(on(device, predicted), on(device, truth), 3)
    assert found == pytest.approx([1, (n[1] - 10) / n[1], n[2] / (n[2] + 10)])


def test_maps_that_cannot_be_compared_are_refused():
    maps = np.zeros((2, 4, 4), np.int64)
    with pytest.raises(MetricError, match=r"of logits \(N, C, H, W\) take argmax"):
        intersection_over_union(maps[:, None], maps, 3)
    with pytest.raises(MetricError, match="expected classes as integers, got float64"):
        intersection_over_union(maps * 1.0, maps, 3)
    with pytest.raises(MetricError, match="expected classes 0 to 2, got 0 to 255"):
        maps[0, 0, 0] = 255
        intersection_over_union(maps, maps, 3)
