"""Games of pairs: a sample's logit counts only beside those of the other side.

As in `games`, E is the mean over a batch and a slope is a derivative by one logit, times the size
of its batch. Here slopes are functions of both batches, and the generator's loss hears D(x) too.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinygan.autograd import Tensor
from tinygan.losses.classification import logistic_loss
from tinygan.losses.games import Game
from tinygan.ops import cat, log_softmax, sigmoid

__all__ = ["PairGame", "relativistic", "relativistic_average", "softmax_game"]


@dataclass(frozen=True)
class PairGame(Game):
    """A game in which both losses, and the slopes, are functions of (real_logits, fake_logits)."""


# -- Jolicoeur-Martineau, "The relativistic discriminator", 2018, section 4.1 -----------------


def _relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log sigmoid(D(x) - D(G(z)))] over pairs (x, G(z)); log 2 where D(x) = D(G(z)).

    Slopes: -s by D(x) and s by D(G(z)), s = sigmoid(D(G(z)) - D(x)). No constant added to D
    changes it. With R1 and R2 it is the game of Huang et al., "The GAN is dead; long live the
    GAN! A modern GAN baseline", 2024.
    """
    return logistic_loss(_difference(real, fake), 1).mean()


def _relativistic_g(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log sigmoid(D(G(z)) - D(x))] over the same pairs; log 2 where D(x) = D(G(z)).

    Slope: -sigmoid(D(x) - D(G(z))). It is -1 where the discriminator is sure.
    """
    return logistic_loss(_difference(real, fake), 0).mean()


def _difference(real: Tensor, fake: Tensor) -> Tensor:
    if real.shape != fake.shape:
        raise ValueError(
            f"relativistic: {tuple(real.shape)} real and {tuple(fake.shape)} generated logits; "
            "they are compared in pairs and must be as many, or use relativistic_average"
        )
    return real - fake


relativistic = PairGame(
    "relativistic",
    _relativistic_d,
    _relativistic_g,
    (
        lambda real, fake: -sigmoid(fake - real),
        lambda real, fake: sigmoid(fake - real),
        lambda real, fake: -sigmoid(real - fake),
    ),
)


# -- the same paper, section 4.2 --------------------------------------------------------------


def _relativistic_average_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log S(D(x) - E D(G(z)))] - E[log S(E D(x) - D(G(z)))], S = sigmoid; 2 log 2 if all agree.

    Slopes: -S(E D(G(z)) - D(x)) - E[S(D(G(z)) - E D(x))] by D(x), the same with the sides
    exchanged and the sign turned by D(G(z)).
    """
    return logistic_loss(real - fake.mean(), 1).mean() + logistic_loss(fake - real.mean(), 0).mean()


def _relativistic_average_g(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log S(D(G(z)) - E D(x))] - E[log S(E D(G(z)) - D(x))], S = sigmoid; 2 log 2 if all agree.

    Slope: -S(E D(x) - D(G(z))) - E[S(D(x) - E D(G(z)))].
    """
    return _relativistic_average_d(fake, real)


def _average_slope(x: Tensor, other: Tensor) -> Tensor:
    """The slope by a logit x of the side that is to lie above."""
    return -sigmoid(other.mean() - x) - sigmoid(other - x.mean()).mean()


relativistic_average = PairGame(
    "relativistic_average",
    _relativistic_average_d,
    _relativistic_average_g,
    (
        lambda real, fake: _average_slope(real, fake),
        lambda real, fake: -_average_slope(-fake, -real),
        lambda real, fake: _average_slope(fake, real),
    ),
)


# -- Lin, "Softmax GAN", 2017, equations 8 and 9; its D is minus the logit here ----------------


def _softmax_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log p(x)], p = softmax of D over both batches B; log |B| where all logits agree.

    The cross entropy between p and the uniform distribution on the real half. Slopes, with n
    logits in a batch: n p(x) - 1 by D(x) and n p(G(z)) by D(G(z)).
    """
    return -_log_shares(real, fake)[0].mean()


def _softmax_g(real: Tensor, fake: Tensor) -> Tensor:
    """-(mean of log p over both batches B), p = softmax of D over B; log |B| where all agree.

    Slope, with n generated logits: n p(G(z)) - n / |B|.
    """
    return -log_softmax(_together(real, fake), 0).mean()


def _together(real: Tensor, fake: Tensor) -> Tensor:
    return cat([real.reshape(-1), fake.reshape(-1)])


def _log_shares(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """log p of either batch."""
    logs, n = log_softmax(_together(real, fake), 0), real.numel()
    return logs[:n].reshape(real.shape), logs[n:].reshape(fake.shape)


def _shares(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """n p of either batch."""
    of_real, of_fake = _log_shares(real, fake)
    return of_real.exp() * real.numel(), of_fake.exp() * fake.numel()


softmax_game = PairGame(
    "softmax_game",
    _softmax_d,
    _softmax_g,
    (
        lambda real, fake: _shares(real, fake)[0] - 1,
        lambda real, fake: _shares(real, fake)[1],
        lambda real, fake: _shares(real, fake)[1] - fake.numel() / (real.numel() + fake.numel()),
    ),
)
