"""What all baselines have in common: a generator G(z) that is fitted to images, not trained."""

from __future__ import annotations

from math import sqrt
from typing import Any, Self

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import host_array
from tinygan.backend.errors import UserError
from tinygan.nn import Module
from tinygan.ops import Generator, erf, randperm


class Fitted(Module):
    """(N, latent) -> (N, C, H, W) in [-1, 1], from tables that `fit` made of images.

    The noise z is standard normal, as that of every generator. Where something is drawn, u =
    Phi(z), which is uniform, says what: a table of probabilities is a function of noise too, by
    the inverse of its distribution. So whatever draws from a GAN's generator draws from these.

    The tables are buffers, in the state dict under the names of the constructor's arguments, and
    `settings` are the other arguments: with both and the shape a generator is made again.
    """

    settings: dict[str, int]

    def __init__(self, shape: tuple[int, ...], latent: int, **tables: Tensor) -> None:
        super().__init__()
        self.shape, self.latent = tuple(shape), latent
        for name, table in tables.items():
            self.register_buffer(name, table)

    @classmethod
    def fit(cls, images: np.ndarray, labels: np.ndarray | None = None, seed: int = 0) -> Self:
        """The generator of images N H W C, uint8, and the classes N where they are known."""
        raise NotImplementedError(f"{cls.__name__} has to define fit()")

    def drawn(self, z: np.ndarray) -> np.ndarray:
        """Images N H W C with values in 0..255 for noise N latent."""
        raise NotImplementedError(f"{type(self).__name__} has to define drawn()")

    def forward(self, z: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise UserError(
                f"{type(self).__name__}: expected noise (N, {self.latent}), got {tuple(z.shape)}"
            )
        images = self.drawn(host_array(z.array))
        x = images.astype(np.float32) / np.float32(127.5) - np.float32(1)
        return wrap(x.transpose(0, 3, 1, 2)).to(z.device)


def uniform(z: np.ndarray) -> np.ndarray:
    """u = Phi(z) = (1 + erf(z / sqrt(2))) / 2: uniform in [0, 1] where z is standard normal."""
    y: Any = erf(wrap(z / np.float32(sqrt(2)))).array
    return (y + 1) / 2


def some(images: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The indices of `count` images at random, all if there are no more, in rising order."""
    order = randperm(len(images), generator=Generator().manual_seed(seed)).numpy()
    return np.sort(order[:count])
