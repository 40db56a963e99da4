"""Losses: regression and classification, the adversarial games, and gradient penalties."""

from tinygan.losses.catalogue import GAMES, game
from tinygan.losses.classes import verdict, with_classes
from tinygan.losses.classification import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    nll_loss,
)
from tinygan.losses.equilibrium import BoundaryEquilibrium, boundary_equilibrium
from tinygan.losses.games import Game, hinge, least_squares, minimax, non_saturating, wasserstein
from tinygan.losses.pairs import PairGame, relativistic, relativistic_average, softmax_game
from tinygan.losses.penalties import (
    PENALTIES,
    divergence_penalty,
    dragan,
    gradient_penalty,
    penalty,
    r1,
    r2,
)
from tinygan.losses.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from tinygan.losses.tricks import feature_matching, smoothed

__all__ = [
    "GAMES",
    "PENALTIES",
    "BoundaryEquilibrium",
    "Game",
    "PairGame",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "boundary_equilibrium",
    "cross_entropy",
    "divergence_penalty",
    "dragan",
    "feature_matching",
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
    "relativistic",
    "relativistic_average",
    "smooth_l1_loss",
    "smoothed",
    "softmax_game",
    "verdict",
    "wasserstein",
    "with_classes",
]
