"""Losses: regression and classification, the adversarial games, and gradient penalties."""

from tinygan.losses.classification import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    nll_loss,
)
from tinygan.losses.games import (
    GAMES,
    Game,
    game,
    hinge,
    least_squares,
    minimax,
    non_saturating,
    wasserstein,
)
from tinygan.losses.penalties import PENALTIES, gradient_penalty, penalty, r1, r2
from tinygan.losses.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss

__all__ = [
    "GAMES",
    "PENALTIES",
    "Game",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "game",
    "gradient_penalty",
    "hinge",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "least_squares",
    "minimax",
    "mse_loss",
    "nll_loss",
    "non_saturating",
    "penalty",
    "r1",
    "r2",
    "smooth_l1_loss",
    "wasserstein",
]
