"""Penalties on the discriminator's gradient by its input, to be added to its loss.

Each is differentiated again by the discriminator's weights (double backward). The gradient is
taken of the sum of all outputs, which gives each sample its own gradient as long as the
discriminator treats them one by one; batch normalisation does not. In a pack each sample has the
gradient of the pack's logit by that sample alone. Where it gives a map of logits, D(x) is their
mean, as it is in the games.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygan.autograd import Tensor, grad
from tinygan.backend.errors import choose
from tinygan.ops import rand

__all__ = [
    "PENALTIES",
    "divergence_penalty",
    "dragan",
    "gradient_penalty",
    "penalty",
    "r1",
    "r2",
]

Critic = Callable[[Tensor], Tensor]


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, center: float = 1.0, generator: Any = None
) -> Tensor:
    """E[(|grad_x D(x)| - center)^2] at x = e real + (1 - e) fake, e uniform in [0, 1] per sample.

    The norm is over all dimensions of a sample. Weight 10 in the paper: Gulrajani et al.,
    "Improved Training of Wasserstein GANs", 2017, algorithm 1. `generator` draws the e.
    """
    return (_norm(critic, _between(real, fake, generator)) - center).square().mean()


def divergence_penalty(
    critic: Critic, real: Tensor, fake: Tensor, power: float = 6.0, generator: Any = None
) -> Tensor:
    """E[|grad_x D(x)|^power] at x = e real + (1 - e) fake, e uniform in [0, 1] per sample.

    With `wasserstein`, weight 2 and power 6 it makes the Wasserstein divergence, which asks no
    Lipschitz condition: Wu et al., "Wasserstein Divergence for GANs", 2018, equation 11 and
    algorithm 1. `generator` draws the e.
    """
    squares = _slope(critic, _between(real, fake, generator)).square()
    return (squares.reshape(len(squares), -1).sum(1) ** (power / 2)).mean()


def dragan(
    critic: Critic, real: Tensor, center: float = 1.0, spread: float = 0.5, generator: Any = None
) -> Tensor:
    """E[(|grad_x D(x + d)| - center)^2] at real x, d = spread std(x) u, u uniform in [0, 1].

    The standard deviation is that of all numbers of the batch, and u is drawn for each of them.
    Weight 10 in the paper: Kodali et al., "On Convergence and Stability of GANs", 2017, section
    2.3, whose noise is normal. This one is from its authors' program, which goes only a random
    part of the way to x + d, one for each sample. `generator` draws the u.
    """
    u = rand(real.shape, generator=generator, dtype=real.dtype, device=real.device)
    x = real.detach()
    return (_norm(critic, x + spread * x.std(correction=0) * u) - center).square().mean()


def r1(critic: Critic, real: Tensor) -> Tensor:
    """E[|grad_x D(x)|^2] at real x; the paper adds it with weight gamma / 2, gamma = 10.

    Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018.
    """
    return _slope(critic, real).square().sum() / real.shape[0]


def r2(critic: Critic, fake: Tensor) -> Tensor:
    """E[|grad_x D(x)|^2] at generated x, otherwise as `r1`."""
    return r1(critic, fake)


def _between(real: Tensor, fake: Tensor, generator: Any) -> Tensor:
    """e real + (1 - e) fake, e uniform in [0, 1] per sample."""
    if real.shape != fake.shape:
        raise ValueError(
            f"the penalty: the real batch has shape {tuple(real.shape)}, the generated one "
            f"{tuple(fake.shape)}; they are mixed sample by sample and must agree"
        )
    e = rand(
        (real.shape[0], *(1,) * (real.ndim - 1)),
        generator=generator,
        dtype=real.dtype,
        device=real.device,
    )
    return e * real.detach() + (1 - e) * fake.detach()


def _norm(critic: Critic, x: Tensor) -> Tensor:
    """|grad_x D(x)| of every sample, over all of its dimensions."""
    slope = _slope(critic, x)
    return slope.reshape(len(slope), -1).norm(dim=1)


def _slope(critic: Critic, x: Tensor) -> Tensor:
    """grad_x sum D(x), of x's shape, which can be differentiated again."""
    x = x.detach().requires_grad_()
    logits = critic(x)
    if logits.ndim > 2:
        logits = logits.flatten(1).mean(1)
    (slope,) = grad(logits.sum(), x, create_graph=True)
    assert slope is not None
    return slope


# what training calls: penalty(critic, real, fake)
PENALTIES: dict[str, Callable[..., Tensor]] = {
    "gradient_penalty": gradient_penalty,
    "divergence_penalty": divergence_penalty,
    "dragan": lambda critic, real, fake, **options: dragan(critic, real, **options),
    "r1": lambda critic, real, fake: r1(critic, real),
    "r2": lambda critic, real, fake: r2(critic, fake),
    "r1_r2": lambda critic, real, fake: r1(critic, real) + r2(critic, fake),
}


def penalty(name: str) -> Callable[..., Tensor]:
    """The penalty of that name; an unknown name is a ValueError with the nearest right one."""
    return choose("penalty", name, PENALTIES)
