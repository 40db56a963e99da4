"""Generators that are fitted, not trained: one step, and a run directory as any other."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from tinygan.backend.errors import UserError
from tinygan.baselines import BASELINES, Fitted
from tinygan.data import Images, save_picture
from tinygan.ops import Generator, randn
from tinygan.train.config import Config
from tinygan.train.pictures import picture
from tinygan.train.run import Run, fitting, writing
from tinygan.train.state import SAMPLES, draw

USED = ("data", "data_dir", "model", "size", "seed")  # choices that a fit depends on


def fit(config: Config, dataset: Any) -> tuple[Fitted, Config, dict[str, Any]]:
    """The generator that `config.model` names; the configuration with its noise, and metrics."""
    if not isinstance(dataset, Images):
        raise UserError(
            f"{config.model} is a model of images, and {config.data} has none; models of points "
            "are mlp"
        )
    begun = time.perf_counter()
    generator = BASELINES[config.model].fit(dataset.images, dataset.labels, config.seed)
    seconds = time.perf_counter() - begun
    config = replace(config, latent=generator.latent, steps=1)
    return generator, config, {"step": 1, "seconds": seconds, "time": time.time()}


def keep(run: Run, generator: Fitted, metrics: dict[str, Any], seed: int) -> None:
    """Leave in a run what was fitted, and a picture of samples."""
    run.append([metrics])
    noise = randn(SAMPLES, generator.latent, generator=Generator().manual_seed(seed))
    path = run.samples / "step-000001.png"
    origin = run.origin(seed, 1, generator)
    with writing(path):
        save_picture(picture(draw(generator, noise)), path, origin=origin)
    state = {"generator": generator.state_dict(), "settings": generator.settings}
    run.checkpoint({**state, "step": 1})


def restore(run: Run, config: Config) -> Fitted:
    """The generator that `keep` left in a run."""
    state = run.restore()
    make = BASELINES[config.model]
    with fitting(run.newest()):
        return make(run.shape(), **state["generator"], **state["settings"])
