"""Figures of a step: what its logits, its samples and its units were like. All are 0-d tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.losses import BoundaryEquilibrium, Game, PairGame, verdict
from tinygan.nn import LeakyReLU, Module, ReLU, Sigmoid, Tanh
from tinygan.ops import as_tensor, full

Figures = dict[str, Tensor]

LINES = {"minimax": 0.0, "non_saturating": 0.0, "hinge": 0.0, "least_squares": 0.5}
REACH = 3  # standard deviations of a mode, as in metrics.mode_scores
FLAT = 0.01  # of the range of tanh and sigmoid, at each end


def logit_figures(game: Game | BoundaryEquilibrium, real: Tensor, fake: Tensor) -> Figures:
    """Mean and spread of the logits (N,), D's right answers, the critic gap, and the slopes.

    `real_accuracy` is the share of real logits above the line that the game draws: 0, for
    `least_squares` 1/2, and halfway between both means in a game that no constant added to D
    changes; `fake_accuracy` that of generated ones not above it. `critic_gap` is E[D(x)] -
    E[D(G(z))], the estimate of the Wasserstein-1 distance where D is 1-Lipschitz. Energies (BEGAN)
    are low for what is real: line and gap are turned. `d_real_slope`, `d_fake_slope` and `g_slope`
    are the means of the slopes' amounts, what a network hears of the game: at 0 it learns nothing.
    """
    real, fake = verdict(real), verdict(fake)
    means = real.mean(), fake.mean()
    line = LINES.get(game.name, 0.5 * (means[0] + means[1]))
    gap, right = means[0] - means[1], (real > line, fake <= line)
    if isinstance(game, BoundaryEquilibrium):
        gap, right = -gap, (real < line, fake >= line)
    of_real, of_fake, of_generator = game.slopes
    if isinstance(game, PairGame):
        slopes = [slope(real, fake) for slope in game.slopes]
    else:
        slopes = [of_real(real), of_fake(fake), of_generator(fake)]
    heard = [slope.abs().mean() for slope in slopes]
    return {
        "real_logit": means[0],
        "real_logit_std": real.std(correction=0),
        "fake_logit": means[1],
        "fake_logit_std": fake.std(correction=0),
        "real_accuracy": right[0].to(real.dtype).mean(),
        "fake_accuracy": right[1].to(real.dtype).mean(),
        "critic_gap": gap,
        "d_real_slope": heard[0],
        "d_fake_slope": heard[1],
        "g_slope": heard[2],
    }


def sample_figures(real: Tensor, fake: Tensor) -> Figures:
    """`spread`: sqrt(tr cov G(z) / tr cov x) of two batches, 1 for a perfect generator.

    It is the root of E|a - b|^2 between generated samples over that between real ones, 0 where all
    samples are one. Of images also `out_of_range`, the share of their numbers outside of [-1, 1].
    """
    variances = [x.var(0, correction=0).sum() for x in (fake, real)]
    figures = {"spread": (variances[0] / variances[1]).sqrt()}
    if fake.ndim == 4:
        figures["out_of_range"] = (fake.abs() > 1).to(fake.dtype).mean()
    return figures


class Modes:
    """Which of K modes of a mixture of round Gaussians the N samples x of a batch hit.

    `modes`: how many c_k have an x with |x - c_k| < 3 sigma; `high_quality`: the share of such x,
    both as in `metrics.mode_scores`. `modes_near`: how many c_k are the nearest of some x, however
    far it is, which tells samples that are few in kind from samples that are not sharp yet.
    `modes_real` is what real samples have of these on average: K (1 - (1 - 1 / K)^N).
    """

    def __init__(self, centres: np.ndarray, sigma: float, device: str) -> None:
        self.centres = as_tensor(centres.astype(np.float32)).to(device)
        self.reach = REACH * sigma

    def __call__(self, x: Tensor) -> Figures:
        squares = (x.unsqueeze(1) - self.centres).square().sum(2)
        hit = (squares < self.reach**2).to(x.dtype)
        near = (squares == squares.amin(1, keepdim=True)).to(x.dtype)
        count = len(self.centres)
        return {
            "modes": hit.amax(0).sum(),
            "modes_near": near.amax(0).sum(),
            "modes_real": _expected(np.full(count, 1 / count), x),
            "high_quality": hit.amax(1).mean(),
        }


class Classes:
    """`classes`: how many classes a classifier (N, C, H, W) -> (N, K) sees in a batch.

    `classes_real` is what as many real images would show on average, sum_k 1 - (1 - p_k)^N, for
    the shares p_k of the classes in the data.
    """

    def __init__(self, classifier: Module, labels: np.ndarray, device: str) -> None:
        self.classifier = classifier.to(device).eval()
        self.shares = np.bincount(labels) / len(labels)

    def __call__(self, x: Tensor) -> Figures:
        scores = self.classifier(x)
        seen = (scores == scores.amax(1, keepdim=True)).to(x.dtype)
        return {"classes": seen.amax(0).sum(), "classes_real": _expected(self.shares, x)}


def judges_of(
    dataset: Any, classifier: Module | None, device: str
) -> list[Callable[[Tensor], Figures]]:
    """What tells modes or classes among samples of this data."""
    density = getattr(dataset, "density", None)
    if density is not None and density.modes() is not None:
        return [Modes(density.modes(), density.sigma, device)]
    return [] if classifier is None else [Classes(classifier, dataset.labels, device)]


def _expected(shares: np.ndarray, x: Tensor) -> Tensor:
    """The sum of 1 - (1 - p)^N over shares p: how many kinds N samples show, N as of x."""
    value = float(np.sum(1 - (1 - shares) ** len(x)))
    return full((), value, x.dtype, x.device)


def dead(y: Tensor) -> Tensor:
    """The share of units whose output (N, units, ...) is above 0 for no sample and no pixel.

    Behind a ReLU such a unit passes nothing on and learns nothing; behind a LeakyReLU it is linear.
    """
    others = tuple(d for d in range(y.ndim) if d != 1)
    return (y.amax(others) <= 0).to(y.dtype).mean()


def saturated_tanh(y: Tensor) -> Tensor:
    """The share of outputs of tanh in the outer hundredth of its range, |y| > 0.98."""
    return (y.abs() > 1 - 2 * FLAT).to(y.dtype).mean()


def saturated_sigmoid(y: Tensor) -> Tensor:
    """The share of outputs of a sigmoid below 0.01 or above 0.99."""
    return ((y - 0.5).abs() > 0.5 - FLAT).to(y.dtype).mean()


# which activations are looked at, the name and the function of their figure
UNITS: dict[type[Module], tuple[str, Callable[[Tensor], Tensor]]] = {
    ReLU: ("dead", dead),
    LeakyReLU: ("dead", dead),
    Tanh: ("saturated", saturated_tanh),
    Sigmoid: ("saturated", saturated_sigmoid),
}
