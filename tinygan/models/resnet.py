"""A ResNet without normalisation, for games that are kept stable by a penalty on D's gradient.

Source: Huang et al., "The GAN is dead; long live the GAN! A modern GAN baseline", 2024, section 4
and its tables of settings: ResNeXt blocks with the bottleneck inverted, the initial weights of
Zhang, Dauphin and Ma, "Fixup Initialization", 2019, images resampled by a filter, and neither
normalisation nor an activation behind a sum or an image. Its natural game is `relativistic` with
the penalties R1 and R2.
"""

from __future__ import annotations

from math import gcd

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError
from tinygan.models.head import head, logits
from tinygan.ops import randn

SLOPE = 0.2  # of LeakyReLU
GROUP = 16  # channels that a 3 x 3 convolution mixes
TAPS = (1, 3, 3, 1)  # bilinear: the filter [1, 2, 1] of pixels twice as wide
LEAST, MOST = 4, 7  # sides of the smallest feature map


def _sides(shape: tuple[int, ...]) -> list[int]:
    """The sides of feature maps, from the image's down to the smallest."""
    side = shape[-1]
    sides = [side]
    while side % 2 == 0 and side > MOST:
        side //= 2
        sides.append(side)
    if len(shape) != 3 or shape[1] != shape[2] or not LEAST <= side <= MOST:
        raise UserError(
            f"model resnet draws square images whose side is 4, 5, 6 or 7 doubled some times, not "
            f"of shape {shape}; choose "
            f"{'' if len(shape) == 1 else '--size 28, 32, 40, 48, 56 or 64, or '}--model mlp"
        )
    return sides


def _channels(width: int, sides: list[int]) -> list[int]:
    """width / 2 channels at full size, twice as many at half the side, up to 4 width."""
    return [min(max(1, width * 2**i // 2), 4 * width) for i in range(len(sides))]


def _scale(weight: Tensor, gain: float = 1.0) -> None:
    """N(0, gain^2 / fan_in)."""
    nn.init.normal_(weight, 0.0, gain / nn.init.fans(weight)[0] ** 0.5)


class ResidualBlock(nn.Module):
    """y = x + f(x), f: 1 x 1, bias, lrelu, grouped 3 x 3, bias, lrelu, 1 x 1 without bias.

    f has 2 C channels inside, of which 16 make a group if 16 divides 2 C. Its last weights start
    at 0, the others with variance 2 / ((1 + slope^2) fan_in sqrt(L)) in a network of L `blocks`, so
    that it starts as the identity and one update changes what the whole network does by as much,
    however deep it is. Source: Zhang, Dauphin and Ma 2019, section 3, for f of 3 layers.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        n = 2 * channels
        widen, last = nn.Conv2d(channels, n, 1), nn.Conv2d(n, channels, 1, bias=False)
        mix = nn.Conv2d(n, n, 3, padding=1, groups=n // gcd(n, GROUP))
        for layer in (widen, mix):
            _scale(layer.weight, nn.init.calculate_gain("leaky_relu", SLOPE) * blocks**-0.25)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(widen, nn.LeakyReLU(SLOPE), mix, nn.LeakyReLU(SLOPE), last)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def _linear_map(inputs: int, outputs: int) -> list[nn.Module]:
    """1 x 1, where the number of channels changes."""
    if inputs == outputs:
        return []
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    _scale(layer.weight)
    return [layer]


class Basis(nn.Module):
    """(N, latent) -> (N, C, side, side): C learnt maps, each times a number, A (W z + v_y).

    The v_y, one for every class if there are classes, are as large at first as W z.
    """

    def __init__(self, latent: int, channels: int, side: int, classes: int = 0) -> None:
        super().__init__()
        self.maps = nn.Parameter(randn(channels, side, side))
        self.linear = nn.Linear(latent, channels, bias=False)
        _scale(self.linear.weight)
        if classes:
            self.vectors = nn.Embedding(classes, channels)

    def forward(self, z: Tensor, *labels: Tensor) -> Tensor:
        y = self.linear(z)
        for label in labels:
            y = y + self.vectors(label)
        return y.reshape(*y.shape, 1, 1) * self.maps


class ResNetGenerator(nn.Module):
    """(N, latent) -> (N, C, size, size), not bounded.

    Learnt maps (7 x 7 for 28 pixels, 4 x 4 for 32 and 64) times a linear map of z; at every side
    a residual block, between them bilinear upsampling with, before it, 1 x 1 to half as many
    channels, down to width / 2 at full size; 1 x 1 makes the image. With `classes` it is called
    with labels too.
    """

    def __init__(
        self, shape: tuple[int, ...], latent: int = 100, width: int = 64, classes: int = 0
    ) -> None:
        super().__init__()
        sides = _sides(shape)
        *larger, n = _channels(width, sides)
        self.basis = Basis(latent, n, sides[-1], classes)
        layers: list[nn.Module] = [ResidualBlock(n, len(sides))]
        for wanted in reversed(larger):
            layers += [*_linear_map(n, wanted), nn.FIRResample(TAPS, up=2)]
            layers += [ResidualBlock(wanted, len(sides))]
            n = wanted
        image = nn.Conv2d(n, shape[0], 1, bias=False)
        _scale(image.weight)
        self.layers = nn.Sequential(*layers, image)

    def forward(self, z: Tensor, *labels: Tensor) -> Tensor:
        images: Tensor = self.layers(self.basis(z, *labels))
        return images


class ResNetDiscriminator(nn.Module):
    """(N, C, size, size) -> (N,) logits, or (N, outputs) where there are more outputs.

    The generator turned round: 1 x 1 from the image, residual blocks, bilinear downsampling with
    1 x 1 behind it, and at the end every channel's map times weights of its own, summed, and a
    linear map of those numbers. It has no normalisation whatever `normalize` says. With `varied`
    the linear map also sees how varied the batch is (`nn.MinibatchStd`).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 64,
        normalize: bool = True,
        outputs: int = 1,
        varied: bool = False,
    ) -> None:
        super().__init__()
        sides = _sides(shape)
        n, *smaller = _channels(width, sides)
        image = nn.Conv2d(shape[0], n, 1, bias=False)
        _scale(image.weight)
        layers: list[nn.Module] = [image, ResidualBlock(n, len(sides))]
        for wanted in smaller:
            layers += [nn.FIRResample(TAPS, down=2), *_linear_map(n, wanted)]
            layers += [ResidualBlock(wanted, len(sides))]
            n = wanted
        whole = nn.Conv2d(n, n, sides[-1], groups=n, bias=False)
        _scale(whole.weight)
        self.layers = nn.Sequential(*layers, whole, nn.Flatten())
        self.features = n
        self.head = head(n, outputs, varied)
        for layer in self.head.modules():
            if isinstance(layer, nn.Linear):
                _scale(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return logits(self.head(self.layers(x)))
