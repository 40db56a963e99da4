"""The adversarial games: what the discriminator and what the generator minimise.

Both are functions of logits, the discriminator's raw outputs D(x) on a real and D(G(z)) on a
generated batch; where a formula needs a probability it is sigmoid(D), and -log sigmoid(D) and
-log(1 - sigmoid(D)) are the `logistic_loss` of D with targets 1 and 0. E is the mean over a batch.
Beside each pair of losses stand their slopes: the derivative by one logit, times the batch size.
A slope says what a network hears: a generator whose slope vanishes where it is losing learns
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tinygan.autograd import Tensor
from tinygan.backend import Device
from tinygan.losses.classification import logistic_loss
from tinygan.ops import ones_like, relu, sigmoid

__all__ = [
    "Game",
    "hinge",
    "least_squares",
    "minimax",
    "non_saturating",
    "wasserstein",
]

Slope = Callable[..., Tensor]


@dataclass(frozen=True)
class Game:
    """Two losses to minimise: `discriminator(real_logits, fake_logits)`, `generator(fake_logits)`.

    `slopes` are the first one's by a real and by a fake logit, then the second one's. A game that
    is `classed` takes (logit, log p) in place of a logit, as `with_classes` says.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    slopes: tuple[Slope, Slope, Slope] = field(repr=False)
    classed: bool = False

    def balance(self, real: Tensor, fake: Tensor) -> None:
        """What the game itself learns from a round's logits: nothing."""

    def to(self, device: str | Device) -> Game:
        """The game for a device: itself, for it holds no numbers."""
        return self

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the game: nothing."""
        return {}


# -- Goodfellow et al., "Generative Adversarial Nets", 2014, equation 1 -----------------------


def _minimax_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))], D = sigmoid(logit); 2 log 2 at D = 1/2.

    Slopes: D(x) - 1 and D(G(z)). The optimum is D = p_data / (p_data + p_G).
    """
    return logistic_loss(real, 1).mean() + logistic_loss(fake, 0).mean()


def _minimax_g(fake: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))]; -log 2 at D = 1/2.

    Slope: -D(G(z)). It vanishes where the discriminator is sure: the game saturates.
    """
    return -logistic_loss(fake, 0).mean()


minimax = Game(
    "minimax",
    _minimax_d,
    _minimax_g,
    (lambda logit: sigmoid(logit) - 1, sigmoid, lambda logit: -sigmoid(logit)),
)


# -- the same paper, section 3: the generator's own objective ---------------------------------


def _non_saturating_g(fake: Tensor) -> Tensor:
    """-E[log D(G(z))], D = sigmoid(logit); log 2 at D = 1/2.

    Slope: D(G(z)) - 1. It is -1 where the discriminator is sure.
    """
    return logistic_loss(fake, 1).mean()


non_saturating = Game(
    "non_saturating",
    _minimax_d,
    _non_saturating_g,
    (lambda logit: sigmoid(logit) - 1, sigmoid, lambda logit: sigmoid(logit) - 1),
)


# -- Mao et al., "Least Squares Generative Adversarial Networks", 2017, equation 9 ------------


def _least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(x) - 1)^2] / 2 + E[D(G(z))^2] / 2; 1/4 at D = 1/2.

    Slopes: D(x) - 1 and D(G(z)). The optimum is D = p_data / (p_data + p_G).
    """
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def _least_squares_g(fake: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2; 1/8 at D = 1/2.

    Slope: D(G(z)) - 1, which pulls samples towards D = 1 also from above.
    """
    return 0.5 * (fake - 1).square().mean()


least_squares = Game(
    "least_squares",
    _least_squares_d,
    _least_squares_g,
    (lambda logit: logit - 1, lambda logit: logit, lambda logit: logit - 1),
)


# -- Lim and Ye, "Geometric GAN", 2017 --------------------------------------------------------


def _hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]; 2 at D = 0.

    Slopes: -1 where D(x) < 1 and 1 where D(G(z)) > -1, else 0. The optimum is
    D = sign(p_data - p_G).
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()


def _wasserstein_g(fake: Tensor) -> Tensor:
    """-E[D(G(z))]; slope -1 everywhere."""
    return -fake.mean()


hinge = Game(
    "hinge",
    _hinge_d,
    _wasserstein_g,
    (
        lambda logit: -(logit < 1).to(logit.dtype),
        lambda logit: (logit > -1).to(logit.dtype),
        lambda logit: -ones_like(logit),
    ),
)


# -- Arjovsky, Chintala and Bottou, "Wasserstein GAN", 2017 -----------------------------------


def _wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(G(z))] - E[D(x)]; 0 where both distributions agree.

    Slopes: -1 and 1. If D is kept 1-Lipschitz (a gradient penalty, clipped weights), the least
    value is minus the Wasserstein-1 distance of p_data and p_G; otherwise it has no bound.
    """
    return fake.mean() - real.mean()


wasserstein = Game(
    "wasserstein",
    _wasserstein_d,
    _wasserstein_g,
    (lambda logit: -ones_like(logit), ones_like, lambda logit: -ones_like(logit)),
)
