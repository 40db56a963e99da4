"""Multi-layer perceptrons: the first GANs, and still the right ones for points in the plane."""

from __future__ import annotations

from math import prod

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.models.head import head, logits


class MLPGenerator(nn.Module):
    """(N, latent) -> (N, *shape).

    For images: layers of width, 2, 4 and 8 x width with LeakyReLU(0.2), batch-normalised from the
    second on, then tanh. For points, whose range is not known: two ReLU layers of `width`.
    """

    def __init__(self, shape: tuple[int, ...], latent: int = 100, width: int = 128) -> None:
        super().__init__()
        self.shape = tuple(shape)
        layers: list[nn.Module]
        if len(self.shape) == 1:
            layers = [nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
            layers += [nn.Linear(width, *self.shape)]
        else:
            layers = [nn.Linear(latent, width), nn.LeakyReLU(0.2)]
            for n in (width, 2 * width, 4 * width):
                layers += [nn.Linear(n, 2 * n), nn.BatchNorm1d(2 * n), nn.LeakyReLU(0.2)]
            layers += [nn.Linear(8 * width, prod(self.shape)), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.layers(z)
        return x.view(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """(N, *shape) -> (N,) logits, or (N, outputs) where there are more outputs.

    For images: layers of 4 and 2 x width, for points two of `width`, with LeakyReLU(0.2) and no
    normalisation, which these small nets do without. With `varied` the head also sees how varied
    the batch is (`nn.MinibatchStd`).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 128,
        normalize: bool = True,
        outputs: int = 1,
        varied: bool = False,
    ) -> None:
        super().__init__()
        first, second = (width, width) if len(shape) == 1 else (4 * width, 2 * width)
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(shape), first),
            nn.LeakyReLU(0.2),
            nn.Linear(first, second),
            nn.LeakyReLU(0.2),
        )
        self.features = second
        self.head = head(second, outputs, varied)

    def forward(self, x: Tensor) -> Tensor:
        return logits(self.head(self.layers(x)))
