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


def steps(case: Case, seed: int, data_dir: str | None = None) -> Iterator[dict[str, Any]]:
    """The records of a run, as metrics.jsonl holds them."""
    config = replace(case.config, seed=seed)
    training = Training(config, load(config.data, data_dir=data_dir, size=config.size), "cpu")
    pending: list[dict[str, Any]] = []
    while training.step < config.steps:
        if training.step == case.at and case.plant is not None:
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


def far_start(training: Training) -> None:
    """G begins where no data is: every number of its samples is moved by 8 before any tanh."""
    layers = [m for m in training.generator.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    with no_grad():
        layers[-1].bias += 8.0


def tiny_generator(training: Training) -> None:
    """All but two units of each of G's hidden layers silenced."""

    def silence(module: nn.Module, given: Any, y: Tensor) -> Tensor:
        kept = (arange(y.shape[1], device=y.device) < 2).to(y.dtype)
        return y * kept.reshape(-1, *(1,) * (y.ndim - 2))

    for module in training.generator.modules():
        if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
            module.register_forward_hook(silence)
