"""All figures that apply to a set of samples, each beside what real data gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygan.autograd import Tensor
from tinygan.data import Images, Points, to_uint8
from tinygan.metrics.classifier import FEATURES, Classifier, classify
from tinygan.metrics.errors import MetricError, expect_enough
from tinygan.metrics.frechet import frechet_distance
from tinygan.metrics.histogram import histogram_kl
from tinygan.metrics.kernel import kernel_distance
from tinygan.metrics.manifold import density_coverage, precision_recall
from tinygan.metrics.memorisation import memorisation
from tinygan.metrics.modes import mode_scores
from tinygan.metrics.parzen import parzen_log_likelihood
from tinygan.metrics.sliced import sliced_wasserstein

QUERIES = 2000  # images whose nearest training image is looked for
LEAST = 10


@dataclass(frozen=True)
class Figure:
    """A value, and the floor: what as many real samples, or a perfect generator, get."""

    name: str
    value: float
    floor: float
    better: str  # "lower", "higher" or "near", the floor
    note: str = ""


@dataclass(frozen=True)
class Reals:
    """Real data to judge n samples by.

    `reference` is what samples are compared with, and `others` as many real ones, which are
    compared with it for the floor. Where there is held-out data it is the reference, as in Lucic
    et al. 2018; else both are halves of the training data.
    """

    training: Images | Points
    held_out: Images | Points | None
    reference: Images | Points
    others: Images | Points


def most_samples(training: Images | Points, held_out: Images | Points | None) -> int:
    """How many samples can be compared with as many real ones, twice."""
    return len(training) // 2 if held_out is None else min(len(training), len(held_out))


def reals(
    training: Images | Points, held_out: Images | Points | None, n: int, seed: int = 0
) -> Reals:
    """n real samples to compare with and n for the floor, drawn without replacement."""
    most = most_samples(training, held_out)
    if n > most:
        where = "half of the data" if held_out is None else "the held-out data"
        raise MetricError(
            f"{n} samples need as many real ones to compare with, and {where} has {most}: choose "
            f"{most} or fewer"
        )
    expect_enough("evaluate", n, LEAST, "and 10,000 where papers are to be compared with")
    random = np.random.Generator(np.random.Philox(seed))
    if held_out is None:
        order = random.permutation(len(training))
        first, second = part(training, order[:n]), part(training, order[n : 2 * n])
    else:
        first = part(held_out, random.permutation(len(held_out))[:n])
        second = part(training, random.permutation(len(training))[:n])
    return Reals(training, held_out, first, second)


def part(data: Images | Points, indices: np.ndarray) -> Images | Points:
    """The data at these indices."""
    labels = None if data.labels is None else data.labels[indices]
    if isinstance(data, Points):
        return Points(data.points[indices], labels, density=data.density)
    return Images(data.images[indices], labels)


def figures(
    samples: Tensor, real: Reals, classifier: Classifier | None = None, seed: int = 0
) -> Iterator[Figure]:
    """The figures of samples in the form that a generator gives them, as they are computed."""
    if not np.isfinite(samples.numpy()).all():
        raise MetricError("the generator's samples are not all finite: it has diverged")
    if isinstance(real.reference, Points):
        yield from _of_points(samples.numpy(), real, seed)
        return
    fakes = Images(to_uint8(samples))  # what is judged is what a picture would hold
    if classifier is not None:
        yield from _of_features(fakes, real, classifier)
    yield from _of_pixels(fakes, real, seed)


def _of_points(fake: np.ndarray, real: Reals, seed: int) -> Iterator[Figure]:
    assert isinstance(real.reference, Points) and isinstance(real.others, Points)
    density = real.reference.density
    if density is not None and density.modes() is not None:
        found = mode_scores(fake, density.modes(), density.sigma)
        yield Figure("modes covered", found.covered, found.total, "higher", f"of {found.total}")
        yield Figure(
            "high-quality share",
            found.high_quality,
            found.high_quality_floor,
            "higher",
            "within 3 sigma of a mode",
        )
        yield Figure(
            "reverse KL", found.reverse_kl, found.reverse_kl_floor, "lower", "nats, over the modes"
        )
        yield Figure(
            "reverse KL, all samples",
            found.full_kl,
            found.full_kl_floor,
            "lower",
            "nats, with a bin for those beside the modes",
        )
    x, others = real.reference.points, real.others.points
    yield from _neighbours(x, fake, others, "points")
    yield _sliced(fake, x, others, seed)


def _of_features(fakes: Images, real: Reals, classifier: Classifier) -> Iterator[Figure]:
    assert isinstance(real.training, Images) and real.training.labels is not None
    assert isinstance(real.reference, Images) and isinstance(real.others, Images)
    shares = np.bincount(real.training.labels)
    (fake, classes), (x, _), (others, other_classes) = (
        classify(classifier, images) for images in (fakes, real.reference, real.others)
    )
    counts, other_counts = (np.bincount(c, minlength=len(shares)) for c in (classes, other_classes))
    covered, other_covered = int((counts > 0).sum()), int((other_counts > 0).sum())
    yield Figure(
        "classes covered", covered, other_covered, "higher", f"of {np.count_nonzero(shares)}"
    )
    yield Figure(
        "class KL",
        histogram_kl(counts, shares),
        histogram_kl(other_counts, shares),
        "lower",
        "nats, from the training labels' shares",
    )
    yield Figure(
        "Frechet distance", frechet_distance(fake, x), frechet_distance(others, x), "lower"
    )
    yield Figure("kernel distance", kernel_distance(fake, x), kernel_distance(others, x), "lower")
    yield from _neighbours(x, fake, others, f"{FEATURES} features")


def _of_pixels(fakes: Images, real: Reals, seed: int) -> Iterator[Figure]:
    new = None if real.held_out is None else _bytes(real.reference)[:QUERIES]
    found = memorisation(_bytes(fakes)[:QUERIES], _bytes(real.training), new)
    note = "median distance, pixels in 0 to 1"
    if new is None:
        note += "; real: from one training image to another"
    yield Figure("nearest training image", found.fake / 255, found.real / 255, "near", note)
    yield Figure(
        "nearer than held-out", found.nearer, 0.5, "near", "chance; near 1 is memorisation"
    )
    fake, x, others = (
        _bytes(images).astype(np.float32) / 255 for images in (fakes, real.reference, real.others)
    )
    yield _sliced(fake, x, others, seed)
    warning = "nats; history, ranks models wrongly"
    chosen_on, test = x[: len(x) // 10], x[len(x) // 10 :]
    value, floor = (parzen_log_likelihood(s, chosen_on, test) for s in (fake, others))
    yield Figure(
        "Parzen log-likelihood",
        value.log_likelihood,
        floor.log_likelihood,
        "higher",
        f"+-{value.error:.1f} {warning}",
    )


def _neighbours(x: np.ndarray, fake: np.ndarray, others: np.ndarray, of: str) -> Iterator[Figure]:
    for measure in (precision_recall, density_coverage):
        value, floor = measure(x, fake), measure(x, others)
        for name in value._fields:
            yield Figure(name, getattr(value, name), getattr(floor, name), "higher", of)


def _sliced(fake: np.ndarray, x: np.ndarray, others: np.ndarray, seed: int) -> Figure:
    value, floor = sliced_wasserstein(fake, x, seed), sliced_wasserstein(others, x, seed)
    return Figure("sliced Wasserstein", value, floor, "lower")


def _bytes(data: Images | Points) -> np.ndarray:
    """The pixels N D in 0..255."""
    assert isinstance(data, Images)
    return data.images.reshape(len(data), -1)
