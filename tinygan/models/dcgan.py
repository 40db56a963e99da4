"""DCGAN: convolutions with stride in place of pooling, batch normalisation, no hidden dense layer.

Source: Radford, Metz, Chintala, "Unsupervised representation learning with deep convolutional
generative adversarial networks" (2016), section 3 and figure 1.
"""

from __future__ import annotations

from itertools import pairwise

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError

START = {28: 7, 32: 4, 64: 4}  # side of the smallest feature map, doubled until it is the image's


def _plan(shape: tuple[int, ...], width: int) -> tuple[int, list[int]]:
    """The side of the smallest map, and the channels of the maps from there to the image."""
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in START:
        raise UserError(
            f"model dcgan draws images of C x 28 x 28, 32 x 32 or 64 x 64, not of shape {shape}; "
            "choose --size 28, 32 or 64, or --model mlp"
        )
    channels, size = shape[:2]
    doublings = (size // START[size]).bit_length() - 1
    return START[size], [width << k for k in reversed(range(doublings))] + [channels]


def _initialize(module: nn.Module) -> None:
    """Weights from N(0, 0.02), those of batch normalisation from N(1, 0.02) (section 4)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)


class DCGANGenerator(nn.Module):
    """(N, latent) -> (N, C, size, size) in (-1, 1).

    A linear map to the smallest feature map (7 x 7 for 28 pixels, else 4 x 4), then transposed
    convolutions 4 x 4 of stride 2 that halve the channels, each behind batch normalisation and
    ReLU, the last one into tanh.
    """

    def __init__(self, shape: tuple[int, ...], latent: int = 100, width: int = 64) -> None:
        super().__init__()
        side, maps = _plan(shape, width)
        layers: list[nn.Module] = [
            nn.Linear(latent, maps[0] * side * side, bias=False),
            nn.Unflatten(1, (maps[0], side, side)),
        ]
        for n, following in pairwise(maps[:-1]):
            layers += [nn.BatchNorm2d(n), nn.ReLU()]
            layers += [nn.ConvTranspose2d(n, following, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(maps[-2]), nn.ReLU()]
        layers += [nn.ConvTranspose2d(maps[-2], maps[-1], 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images


class DCGANDiscriminator(nn.Module):
    """(N, C, size, size) -> (N,) logits.

    The generator's mirror image: convolutions 4 x 4 of stride 2 with LeakyReLU(0.2), batch
    normalisation behind all but the first if `normalize`, then a linear map to one logit. It
    keeps no running statistics, so a call never changes it.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, normalize: bool = True) -> None:
        super().__init__()
        side, maps = _plan(shape, width)
        maps = maps[::-1]
        layers: list[nn.Module] = [nn.Conv2d(maps[0], maps[1], 4, 2, 1), nn.LeakyReLU(0.2)]
        for n, following in pairwise(maps[1:]):
            layers += [nn.Conv2d(n, following, 4, 2, 1, bias=not normalize)]
            if normalize:
                layers += [nn.BatchNorm2d(following, track_running_stats=False)]
            layers += [nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), nn.Linear(maps[-1] * side * side, 1)]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits.view(-1)
