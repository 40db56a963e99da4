"""Runs for the detectors of failing training: healthy ones, and ones with a failure planted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tinygan import nn
from tinygan.autograd import Tensor, no_grad
from tinygan.data import load
from tinygan.ops import arange, zeros_like
from tinygan.train import Config, Training
from tinygan.train.metrics import Metrics

FLUSH = 10
ALONE = 300  # steps of D before a bad start

Plant = Callable[[Training], None]


@dataclass(frozen=True)
class Case:
    """A run: its configuration, and what is done to it before step `at` (0: to a new one)."""

    name: str
    config: Config
    plant: Plant | None = None
    at: int = 0
    expected: tuple[str, ...] = ()  # the detectors that may name the failure
    failure: str = "none"
    seeds: int = 5

    @property
    def begun(self) -> int:
        """The step after which the failure is there."""
        return ALONE if self.plant is bad_start else self.at


def steps(case: Case, seed: int, data_dir: str | None = None) -> Iterator[dict[str, Any]]:
    """The records of a run, as metrics.jsonl holds them."""
    config = replace(case.config, seed=seed)
    training = Training(config, load(config.data, data_dir=data_dir, size=config.size), "cpu")
    pending: list[dict[str, Any]] = []
    planted = False
    while training.step < config.steps:
        if training.step == case.at and case.plant is not None and not planted:
            planted = True
            case.plant(training)
            training._record()  # the steps recorded so far are without it
        pending.append({**training.advance(), "time": time.time()})
        if len(pending) == FLUSH or training.step == config.steps:
            first = training.step - len(pending) + 1
            for step, record in enumerate(Metrics(pending).arrived(), first):
                yield {"step": step, **record}
            pending = []


# -- what is planted --------------------------------------------------------------------------


def fast_discriminator(training: Training) -> None:
    """D's learning rate times 100."""
    scheduler = training.schedulers[1]
    scheduler.base_lrs = [100 * rate for rate in scheduler.base_lrs]


def without_noise(training: Training) -> None:
    """G gets zeros in place of its noise."""
    training.generator.register_forward_pre_hook(
        lambda module, given: (zeros_like(given[0]), *given[1:])
    )


def bad_start(training: Training) -> None:
    """G begins where no data is, and D has learnt that in 300 steps in which G stood still.

    Every number of G's samples is moved by 8, before tanh if there is one.
    """
    layers = [m for m in training.generator.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    with no_grad():
        layers[-1].bias += 8.0
    scheduler = training.schedulers[0]
    rates, scheduler.base_lrs = scheduler.base_lrs, [0.0]
    training.generator_optimizer.param_groups[0]["lr"] = 0.0
    for _ in range(ALONE):
        training.advance()
    scheduler.base_lrs = rates


def tiny_generator(training: Training) -> None:
    """All but two units of each of G's hidden layers silenced."""

    def silence(module: nn.Module, given: Any, y: Tensor) -> Tensor:
        kept = (arange(y.shape[1], device=y.device) < 2).to(y.dtype)
        return y * kept.reshape(-1, *(1,) * (y.ndim - 2))

    for module in training.generator.modules():
        if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
            module.register_forward_hook(silence)


# -- the runs ---------------------------------------------------------------------------------

TOY = Config(
    data="ring", model="mlp", latent=16, width=64, batch_size=128, lr_g=1e-3, lr_d=1e-3,
    penalty="r1", penalty_weight=0.5, steps=3000, schedule="constant",
)  # fmt: skip
GRID = replace(TOY, data="grid", game="relativistic", penalty_weight=0.1)
DIGITS = Config(width=16, steps=700)
MNIST = Config(data="mnist", model="mlp", width=64, lr_g=2e-4, lr_d=2e-4)
CRITIC = Config(
    data="mnist", width=16, game="wasserstein", penalty="gradient_penalty", n_critic=3,
    lr_g=5e-4, beta1=0.0, beta2=0.9, steps=600,
)  # fmt: skip

HEALTHY = [
    Case("ring", TOY),
    Case("grid", GRID),
    Case("glyphs-dcgan", DIGITS, seeds=3),
    Case("mnist-mlp", MNIST),
    Case("mnist-wgan-gp", CRITIC, seeds=3),
]

FAST = "D's learning rate times 100"
BAD = "saturating loss from a bad start"
FIXED = "no noise"
TINY = "a tiny G"
LOST = ("divergence", "jump", "discriminator_won", "oscillation")

FAILING = [
    Case("ring-fast-d", TOY, fast_discriminator, 1525, LOST, FAST),
    Case("mnist-fast-d", MNIST, fast_discriminator, 525, LOST, FAST),
    Case("glyphs-fast-d", DIGITS, fast_discriminator, 325, LOST, FAST, seeds=3),
    Case("ring-bad-start", replace(TOY, game="minimax", penalty="none"), bad_start, 0, LOST, BAD),
    Case("mnist-bad-start", replace(MNIST, game="minimax"), bad_start, 0, LOST, BAD),
    Case("ring-no-noise", TOY, without_noise, 1500, ("collapse",), FIXED),
    Case("glyphs-no-noise", DIGITS, without_noise, 100, ("collapse",), FIXED, seeds=3),
    Case("grid-tiny-g", GRID, tiny_generator, 0, ("collapse",), TINY),
    Case(
        "ring-momentum",
        replace(TOY, game="wasserstein", penalty="none", clip=0.1, beta1=0.9,
                lr_g=5e-3, lr_d=5e-3),
        None, 0, ("oscillation",), "momentum 0.9 and clipped weights",
    ),
]  # fmt: skip

CASES = [*FAILING, *HEALTHY]

COSTS = {
    "points, mlp of 128": Config(data="ring", model="mlp", width=128, latent=2, batch_size=256),
    "28 x 28, mlp of 128": Config(model="mlp", width=128),
    "28 x 28, dcgan of 48": Config(),
    "28 x 28, dcgan of 48, gradient penalty": Config(
        game="wasserstein", penalty="gradient_penalty"
    ),
}
