"""Changes to a game: smoothed targets, and matching D's features in place of its verdict."""

from __future__ import annotations

from dataclasses import replace

from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError
from tinygan.losses.classification import logistic_loss
from tinygan.losses.equilibrium import BoundaryEquilibrium
from tinygan.losses.games import Game
from tinygan.ops import sigmoid

__all__ = ["feature_matching", "smoothed"]

SMOOTHED = ("minimax", "non_saturating", "least_squares")


def smoothed(game: Game | BoundaryEquilibrium, smoothing: float) -> Game:
    """The game with the target 1 - s in place of 1 for D on real samples, only there.

    minimax, non_saturating: -E[(1 - s) log D(x) + s log(1 - D(x))] - E[log(1 - D(G(z)))], slope
    D(x) - (1 - s), optimum D = (1 - s) p_data / (p_data + p_G); least_squares:
    E[(D(x) - (1 - s))^2] / 2 + E[D(G(z))^2] / 2. Source: Salimans et al., "Improved Techniques for
    Training GANs", 2016, section 3.4.
    """
    if not 0 <= smoothing < 1:
        raise UserError(f"label smoothing is {smoothing}, expected a number from 0 and below 1")
    if not isinstance(game, Game) or game.name not in SMOOTHED:
        raise UserError(
            f"the game {game.name} has no target to smooth; {', '.join(SMOOTHED)} have one"
        )
    if game.classed:
        raise UserError(
            f"the game {game.name} takes pairs (logit, log p) already; smooth it first, "
            "with_classes(smoothed(game, s))"
        )
    target = 1 - smoothing
    _, on_fake, generator = game.slopes
    if game.name != "least_squares":
        return replace(
            game,
            discriminator=lambda real, fake: (
                logistic_loss(real, target).mean() + logistic_loss(fake, 0).mean()
            ),
            slopes=(lambda logit: sigmoid(logit) - target, on_fake, generator),
        )
    return replace(
        game,
        discriminator=lambda real, fake: (
            0.5 * (real - target).square().mean() + 0.5 * fake.square().mean()
        ),
        slopes=(lambda logit: logit - target, on_fake, generator),
    )


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """|E[f(x)] - E[f(G(z))]|^2 for features f of a discriminator, both (N, ...).

    A loss for the generator in place of its own, 0 where the means agree. Source: Salimans et al.,
    "Improved Techniques for Training GANs", 2016, section 3.1.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"feature_matching: features of shape {tuple(real.shape[1:])} of real and "
            f"{tuple(fake.shape[1:])} of generated samples; both must come from one layer"
        )
    return (real.mean(0) - fake.mean(0)).square().sum()
