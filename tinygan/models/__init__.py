"""Generators and discriminators."""

from __future__ import annotations

from tinygan.backend.errors import choose
from tinygan.models.autoencoder import Autoencoder
from tinygan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from tinygan.models.mlp import MLPDiscriminator, MLPGenerator
from tinygan.nn import Module

MODELS = {
    "dcgan": (DCGANGenerator, DCGANDiscriminator),
    "mlp": (MLPGenerator, MLPDiscriminator),
}


def build(
    name: str,
    shape: tuple[int, ...],
    latent: int,
    width: int,
    normalize: bool = True,
    energy: bool = False,
) -> tuple[Module, Module]:
    """Generator (N, latent) -> (N, *shape) and discriminator (N, *shape) -> (N,) logits.

    `normalize` puts batch normalisation into the discriminator; a penalty on its gradient wants
    none, because batch normalisation ties the samples of a batch together (Gulrajani et al.
    2017, section 4). With `energy` the discriminator is an autoencoder whose code is as large as
    the noise, and its output the energy of a sample in place of a logit.
    """
    make, judge = choose("model", name, MODELS)
    generator = make(shape, latent, width)
    if not energy:
        return generator, judge(shape, width, normalize)
    encoder = judge(shape, width, normalize, outputs=latent)
    return generator, Autoencoder(encoder, make(shape, latent, width))
