"""The networks of PacGAN's two experiments with stacked digits, layer by layer.

Source: Lin, Khetan, Fanti and Oh, "PacGAN: The power of two samples in generative adversarial
networks", 2018, section 4.2, and the authors' program where the paper is silent. Weights begin as
in a DCGAN. Where an odd side is halved the program pads one edge more than the other; here both
are padded alike.
"""

from __future__ import annotations

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.models import Packed
from tinygan.models.weights import draw_weights
from tinygan.ops import erf

COLOURS = 3


def unrolled_networks(width: int, packing: int) -> tuple[nn.Module, nn.Module]:
    """G (N, 256) and D of `width`, 2 width, 4 width channels, for table 3.

    They are those of Metz et al., "Unrolled GANs" (2017), appendix: D of width 2 is a quarter of G
    in channels, one of width 4 a half. Kernels are 3 x 3, and all hidden layers but D's first are
    normalised. The program normalises that one too, images and samples apart, which makes D blind
    to contrast: in most rows with packs samples were still grey after 100,000 steps.
    """
    generator = nn.Sequential(
        *_beginning(256, 64, 4),
        *_doubled(64, 32, 3, 7, first=4),
        *_doubled(32, 16, 3, 14, first=7),
        *_doubled(16, 8, 3, 28, first=14),
        nn.Conv2d(8, COLOURS, 3, padding=1),
        nn.Tanh(),
    )
    layers: list[nn.Module] = [nn.Conv2d(COLOURS * packing, width, 3, 2, 1), nn.LeakyReLU(0.3)]
    for n in (width, 2 * width):
        layers += [nn.Conv2d(n, 2 * n, 3, 2, 1, bias=False), _judged(2 * n), nn.LeakyReLU(0.3)]
    return _begun(generator, layers, 4 * width * 4 * 4, packing)


def veegan_networks(width: int, packing: int) -> tuple[nn.Module, nn.Module]:
    """G (N, 100) and D of `width` to 8 width channels, for table 2, where `width` is 64.

    Kernels are 5 x 5, and all hidden layers but D's first are normalised. The noise of the paper is
    uniform in [-1, 1]; G makes it from normal noise.
    """
    generator = nn.Sequential(
        Uniform(),
        *_beginning(100, 8 * width, 2),
        *_doubled(8 * width, 4 * width, 5, 4, first=2),
        *_doubled(4 * width, 2 * width, 5, 7, first=4),
        *_doubled(2 * width, width, 5, 14, first=7),
        nn.ConvTranspose2d(width, COLOURS, 5, 2, 2, 1),
        nn.Tanh(),
    )
    layers: list[nn.Module] = [nn.Conv2d(COLOURS * packing, width, 5, 2, 2), nn.LeakyReLU(0.2)]
    for n in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(n, 2 * n, 5, 2, 2, bias=False), _judged(2 * n), nn.LeakyReLU(0.2)]
    return _begun(generator, layers, 8 * width * 2 * 2, packing)


class Uniform(nn.Module):
    """erf(z / sqrt 2): normal z becomes uniform in [-1, 1]."""

    def forward(self, z: Tensor) -> Tensor:
        return erf(z * 0.5**0.5)


def _beginning(latent: int, channels: int, side: int) -> list[nn.Module]:
    """Noise to the smallest map."""
    linear = nn.Linear(latent, channels * side * side, bias=False)
    return [linear, nn.Unflatten(1, (channels, side, side)), nn.BatchNorm2d(channels), nn.ReLU()]


def _doubled(channels: int, n: int, kernel: int, side: int, first: int) -> list[nn.Module]:
    """Maps of side `first` to maps of `side`, which is twice that, or one less."""
    more = side - (2 * first - 1)
    up = nn.ConvTranspose2d(channels, n, kernel, 2, kernel // 2, more, bias=False)
    return [up, nn.BatchNorm2d(n), nn.ReLU()]


def _judged(channels: int) -> nn.Module:
    """Normalisation within a discriminator, which keeps no running statistics."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


def _begun(
    generator: nn.Module, layers: list[nn.Module], features: int, packing: int
) -> tuple[nn.Module, nn.Module]:
    """Both with their first weights: N(0, 0.02), and 0 for biases."""
    judge = [*layers, nn.Flatten(), nn.Linear(features, 1), nn.Flatten(0)]
    discriminator = nn.Sequential(*judge)
    for network in (generator, discriminator):
        network.apply(draw_weights)
    return generator, Packed(discriminator, packing)
