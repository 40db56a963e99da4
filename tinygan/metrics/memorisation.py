"""Has the generator learnt its training images by heart?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.metrics.errors import expect_enough
from tinygan.metrics.matrices import Samples, nearest, spread


class Memorisation(NamedTuple):
    fake: float
    real: float
    nearer: float
    indices: np.ndarray


def memorisation(fake: Samples, training: Samples, held_out: Samples | None = None) -> Memorisation:
    """P(d(y, X) < d(x', X)): how often a sample lies nearer to the training set than a new image.

    d(y, X) = min_i |y - x_i| over the training images X; y is generated and x' held out. 1/2 is
    what new images of the same distribution have, 1 is a set of copies, 0 samples that are like no
    image; ties count half. `fake` and `real` are the medians of d, `indices` the nearest training
    image of each sample. Without held-out images some training images, evenly spread,
    take their place: d(x_i, X without x_i).

    Source: Meehan, Chaudhuri, Dasgupta, "A non-parametric test to detect data-copying in generative
    models" (2020), here over the whole space as one cell.
    """
    expect_enough("memorisation", len(training), 2, "or there is no second image")
    indices, generated = nearest(fake, training)
    if held_out is None:
        own = spread(len(training), len(fake))
        _, real = nearest(training[own], training, own)
    else:
        _, real = nearest(held_out, training)
    nearer = share_below(generated, real)
    return Memorisation(float(np.median(generated)), float(np.median(real)), nearer, indices)


def share_below(x: np.ndarray, y: np.ndarray) -> float:
    """P(x_i < y_j) over all pairs of numbers of two sets, ties counting half."""
    order = np.sort(y)
    above = len(order) - np.searchsorted(order, x, side="right")
    below = np.searchsorted(order, x, side="left")
    ties = len(order) - above - below
    return float((above + ties / 2).mean()) / len(order)
