"""A Markov random field over quantised pixels: the generator that counts."""

from __future__ import annotations

from math import log, prod
from typing import Self

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.baselines.fitted import Fitted, some, uniform

GREYS, COLOURS = 4, 16  # symbols that pixels are quantised to
REACH = 3  # pixels
NEAREST = 8  # neighbours that come before the place
LEAST = 10  # how often a context must have been seen
PIXELS = 16_000_000  # that are counted at most
EXAMPLES = 200_000  # pixels that colours are chosen by
CHUNK = 500  # images quantised at a time


class Markov(Fitted):
    """p(x) = prod_i p(x_i | x_N(i)), N(i) being pixels before i in the order of reading.

    Pixels are quantised to the rows of a palette. The neighbourhood is taken as far as it has been
    seen, nearest pixels first, up to `reach` pixels away: the contexts are a tree, and on the way
    down every node's counts n_k are blended with the distribution of the node above,

        p_k(x) = (n_k(x) + s t_k p_(k-1)(x)) / (n_k + s t_k),

    where t_k is the number of different symbols that were seen in context k: back-off by method C
    of Witten and Bell, "The zero-frequency problem", 1991, whose s is 1. Here it is 30, which of 1
    to 100 predicts new digits best (0.24 bits per pixel of MNIST; 1 gives 0.29, because neighbours
    far away tell little). With `places` the context also tells, after the NEAREST neighbours,
    roughly where in the picture the pixel is.

    Abend, Harley and Kanal, "Classification of binary random patterns", 1965, have the causal
    neighbourhood; Rissanen, "A universal data compression system", 1983, the tree of contexts.
    """

    counts: Tensor
    branches: Tensor
    palette: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        branches: Tensor,
        counts: Tensor,
        palette: Tensor,
        *,
        reach: int = REACH,
        places: int = 1,
    ) -> None:
        super().__init__(shape, prod(shape[1:]), branches=branches, counts=counts, palette=palette)
        self.settings = {"reach": reach, "places": places}
        self.steps, self.bands = order(shape[1], shape[2], len(palette), reach, bool(places))

    @classmethod
    def fit(
        cls,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        seed: int = 0,
        *,
        symbols: int | None = None,
        reach: int = REACH,
        places: int = 1,
        least: int = LEAST,
    ) -> Self:
        """Count the contexts of images N H W C, uint8; of very many those of some at random.

        A context that was seen less than `least` times has no node of its own.
        """
        height, width, channels = images.shape[1:]
        images = images[some(images, max(1, PIXELS // (height * width)), seed)]
        if symbols is None:
            symbols = GREYS if channels == 1 else COLOURS
        palette = choose_palette(images, symbols)
        steps, bands = order(height, width, len(palette), reach, bool(places))
        from tinygan.baselines import contexts  # Numba, not needed before

        branches, counts = contexts.grow(
            quantised(images, palette), steps, bands, len(palette), least
        )
        shape = (channels, height, width)
        return cls(shape, wrap(branches), wrap(counts), wrap(palette), reach=reach, places=places)

    def drawn(self, z: np.ndarray) -> np.ndarray:
        from tinygan.baselines import contexts  # Numba, not needed before

        u = uniform(z).reshape(len(z), *self.shape[1:])
        symbols = contexts.draw(u, self.branches.array, self.counts.array, self.steps, self.bands)
        images: np.ndarray = self.palette.array[symbols]
        return images

    def bits_per_pixel(self, images: np.ndarray) -> float:
        """-log2 p(x) / pixels, the mean over images N H W C, of their quantised pixels."""
        from tinygan.baselines import contexts  # Numba, not needed before

        symbols = quantised(images, self.palette.array)
        total = contexts.log_likelihood(
            symbols, self.branches.array, self.counts.array, self.steps, self.bands
        )
        return float(-total.mean() / log(2) / prod(self.shape[1:]))


def order(
    height: int, width: int, q: int, reach: int, places: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The order of what a context is made of, and the bands of the picture (see `contexts`).

    Pixels by their distance, in the half plane that is read before. A place is two numbers, the
    band of rows and of columns, of q each.
    """
    before = [
        (dy, dx)
        for dy in range(-reach, 1)
        for dx in range(-reach, reach + 1)
        if (dy, dx) < (0, 0) and dy * dy + dx * dx <= reach * reach
    ]
    before.sort(key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset))
    steps = [(-1, dy, dx) for dy, dx in before]
    bands = np.empty((2, height, width), np.uint8)
    bands[0] = (np.arange(height) * q // height)[:, None]
    bands[1] = np.arange(width) * q // width
    if places:
        steps[NEAREST:NEAREST] = [(0, 0, 0), (1, 0, 0)]
    return np.array(steps, np.int64).reshape(-1, 3), bands


def choose_palette(images: np.ndarray, symbols: int) -> np.ndarray:
    """(symbols, C) uint8: greys in equal steps, or the colours that fit the images' pixels best."""
    from PIL import Image

    if images.shape[3] == 1:
        return np.rint(np.linspace(0, 255, symbols)).astype(np.uint8)[:, None]
    pixels = images.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // EXAMPLES)]
    picture = Image.fromarray(np.ascontiguousarray(pixels[None]))
    chosen = picture.quantize(symbols, Image.Quantize.MEDIANCUT, kmeans=1).getpalette()
    return np.array(chosen, np.uint8).reshape(-1, 3)[:symbols]


def quantised(images: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The number of the palette's colour that is nearest to each pixel, N H W."""
    symbols = np.empty(images.shape[:3], np.uint8)
    colours = palette.astype(np.float32)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK, ..., None, :].astype(np.float32)
        symbols[start : start + CHUNK] = ((part - colours) ** 2).sum(axis=4).argmin(axis=3)
    return symbols
