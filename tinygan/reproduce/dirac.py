"""The Dirac-GAN: data at 0, G draws t, D(x) = c x. Every step of it is known exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import nan, sqrt
from typing import Any

import numpy as np

from tinygan.autograd import Parameter, Tensor, grad, wrap
from tinygan.losses import game, gradient_penalty, r1
from tinygan.optim import SGD
from tinygan.reproduce.experiment import Experiment, Quantity, Trial, Variant, told

RATE = 0.1
START = (1.0, 1.0)
NEAR = 1e-6  # a distance at which the equilibrium is all that counts

Vector = np.ndarray  # (t, c)


# -- by the engine ----------------------------------------------------------------------------


def descent(
    settings: Mapping[str, Any], t: Tensor, c: Tensor, twice: bool = False
) -> tuple[Tensor, Tensor]:
    """The directions (v_t, v_c) that the two players go, for tensors t and c of one number.

    Minus the gradient of G's loss by t and of D's by c, at the same point: simultaneous descent.
    With `consensus` k it is v - k grad |v|^2 / 2 (Mescheder et al., "The Numerics of GANs", 2017,
    algorithm 1). With `twice` the result can be differentiated again.
    """
    real, fake = wrap(np.zeros((1, 1), t.dtype)), t.reshape(1, 1)
    consensus = settings["consensus"]
    graph = twice or bool(consensus)

    def critic(x: Tensor) -> Tensor:
        return (x * c).reshape(-1)

    played = game(settings["game"])
    d_loss = played.discriminator(critic(real), critic(fake))
    if settings["penalty"] == "r1":
        d_loss = d_loss + settings["weight"] / 2 * r1(critic, real)
    elif settings["penalty"] == "gradient_penalty":
        d_loss = d_loss + settings["weight"] / 2 * gradient_penalty(critic, real, fake)
    (by_t,) = grad(played.generator(critic(fake)), t, create_graph=graph)
    (by_c,) = grad(d_loss, c, create_graph=graph)
    assert by_t is not None and by_c is not None
    if not consensus:
        return -by_t, -by_c
    half = (by_t * by_t + by_c * by_c).sum() / 2
    more_t, more_c = grad(half, [t, c], create_graph=twice)
    assert more_t is not None and more_c is not None
    return -by_t - consensus * more_t, -by_c - consensus * more_c


def trained(settings: Mapping[str, Any], start: tuple[float, float], steps: int) -> Vector:
    """The points (t, c) that gradient descent goes through, (steps + 1, 2)."""
    t, c = (Parameter(wrap(np.array([x]))) for x in start)
    optimizer = SGD([t, c], settings["rate"])
    path = [start]
    for _ in told(range(steps), steps):
        optimizer.update([-v for v in descent(settings, t, c)])
        path.append((t.item(), c.item()))
    return np.array(path)


def eigenvalues(settings: Mapping[str, Any]) -> Vector:
    """Of one step's Jacobian at the equilibrium, by differentiating through the descent."""
    t, c = (wrap(np.zeros(1)).requires_grad_() for _ in range(2))
    rows = []
    for v in descent(settings, t, c, twice=True):
        slopes = grad(v.sum(), [t, c], retain_graph=True, allow_unused=True)
        rows.append([0.0 if x is None else x.item() for x in slopes])
    return np.linalg.eigvals(np.eye(2) + settings["rate"] * np.array(rows))


def growth(settings: Mapping[str, Any], steps: int) -> float:
    """By how much a step near the equilibrium scales lengths, from two paths that begin there.

    The triangle that they span with the equilibrium grows by |product of the eigenvalues| a step,
    which for a pair of complex ones is the square of the spectral radius.
    """
    first, second = (trained(settings, p, steps) for p in ((NEAR, 0.0), (0.0, NEAR)))
    areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    return float((areas[-1] / areas[0]) ** (0.5 / steps))


# -- by hand ----------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def logistic(x: Vector) -> Vector:
    """s(ct) (c, -t): both players of the minimax game have the slope s(D(t)), s the sigmoid."""
    t, c = x
    return sigmoid(c * t) * np.array([c, -t])


def linear(x: Vector) -> Vector:
    """(c, -t)."""
    return np.array([x[1], -x[0]])


def one_centred(x: Vector, weight: float) -> Vector:
    """(c, -t - w (|c| - 1) sign c): D's slope is c everywhere, and the penalty wants |c| = 1."""
    return linear(x) - np.array([0.0, weight * (abs(x[1]) - 1) * np.sign(x[1])])


def zero_centred(x: Vector, weight: float) -> Vector:
    """s(ct) (c, -t) - (0, w c)."""
    return logistic(x) - np.array([0.0, weight * x[1]])


def agreed(x: Vector, consensus: float) -> Vector:
    """v - k grad (s^2 (t^2 + c^2) / 2), v = s(ct) (c, -t), s' = s (1 - s)."""
    t, c = x
    s = sigmoid(c * t)
    return logistic(x) - consensus * s**2 * (x + (1 - s) * (x @ x) * np.array([c, t]))


def iterated(field: Callable[[Vector], Vector], rate: float, steps: int) -> Vector:
    """x <- x + rate v(x)."""
    path = [np.array(START)]
    for _ in range(steps):
        path.append(path[-1] + rate * field(path[-1]))
    return np.array(path)


def flow(field: Callable[[Vector], Vector], rate: float, steps: int) -> Vector:
    """dx / dt = v(x) at the times 0, rate, 2 rate, ..., by ten Runge-Kutta steps for each."""
    h = rate / 10
    path = [np.array(START)]
    for _ in range(steps):
        x = path[-1]
        for _ in range(10):
            a = field(x)
            b = field(x + h / 2 * a)
            c = field(x + h / 2 * b)
            d = field(x + h * c)
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
        path.append(x)
    return np.array(path)


# -- the experiment ---------------------------------------------------------------------------

FIELDS: dict[str, Callable[[Vector, Mapping[str, Any]], Vector]] = {
    "GAN": lambda x, settings: logistic(x),
    "WGAN": lambda x, settings: linear(x),
    "WGAN-GP": lambda x, settings: one_centred(x, settings["weight"]),
    "R1": lambda x, settings: zero_centred(x, settings["weight"]),
    "consensus": lambda x, settings: agreed(x, settings["consensus"]),
}


def run(variant: Variant, seed: int, quick: bool, device: str, data_dir: str | None) -> Trial:
    """Three paths by the engine, compared with formulas; nothing in it is random."""
    begin = time.perf_counter()
    settings = variant.chosen(quick)
    steps, rate = settings["steps"], settings["rate"]
    field = FIELDS[settings["field"]]

    def by_hand(x: Vector) -> Vector:
        return field(x, settings)

    path = trained(settings, START, steps)
    expected = iterated(by_hand, rate, steps)
    smooth = settings["penalty"] != "gradient_penalty"  # |c| has no slope at the equilibrium
    distance = np.hypot(*path.T)
    figures = {
        "spectral radius": float(np.abs(eigenvalues(settings)).max()) if smooth else nan,
        "growth per step": growth(settings, steps) if smooth else nan,
        "converges": float(distance[-1] < 0.1 * distance[0]),
        "distance at the end": float(distance[-1]),
        "off the formula": float(np.abs(path - expected).max()),
    }
    samples = np.hstack([path, expected, flow(by_hand, rate, steps)])
    return Trial(figures, samples, time.perf_counter() - begin, steps)


def panel(axes: Any, samples: Vector) -> None:
    """The engine's points over the iteration by hand, and the flow that both approximate."""
    for columns, style in (
        ((4, 5), {"color": "black", "linewidth": 0.7, "linestyle": "--", "label": "flow"}),
        ((2, 3), {"color": "#dd8452", "linewidth": 2.5, "alpha": 0.6, "label": "by hand"}),
        ((0, 1), {"color": "#4c72b0", "linewidth": 0, "marker": ".", "markersize": 2.5,
                  "label": "engine"}),
    ):  # fmt: skip
        axes.plot(*samples[:, columns].T, **style)
    axes.plot(*START, "o", color="#c44e52", markersize=5)
    axes.plot(0, 0, "k+", markersize=8)
    axes.set_xlabel("t, where G draws", fontsize=7)
    axes.set_ylabel("c, D's slope", fontsize=7)
    axes.set_aspect("equal", adjustable="datalim")
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6, loc="lower left")


def variant(
    field: str,
    played: str,
    radius: float | None,
    converges: bool,
    *,
    penalty: str = "none",
    weight: float = 0.0,
    consensus: float = 0.0,
) -> Variant:
    """A row with its theory: the spectral radius, and the verdict of the paper."""
    published: dict[str, tuple[float, float | None]] = {"converges": (float(converges), None)}
    if radius is not None:
        published["spectral radius"] = published["growth per step"] = (radius, None)
    settings = {"field": field, "game": played, "penalty": penalty, "weight": weight,
                "consensus": consensus, "rate": RATE, "steps": 500}  # fmt: skip
    return Variant(settings, published, "theory", quick={"steps": 200})


GAMMA, CONSENSUS, WEIGHT = 0.3, 1.0, 1.0

EXPERIMENT = Experiment(
    name="dirac",
    title="Trajectories of the Dirac-GAN",
    source="Mescheder, Geiger and Nowozin, 2018; Mescheder, Nowozin and Geiger, 2017",
    criterion=(
        "Spectral radius of one step's Jacobian at the equilibrium t = c = 0: by derivatives of "
        "the step, and from how two paths near it grow. It converges if after the last step the "
        "distance is below a tenth of the first. Off the formula: the largest difference of a "
        "coordinate from the same steps written by hand."
    ),
    setup=(
        "Data at 0, G draws t, D(x) = c x, in float64 from t = c = 1; simultaneous gradient "
        f"descent with rate {RATE} by the games, penalties and the optimizer that networks are "
        f"trained with. R1 with gamma {GAMMA}, the one-centred penalty with weight {WEIGHT / 2}, "
        f"consensus optimisation with {CONSENSUS}."
    ),
    differences=(
        "The published figures are theory, and its verdict on convergence; steps and weights are "
        "ours. The paper's figures also show alternating descent and instance noise. WGAN-GP's "
        "field has no derivative at the equilibrium, so it has no spectral radius there."
    ),
    quantities=(
        Quantity("spectral radius", "near", ".6f"),
        Quantity("growth per step", "near", ".6f"),
        Quantity("converges", "near", ".0f"),
        Quantity("distance at the end", "lower", ".2g"),
        Quantity("off the formula", "lower", ".1e"),
    ),
    variants={
        # eigenvalues of the flow: +-i / 2, as the slope of the loss at a logit of 0 is 1 / 2
        "GAN": variant("GAN", "minimax", sqrt(1 + RATE**2 / 4), False),
        "WGAN": variant("WGAN", "wasserstein", sqrt(1 + RATE**2), False),
        "WGAN-GP": variant(
            "WGAN-GP", "wasserstein", None, False, penalty="gradient_penalty",
            weight=WEIGHT,
        ),
        # -gamma / 2 +- i sqrt(1 / 4 - gamma^2 / 4)
        "R1": variant(
            "R1", "minimax", sqrt((1 - RATE * GAMMA / 2) ** 2 + RATE**2 * (1 - GAMMA**2) / 4),
            True, penalty="r1", weight=GAMMA,
        ),
        # -k / 4 +- i / 2
        "consensus": variant(
            "consensus", "minimax", sqrt((1 - RATE * CONSENSUS / 4) ** 2 + RATE**2 / 4), True,
            consensus=CONSENSUS,
        ),
    },
    run=run,
    seeds=1,
    panel=panel,
)  # fmt: skip
