"""Generators and discriminators, and what a discriminator may be wrapped in."""

from __future__ import annotations

from tinygan.backend.errors import choose
from tinygan.models.augment import Augmented, InstanceNoise
from tinygan.models.autoencoder import Autoencoder
from tinygan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from tinygan.models.mlp import MLPDiscriminator, MLPGenerator
from tinygan.models.packing import Packed, pack
from tinygan.nn import Module

__all__ = [
    "MODELS",
    "Augmented",
    "Autoencoder",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "InstanceNoise",
    "MLPDiscriminator",
    "MLPGenerator",
    "Packed",
    "build",
    "pack",
]

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
    *,
    energy: bool = False,
    packing: int = 1,
    varied: bool = False,
) -> tuple[Module, Module]:
    """Generator (N, latent) -> (N, *shape) and discriminator (N, *shape) -> (N,) logits.

    `normalize` puts batch normalisation into the discriminator; a penalty on its gradient wants
    none, because batch normalisation ties the samples of a batch together (Gulrajani et al.
    2017, section 4). With `energy` the discriminator is an autoencoder whose code is as large as
    the noise, and its output the energy of a sample in place of a logit. With `packing` m it gives
    (N / m,) logits of m samples each, and with `varied` it sees the batch's variety.
    """
    make, judge = choose("model", name, MODELS)
    generator = make(shape, latent, width)
    seen = (packing * shape[0], *shape[1:])
    discriminator: Module
    if energy:
        encoder = judge(seen, width, normalize, latent, varied)
        discriminator = Autoencoder(encoder, make(seen, latent, width))
    else:
        discriminator = judge(seen, width, normalize, 1, varied)
    return generator, discriminator if packing == 1 else Packed(discriminator, packing)
