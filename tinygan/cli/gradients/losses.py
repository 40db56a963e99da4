"""Rows for the losses, the games and the penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan import losses
from tinygan.autograd import Tensor, wrap
from tinygan.cli.gradients.table import Domain, integers, normal, row, uniform
from tinygan.losses import (
    GAMES,
    PENALTIES,
    BoundaryEquilibrium,
    Game,
    PairGame,
    classification,
    regression,
)
from tinygan.losses.softmax import softmax_cross_entropy, softmax_cross_entropy_grad
from tinygan.ops import Generator, tanh


def distribution(*shape: int) -> Domain:
    """Positive numbers that sum to one along dimension 1."""

    def draw(random: np.random.Generator) -> np.ndarray:
        p = random.uniform(0.2, 1.0, shape)
        return p / p.sum(1, keepdims=True)

    return draw


def apart(low: float, high: float, *shape: int) -> Domain:
    """Numbers of either sign whose size is in [low, high): targets that stay on one side."""
    return lambda random: random.uniform(low, high, shape) * random.choice([-1.0, 1.0], shape)


# -- regression: distances on one side of the kinks, x near 0 and the target at its distance --

for _reduction in ("none", "sum", "mean"):
    row(
        "losses.mse_loss",
        lambda x, t, r=_reduction: losses.mse_loss(x, t, reduction=r),
        normal(2, 3),
        normal(2, 3),
    )
row("losses.l1_loss", losses.l1_loss, uniform(-0.1, 0.1, 2, 3), apart(0.3, 2.0, 2, 3))
for _low, _high in ((0.1, 0.3), (0.8, 2.0)):
    row(
        "losses.smooth_l1_loss",
        lambda x, t: losses.smooth_l1_loss(x, t, beta=0.5),
        uniform(-0.05, 0.05, 2, 3),
        apart(_low, _high, 2, 3),
    )
    row(
        "losses.huber_loss",
        lambda x, t: losses.huber_loss(x, t, delta=0.5),
        uniform(-0.05, 0.05, 2, 3),
        apart(_low, _high, 2, 3),
    )

for _far in (0.3, 2.0):
    row(
        "huber",
        lambda x, t: regression.huber(x, t, delta=0.8),
        uniform(-0.1, 0.1, 2, 3),
        apart(_far, 1.5 * _far, 2, 3),
    )
    row(
        "huber_grad",
        lambda g, x, t: g * regression.huber_grad(g, x, t, delta=0.8),
        *(normal(2, 3), uniform(-0.1, 0.1, 2, 3), apart(_far, 1.5 * _far, 2, 3)),
    )

# -- classification ---------------------------------------------------------------------------

row("logistic_loss", classification.logistic_loss, normal(2, 3), normal(2, 3))
row(
    "logistic_loss_grad",
    classification.logistic_loss_grad,
    *(normal(2, 3), normal(2, 3), normal(2, 3)),
)
row(
    "bernoulli_cross_entropy_grad",
    classification.bernoulli_cross_entropy_grad,
    *(normal(2, 3), uniform(0.1, 0.9, 2, 3), normal(2, 3)),
)
row("bernoulli_cross_entropy", losses.binary_cross_entropy, uniform(0.1, 0.9, 2, 3), normal(2, 3))
row(
    "losses.binary_cross_entropy",
    losses.binary_cross_entropy,
    uniform(0.1, 0.9, 2, 3),
    uniform(0.0, 1.0, 2, 3),
    normal(2, 3),
)
row(
    "losses.binary_cross_entropy_with_logits",
    losses.binary_cross_entropy_with_logits,
    normal(2, 3),
    uniform(0.0, 1.0, 2, 3),
)
row(
    "losses.binary_cross_entropy_with_logits",
    lambda x, t, w, p: losses.binary_cross_entropy_with_logits(x, t, w, pos_weight=p),
    normal(2, 3),
    uniform(0.0, 1.0, 2, 3),
    normal(3),
    uniform(0.5, 2.0, 3),
)


def _labels(*shape: int) -> Domain:
    """Three classes, the first position ignored."""

    def draw(random: np.random.Generator) -> np.ndarray:
        t = random.integers(0, 3, shape)
        t[0] = -100
        return t

    return draw


row("losses.cross_entropy", losses.cross_entropy, normal(4, 3), integers(3, 4))
for _reduction in ("none", "sum", "mean"):
    row(
        "softmax_cross_entropy",
        lambda x, t, r=_reduction: softmax_cross_entropy(x, t, ignore_index=1, reduction=r),
        normal(4, 3),
        integers(3, 4),
    )
    row(
        "softmax_cross_entropy_grad",
        lambda g, x, t, r=_reduction: softmax_cross_entropy_grad(
            g if r == "none" else g[0], x, t, ignore_index=1, reduction=r
        ),
        normal(4),
        normal(4, 3),
        integers(3, 4),
    )
row("losses.cross_entropy", losses.cross_entropy, normal(4, 3), distribution(4, 3), normal(3))
for _smoothing in (0.0, 0.2):
    row(
        "losses.cross_entropy",
        lambda x, t, w, s=_smoothing: losses.cross_entropy(x, t, w, label_smoothing=s),
        normal(4, 3, 2),
        _labels(4, 2),
        uniform(0.5, 2.0, 3),
    )
row(
    "losses.nll_loss",
    losses.nll_loss,
    normal(4, 3, 2),
    _labels(4, 2),
    uniform(0.5, 2.0, 3),
)
row("losses.kl_div", losses.kl_div, normal(4, 3), distribution(4, 3))
row(
    "losses.kl_div",
    lambda x, t: losses.kl_div(x, t, reduction="batchmean", log_target=True),
    normal(4, 3),
    normal(4, 3),
)

# -- games: logits on one side of hinge's kinks ------------------------------------------------


def _both(game: Game | BoundaryEquilibrium) -> Callable[[Tensor, Tensor], Any]:
    if isinstance(game, PairGame):
        return lambda real, fake: (game.discriminator(real, fake), game.generator(real, fake))

    def both(real: Tensor, fake: Tensor) -> Any:
        there = game.to(real.device)
        return there.discriminator(real, fake), there.generator(fake)

    return both


for _game in GAMES.values():
    _count = 4 if _game.name == "relativistic" else 5
    _shapes = (4, 1), (_count, 1)
    row(f"losses.{_game.name}", _both(_game), *(uniform(-0.8, 0.8, *s) for s in _shapes))
row("losses.hinge", _both(GAMES["hinge"]), uniform(1.2, 2.0, 4), uniform(-2.0, -1.2, 5))

for _game in (GAMES["minimax"], GAMES["least_squares"]):
    assert isinstance(_game, Game)
    row("losses.smoothed", _both(losses.smoothed(_game, 0.1)), normal(4, 1), normal(5, 1))
for _labelled in (True, False):
    for _name in ("hinge", "relativistic"):
        _game = GAMES[_name]
        assert isinstance(_game, Game)
        _classed = losses.with_classes(_game, 0.5, _labelled)
        row("losses.with_classes", _both(_classed), *[uniform(-0.8, 0.8, 4, 2)] * 2)
row("losses.verdict", losses.verdict, normal(4, 2))
row("losses.feature_matching", losses.feature_matching, normal(4, 3), normal(5, 3))

# -- penalties of a small network, by its weights; the batches are constants, for they detach them


def _penalized(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    def f(w1: Tensor, w2: Tensor) -> Tensor:
        random = np.random.default_rng(1)
        batches = (wrap(random.standard_normal((4, 3))).to(w1) for _ in range(2))
        extra = {}
        if name not in ("r1", "r2", "r1_r2"):  # the same points at every call
            extra["generator"] = Generator(w1.device).manual_seed(0)
        return PENALTIES[name](lambda x: tanh(x @ w1) @ w2, *batches, **extra)

    return f


for _name in PENALTIES:
    row(f"losses.{_name}", _penalized(_name), normal(3, 5), normal(5, 1))
