"""Generators and discriminators."""

from __future__ import annotations

from tinygan.backend.errors import choose
from tinygan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from tinygan.models.mlp import MLPDiscriminator, MLPGenerator
from tinygan.nn import Module

MODELS = {
    "dcgan": (DCGANGenerator, DCGANDiscriminator),
    "mlp": (MLPGenerator, MLPDiscriminator),
}


def build(
    name: str, shape: tuple[int, ...], latent: int, width: int, normalize: bool = True
) -> tuple[Module, Module]:
    """Generator (N, latent) -> (N, *shape) and discriminator (N, *shape) -> (N,) logits.

    `normalize` puts batch normalisation into the discriminator; a penalty on its gradient wants
    none, because batch normalisation ties the samples of a batch together (Gulrajani et al.
    2017, section 4).
    """
    generator, discriminator = choose("model", name, MODELS)
    return generator(shape, latent, width), discriminator(shape, width, normalize)


__all__ = [
    "MODELS",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "build",
]
