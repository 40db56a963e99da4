"""One round of the game, as in the algorithm box of the paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from tinygan.amp import GradScaler
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.distributed import averaged
from tinygan.losses import BoundaryEquilibrium, Game, PairGame, verdict
from tinygan.losses.classes import expect_logits
from tinygan.nn import Module
from tinygan.ops import randn, sigmoid, stack
from tinygan.optim import Optimizer
from tinygan.train.unrolled import full_loss, unrolled

Penalty = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]
Batch = Tensor | Sequence[Tensor]
Watch = Callable[..., None]
UNSCALED = (GradScaler(enabled=False), GradScaler(enabled=False))


def gan_step(
    generator: Module,
    discriminator: Module,
    generator_optimizer: Optimizer,
    discriminator_optimizer: Optimizer,
    reals: Iterable[Batch],
    latent: int,
    game: Game | BoundaryEquilibrium,
    penalty: Penalty | None = None,
    unroll: int = 0,
    reconstruction: Callable[[Tensor, Tensor], Tensor] | None = None,
    scalers: tuple[GradScaler, GradScaler] = UNSCALED,
    watch: Watch | None = None,
) -> dict[str, Tensor]:
    """Update D once for every batch of `reals`, then G once; return what happened, as tensors.

    Algorithm 1 of Goodfellow et al., "Generative adversarial nets" (2014): k steps of D (k is the
    number of batches in `reals`), one step of G, each on fresh noise. `penalty(D, real, fake)`,
    weighed already, is added to D's loss. Gradients are asked for by name, so D's parameters take
    none in G's step. A game of pairs compares G's samples with the last of the `reals`. Nothing is
    read back to the host.

    A batch may also be (x, labels): then G(z, labels) and D(x, labels) are told them. Labels may be
    images, from which G is to make x; `reconstruction(x, G(z, labels))`, weighed already, is then
    added to G's loss. With `unroll` k G plays against D as it would be k updates later, and its
    gradient goes through them. `watch` is told what there was: the last batches, their logits, the
    gradients of D and G. The `scalers` of D's loss and of G's are for gradients in float16.

    `d_real` and `d_fake` are the means of sigmoid(D): in `minimax` and `non_saturating` what D
    takes for the probability of being real, in other games its outputs, brought to 0..1.
    """
    d_scaler, g_scaler = scalers
    for real, *labels in map(parts, reals):
        critic = told(discriminator, labels)
        noise = randn(len(real), latent, device=real.device)  # sample
        with no_grad():
            fake = generator(noise, *labels)
        real_logits, fake_logits = critic(real), critic(fake)  # D loss
        expect_logits(game, real_logits, len(real))
        d_loss = game.discriminator(real_logits, fake_logits)
        d_total = d_loss if penalty is None else d_loss + penalty(critic, real, fake)
        d_total = d_scaler.scale(d_total)  # in float16 only
        d_gradients = grad(d_total, discriminator.parameters(), allow_unused=True)  # D gradient
        d_gradients = averaged(d_gradients)  # over the ranks, if there are several
        d_gradients = d_scaler.apply(discriminator_optimizer, d_gradients)  # D update

    noise = randn(len(real), latent, device=real.device)  # sample
    fake = generator(noise, *labels)
    if unroll:  # D as it will be
        ahead = full_loss(game, penalty, real, fake)
        critic = unrolled(discriminator, labels, discriminator_optimizer, ahead, unroll)
    logits = [critic(fake)]  # G loss
    if isinstance(game, PairGame):
        logits.insert(0, critic(real))
    g_loss = game.generator(*logits)
    g_total = g_loss if reconstruction is None else g_loss + reconstruction(real, fake)
    g_gradients = grad(g_scaler.scale(g_total), generator.parameters())  # G gradient
    g_gradients = averaged(g_gradients)
    g_gradients = g_scaler.apply(generator_optimizer, g_gradients)  # G update

    game.balance(real_logits, fake_logits)
    with no_grad():
        if watch is not None:
            watch(real, fake, real_logits, fake_logits, d_gradients, g_gradients)
        return {
            "d_loss": d_loss,
            "g_loss": g_loss.detach(),
            "d_real": sigmoid(verdict(real_logits)).mean(),
            "d_fake": sigmoid(verdict(fake_logits)).mean(),
            "d_grad_norm": norm(d_gradients),
            "g_grad_norm": norm(g_gradients),
        }


def parts(batch: Batch) -> Sequence[Tensor]:
    """(x,) or (x, labels)."""
    return [batch] if isinstance(batch, Tensor) else batch


def told(discriminator: Module, labels: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """x -> D(x, labels), or D itself where there are none."""
    return partial(_judge, discriminator, labels) if labels else discriminator


def _judge(discriminator: Module, labels: Sequence[Tensor], x: Tensor) -> Tensor:
    logits: Tensor = discriminator(x, *labels)
    return logits


def norm(tensors: Iterable[Tensor | None]) -> Tensor:
    """sqrt(sum of squares of all entries of all tensors)."""
    return stack([(x * x).sum() for x in tensors if x is not None]).sum().sqrt()
