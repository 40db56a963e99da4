"""Two networks that play a game on data for so many steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, compile, grad, no_grad
from tinygan.data import DataLoader
from tinygan.data.dataset import to_float
from tinygan.data.resident import resident
from tinygan.losses import PENALTIES, Game, PairGame
from tinygan.losses import game as game_called
from tinygan.nn import Module
from tinygan.ops import Generator, cat, manual_seed, randn, tensor
from tinygan.optim import EMA, Adam
from tinygan.reproduce.experiment import told
from tinygan.train.state import cosine
from tinygan.train.step import gan_step

SHOWN = 64


@dataclass(frozen=True)
class Match:
    """How the networks play; `weight` is that of the penalty.

    G is updated `g_steps` times after `n_critic` updates of D. Learning rates fall linearly to
    `lr_end` of what they were; `weight` and `beta2` go to `weight_end` and `beta2_end`, unless
    these are 0, by half a cosine. Above 0, `ema` is the decay of an average of G's weights, which
    then draws the samples.
    """

    game: str
    steps: int
    batch: int
    latent: int
    lr_g: float
    lr_d: float
    beta1: float
    beta2: float
    penalty: str = "none"
    weight: float = 0.0
    weight_end: float = 0.0
    beta2_end: float = 0.0
    n_critic: int = 1
    g_steps: int = 1
    lr_end: float = 1.0
    ema: float = 0.0

    @staticmethod
    def of(settings: Mapping[str, Any], **others: Any) -> Match:
        """The match of a variant's settings, which may have more in them, and of these others."""
        names = {field.name for field in fields(Match)}
        return Match(**{**{k: v for k, v in settings.items() if k in names}, **others})

    def play(
        self, generator: Module, discriminator: Module, dataset: Any, seed: int, device: str
    ) -> tuple[Module, float]:
        """Train both; the network to draw with, and the seconds it took."""
        generator.to(device)
        discriminator.to(device)
        betas = (self.beta1, self.beta2)
        g_optimizer = Adam(generator.parameters(), self.lr_g, betas)
        d_optimizer = Adam(discriminator.parameters(), self.lr_d, betas)
        game = game_called(self.game)
        assert isinstance(game, Game)
        weight = tensor(self.weight, device=device)
        penalty = None
        if self.penalty != "none":
            slope = PENALTIES[self.penalty]
            penalty = lambda critic, real, fake: weight * slope(critic, real, fake)  # noqa: E731
        average = EMA(generator, self.ema) if self.ema else None
        loader = DataLoader(
            resident(dataset, device),
            self.batch,
            shuffle=True,
            drop_last=True,
            generator=Generator().manual_seed(seed),
            device=device,
        )
        manual_seed(2 * seed + 1)  # that of the weights was 2 seed

        @compile
        def play_once(*reals: Tensor) -> None:
            gan_step(
                generator,
                discriminator,
                g_optimizer,
                d_optimizer,
                reals,
                self.latent,
                game,
                penalty,
            )
            for _ in range(self.g_steps - 1):
                fake = generator(randn(len(reals[-1]), self.latent, device=device))
                logits = [discriminator(fake)]
                if isinstance(game, PairGame):
                    logits.insert(0, discriminator(reals[-1]))
                loss = game.generator(*logits)
                g_optimizer.update(grad(loss, generator.parameters()))
            if average is not None:
                average.update()

        batches = loader.forever()
        before = time.perf_counter()
        for step in told(range(self.steps), self.steps):
            progress = step / self.steps
            for optimizer, rate in ((g_optimizer, self.lr_g), (d_optimizer, self.lr_d)):
                for group in optimizer.param_groups:
                    group["lr"] = rate * (1 - progress * (1 - self.lr_end))
                    if self.beta2_end:
                        beta2 = cosine(self.beta2, self.beta2_end, progress)
                        group["betas"] = (self.beta1, beta2)
            if self.weight_end:
                with no_grad():
                    weight.fill_(cosine(self.weight, self.weight_end, progress))
            play_once(*(next(batches)[0] for _ in range(self.n_critic)))
        batches.close()
        seconds = time.perf_counter() - before
        return generator if average is None else average.module, seconds


@no_grad()
def drawn(
    generator: Module, latent: int, count: int, seed: int, device: str, at_once: int = 500
) -> Tensor:
    """So many samples of the noise of a seed, in the mode the generator is in, on the host."""
    random = Generator(device=device).manual_seed(seed)
    parts = []
    for start in range(0, count, at_once):
        noise = randn(min(at_once, count - start), latent, generator=random, device=device)
        parts.append(generator(noise).cpu())
    return cat(parts)


def pictured(images: np.ndarray) -> np.ndarray:
    """The first of uint8 images (N, H, W, C), in the form that a trial keeps for its picture."""
    return np.moveaxis(to_float(images[:SHOWN]), -1, 1)
