"""The discriminator some updates ahead, as a function of what the generator draws now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinygan.autograd import Tensor
from tinygan.losses import BoundaryEquilibrium, Game
from tinygan.nn import Module, functional_call
from tinygan.optim import Optimizer, look_ahead

Critic = Callable[[Tensor], Tensor]


def unrolled(
    discriminator: Module,
    labels: Sequence[Tensor],
    optimizer: Optimizer,
    loss: Callable[[Critic], Tensor],
    steps: int,
) -> Critic:
    """x -> D(x, labels) with the weights that D would have after so many updates for `loss`(D).

    The critic can be differentiated by all that the loss depends on, through the updates: a
    generator that follows its gradient foresees D's answer. Source: Metz et al., "Unrolled
    Generative Adversarial Networks", 2017, equations 5 to 7. D itself does not change.
    """
    names = [name for name, _ in discriminator.named_parameters()]

    def told(weights: Sequence[Tensor]) -> Critic:
        by_name = dict(zip(names, weights, strict=True))
        return lambda x: functional_call(discriminator, by_name, x, *labels)

    return told(look_ahead(optimizer, lambda weights: loss(told(weights)), steps))


def full_loss(
    game: Game | BoundaryEquilibrium,
    penalty: Callable[[Critic, Tensor, Tensor], Tensor] | None,
    real: Tensor,
    fake: Tensor,
) -> Callable[[Critic], Tensor]:
    """D -> D's loss on these batches, with its penalty."""

    def loss(critic: Critic) -> Tensor:
        total = game.discriminator(critic(real), critic(fake))
        return total if penalty is None else total + penalty(critic, real, fake)

    return loss
