"""Generators and discriminators, and what a discriminator may be wrapped in."""

from __future__ import annotations

from tinygan.backend.errors import choose
from tinygan.models.augment import Augmented, InstanceNoise
from tinygan.models.autoencoder import Autoencoder
from tinygan.models.conditional import (
    AuxiliaryDiscriminator,
    ConcatenatedDiscriminator,
    ConcatenatedGenerator,
    ProjectionDiscriminator,
)
from tinygan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from tinygan.models.mlp import MLPDiscriminator, MLPGenerator
from tinygan.models.packing import Packed, pack
from tinygan.models.resnet import ResNetDiscriminator, ResNetGenerator
from tinygan.models.unet import PatchDiscriminator, UNet, UNetGenerator
from tinygan.nn import Module

__all__ = [
    "CONDITIONAL",
    "MODELS",
    "Augmented",
    "Autoencoder",
    "AuxiliaryDiscriminator",
    "ConcatenatedDiscriminator",
    "ConcatenatedGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "InstanceNoise",
    "MLPDiscriminator",
    "MLPGenerator",
    "Packed",
    "PatchDiscriminator",
    "ProjectionDiscriminator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "UNet",
    "UNetGenerator",
    "build",
    "build_conditional",
    "pack",
]

MODELS = {
    "dcgan": (DCGANGenerator, DCGANDiscriminator),
    "mlp": (MLPGenerator, MLPDiscriminator),
    "resnet": (ResNetGenerator, ResNetDiscriminator),
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


CONDITIONAL = ("concatenation", "projection", "auxiliary", "codes")


def build_conditional(
    form: str,
    classes: int,
    name: str,
    shape: tuple[int, ...],
    latent: int,
    width: int,
    normalize: bool = True,
    *,
    varied: bool = False,
) -> tuple[Module, Module]:
    """As `build`: G(z, y) and D(x, y) for classes y (N,), told of them in the way of `form`.

    concatenation: a unit vector behind z and as further channels of x; projection: a product with
    D's features and, in a dcgan, conditional batch normalisation in G, in a resnet a vector added
    to the map of z; auxiliary, codes: D has a classifier at its side and gives pairs (logit,
    log p(y | x)).
    """
    make, judge = choose("model", name, MODELS)
    choose("conditional form", form, dict.fromkeys(CONDITIONAL))
    generator: Module
    if form == "projection" and make is not MLPGenerator:
        generator = make(shape, latent, width, classes)
    else:
        generator = ConcatenatedGenerator(make(shape, latent + classes, width), classes)
    if form == "concatenation":
        wide = (shape[0] + classes, *shape[1:])
        return generator, ConcatenatedDiscriminator(
            judge(wide, width, normalize, 1, varied), classes
        )
    plain = judge(shape, width, normalize, 1, varied)
    told = ProjectionDiscriminator if form == "projection" else AuxiliaryDiscriminator
    return generator, told(plain, classes)
