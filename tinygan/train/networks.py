"""The networks and the game that a configuration asks for."""

from __future__ import annotations

from typing import Any

from tinygan.backend.errors import UserError
from tinygan.losses import BoundaryEquilibrium, Game, game, smoothed, with_classes
from tinygan.models import Augmented, InstanceNoise, build, build_conditional
from tinygan.nn import Module
from tinygan.train.config import Config


def count_classes(config: Config, dataset: Any) -> int:
    """How many classes the networks are told of; 0 if none."""
    if config.conditional == "none":
        return 0
    if config.conditional == "codes":
        return config.codes
    labels = getattr(dataset, "labels", None)
    if labels is None:
        raise UserError(
            f"--conditional {config.conditional} needs data with classes, and {config.data} has "
            "none; --conditional codes finds classes of its own"
        )
    return int(labels.max()) + 1


def make_networks(config: Config, shape: tuple[int, ...], classes: int) -> tuple[Module, Module]:
    """Generator and discriminator, the latter in what its input goes through."""
    sizes = (config.model, shape, config.latent, config.width, config.normalizes)
    if classes:
        generator, discriminator = build_conditional(
            config.conditional, classes, *sizes, varied=config.minibatch_std
        )
    else:
        generator, discriminator = build(
            *sizes,
            energy=config.game == "boundary_equilibrium",
            packing=config.packing,
            varied=config.minibatch_std,
        )
    if config.augment != "none":
        if len(shape) != 3:
            raise UserError(
                f"--augment {config.augment} is for images, and {config.data} has points; noise on "
                "points is --instance-noise"
            )
        discriminator = Augmented(discriminator, config.augment)
    if config.instance_noise:
        discriminator = InstanceNoise(discriminator, config.instance_noise)
    return generator, discriminator


def make_game(config: Config, device: str) -> Game | BoundaryEquilibrium:
    """The game, its targets smoothed and with a classifier beside it if asked for."""
    played = game(config.game).to(device)
    if config.label_smoothing:
        played = smoothed(played, config.label_smoothing)
    if config.conditional in ("auxiliary", "codes") and isinstance(played, Game):
        labelled = config.conditional == "auxiliary"
        played = with_classes(played, config.class_weight, labelled)
    return played
