"""Which samples are copies of training images?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, lgamma
from typing import Any

import numpy as np

from tinygan.backend import host_array
from tinygan.metrics.errors import expect_enough
from tinygan.metrics.matrices import (
    Samples,
    blocks_by_parts,
    distinct,
    least,
    nearest,
    rows,
    spread,
)
from tinygan.metrics.memorisation import share_below

NEIGHBOURS = 50  # training images that a sample's nearest one is compared with
QUANTILES = (0.0, 0.001, 0.01)  # of new images; 0 is the nearest of them
CERTAIN = 0.5  # of the relative distance of the nearest new image
FEWEST = 10  # training images, or new ones, that say something about distances


@dataclass(frozen=True)
class Nearness:
    """How near each image of a set is to the training images.

    `indices` are the nearest training images and `distances` those to them; `relative` is the
    distance divided by the mean distance to the `neighbours` nearest.
    """

    indices: np.ndarray
    distances: np.ndarray
    relative: np.ndarray
    neighbours: int


@dataclass(frozen=True)
class Copies:
    """Samples that are nearer to a training image than new images ever or hardly are.

    `others` are the indices of the new images that `real` is of, among those held out or else the
    training images. `near` are the samples whose relative distance is below `threshold`, that of
    the nearest hundredth of the new images, nearest first; a share `expected` is there by chance.
    `certain` of them are exact copies, or not half as far as the nearest of all new images.
    `chance` is the probability of so many near ones where samples are as new images are. `nearer`
    is P(r(sample) < r(new image)), r the relative distance: above 1/2 where samples are drawn
    towards training images, though none of them stands out.
    """

    fake: Nearness
    real: Nearness
    others: np.ndarray
    threshold: float
    expected: float
    near: np.ndarray
    certain: int
    chance: float
    nearer: float


def nearness(images: Samples, training: Samples, own: np.ndarray | None = None) -> Nearness:
    """The nearest training image of each image, and d_1 / mean(d_1 ... d_k), 0 where d_1 is 0.

    k is 50, or one less than there are training images. A sample that is like many of them, as a
    plain or blurred one is, is near to all; a copy is near to one. `own`, where given, are training
    images that are passed over.
    """
    indices, distances = nearest(images, training, own)
    count = max(1, min(NEIGHBOURS, len(training) - 1))
    squares = _least_squares(images, training, count, own)
    mean = np.sqrt(squares).mean(axis=1)
    relative = np.divide(distances, mean, out=np.ones_like(mean), where=mean > 0)
    relative[distances == 0] = 0
    return Nearness(indices, distances, np.minimum(relative, 1.0), count)


def copies(fake: Samples, training: Samples, held_out: Samples | None = None) -> Copies:
    """The samples whose relative distance is within the least hundredth of that of new images.

    New images are the held-out ones or, without any, as many training images, each without
    itself. Of equal training images one counts, and a held-out image that equals one is not new:
    else a single image that is there twice would hide all copies. An exact copy is certain.

    If the samples were new images too, all orders of both by distance would be equally likely:
    that gives the chance of so many samples before the first, the nearest thousandth and
    the nearest hundredth of the new images, the least of the three, times three. More new images
    make it sharper. A copy that is moved by a pixel is far from its image, and not found. Source of
    the relative distance: Carlini et al., "Extracting Training Data from Diffusion Models", 2023,
    section 4.2, here with the distribution of new images in place of a fixed threshold.
    """
    kept = distinct(training)
    why = "to tell copies"
    expect_enough("audit", len(kept), FEWEST, why, "distinct training images")
    unique = training[kept] if len(kept) < len(training) else training
    if held_out is None:
        own = spread(len(kept), max(len(fake), FEWEST))
        which, real = kept[own], nearness(unique[own], unique, own)
    else:
        which, real = np.arange(len(held_out)), nearness(held_out, unique)
    new = real.distances > 0
    expect_enough("audit", int(new.sum()), FEWEST, why, "new images that equal no training image")
    real = _chosen(real, kept, new)
    ours = _chosen(nearness(fake, unique), kept)
    others = np.sort(real.relative)
    chances = []
    for share in QUANTILES:
        place = max(1, round(share * len(others)))
        before = int((ours.relative < others[place - 1]).sum())
        chances.append(_first(before, place, len(ours.relative), len(others)))
    threshold = float(others[place - 1])
    order = np.argsort(ours.relative, kind="stable")
    return Copies(
        fake=ours,
        real=real,
        others=which[new],
        threshold=threshold,
        expected=place / len(others),
        near=order[ours.relative[order] < threshold],
        certain=int((ours.relative < CERTAIN * others[0]).sum()),
        chance=min(1.0, len(QUANTILES) * min(chances)),
        nearer=share_below(ours.relative, others),
    )


def _chosen(found: Nearness, kept: np.ndarray, rows: Any = slice(None)) -> Nearness:
    """Some rows, the indices among `kept` as those among all training images."""
    return replace(
        found,
        indices=kept[found.indices[rows]],
        distances=found.distances[rows],
        relative=found.relative[rows],
    )


def _first(before: int, place: int, ours: int, others: int) -> float:
    """P(at least `before` of ours stand before the `place`-th of the others), in a random order.

    Then of the first before + place - 1 at least `before` are ours.
    """
    first = before + place - 1

    def choose(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    every = choose(ours + others, first)
    terms = range(max(before, first - others), min(first, ours) + 1)
    return min(1.0, sum(exp(choose(ours, k) + choose(others, first - k) - every) for k in terms))


def _least_squares(x: Samples, y: Samples, count: int, own: np.ndarray | None) -> np.ndarray:
    """The `count` least |x_i - y_j|^2 of each i, y_own[i] passed over."""
    a = rows(x)
    found = np.full((len(a), count), np.inf)
    for _, part, block in blocks_by_parts(a, y, own):
        few = min(count, block.shape[1])
        both = np.concatenate([found[part], host_array(least(block, few))], axis=1)
        found[part] = least(both, count)
    return found
