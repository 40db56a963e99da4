"""DCGAN: convolutions with stride in place of pooling, batch normalisation, no hidden dense layer.

Source: Radford, Metz, Chintala, "Unsupervised representation learning with deep convolutional
generative adversarial networks" (2016), section 3 and figure 1.
"""

from __future__ import annotations

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError
from tinygan.models.head import batch_norm, head, logits
from tinygan.models.weights import draw_weights

START = {28: 7, 32: 4, 64: 4}  # side of the generator's smallest feature map, doubled from there


def _check(shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in START:
        raise UserError(
            f"model dcgan draws images of C x 28 x 28, 32 x 32 or 64 x 64, not of shape {shape}; "
            f"choose {'' if len(shape) == 1 else '--size 28, 32 or 64, or '}--model mlp"
        )


def _initialize(module: nn.Module) -> None:
    """Weights from N(0, 0.02), those of batch normalisation from N(1, 0.02) (section 4)."""
    draw_weights(module)
    if isinstance(module, nn.BatchNorm2d) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)


class DCGANGenerator(nn.Module):
    """(N, latent) -> (N, C, size, size) in (-1, 1).

    A linear map to the smallest feature map (7 x 7 for 28 pixels, else 4 x 4), then transposed
    convolutions 4 x 4 of stride 2 that double the side and halve the channels, down to width / 2
    at full size, each map behind batch normalisation and ReLU; a 3 x 3 convolution and tanh make
    the image. The paper's last transposed convolution makes it at once; with the layer between,
    digits are clear after a quarter fewer steps. With `classes` it is called with labels too, and
    batch normalisation is conditional.
    """

    def __init__(
        self, shape: tuple[int, ...], latent: int = 100, width: int = 64, classes: int = 0
    ) -> None:
        super().__init__()
        _check(shape)
        channels, size = shape[:2]
        side = START[size]
        n = max(1, width * size // side // 2)
        norm, sequence = batch_norm(classes)
        layers: list[nn.Module] = [
            nn.Linear(latent, n * side * side, bias=False),
            nn.Unflatten(1, (n, side, side)),
        ]
        while side < size:
            half = max(1, n // 2)
            layers += [norm(n), nn.ReLU()]
            layers += [nn.ConvTranspose2d(n, half, 4, 2, 1, bias=False)]
            n, side = half, 2 * side
        layers += [norm(n), nn.ReLU(), nn.Conv2d(n, channels, 3, padding=1), nn.Tanh()]
        self.layers = sequence(*layers)
        self.apply(_initialize)

    def forward(self, z: Tensor, *labels: Tensor) -> Tensor:
        images: Tensor = self.layers(z, *labels)
        return images


class DCGANDiscriminator(nn.Module):
    """(N, C, size, size) -> (N,) logits, or (N, outputs) where there are more outputs.

    Convolutions 4 x 4 of stride 2 that halve the side, from `width` channels on doubling them, to
    a map of 4 x 4 (3 x 3 for 28 pixels), with LeakyReLU(0.2) and, behind all but the first if
    `normalize`, batch normalisation; then a linear map to one logit. It keeps no running
    statistics, so a call never changes it. With `varied` the linear map also sees how varied the
    batch is (`nn.MinibatchStd`).
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
        _check(shape)
        channels, side = shape[:2]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        n, side = width, side // 2
        while side > 4:
            layers += [nn.Conv2d(n, 2 * n, 4, 2, 1, bias=not normalize)]
            if normalize:
                layers += [nn.BatchNorm2d(2 * n, track_running_stats=False)]
            layers += [nn.LeakyReLU(0.2)]
            n, side = 2 * n, side // 2
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.features = n * side * side
        self.head = head(self.features, outputs, varied)
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        return logits(self.head(self.layers(x)))
