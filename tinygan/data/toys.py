"""Points in the plane whose density is known: what a generator should learn, exactly.

Each toy is a mixture of round Gaussians of one width: the ring and the grid of a few, the moons and
the roll of a whole curve of them, which is integrated numerically along the curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.data.dataset import Points
from tinygan.data.errors import DataError

CHUNK = 1 << 22  # distances computed at a time


class Toy:
    """A density over the plane: sum over k of weights_k N(x; centres_k, sigma^2 I)."""

    def __init__(self, centres: np.ndarray, weights: np.ndarray, sigma: float) -> None:
        if not sigma > 0:
            raise DataError(f"{type(self).__name__}: sigma is {sigma}, expected more than 0")
        self.centres = centres
        self.weights = weights / weights.sum()
        self.sigma = float(sigma)

    def modes(self) -> np.ndarray | None:
        """The centres K 2 of the separate clusters, None where there are none."""
        return None

    def sample(self, n: int, seed: Any = 0) -> np.ndarray:
        """n points, n 2; `seed` is a number or a numpy Generator."""
        return self.sample_labelled(n, seed)[0]

    def sample_labelled(self, n: int, seed: Any = 0) -> tuple[np.ndarray, np.ndarray]:
        """n points and the mode (or arm of the curve) that each belongs to."""
        random = np.random.default_rng(seed)
        centres, labels = self._draw(n, random)
        return centres + self.sigma * random.standard_normal((n, 2)), labels

    def log_prob(self, points: Any) -> np.ndarray:
        """log p(x) of points N 2, in float64."""
        x = host_array(points.array) if isinstance(points, Tensor) else np.asarray(points)
        if x.ndim != 2 or x.shape[1] != 2:
            raise DataError(f"log_prob: expected points of shape N 2, got {x.shape}")
        x = x.astype(np.float64)
        rows = max(1, CHUNK // len(self.centres))
        parts = [self._log_prob(x[i : i + rows]) for i in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        square = ((x[:, None, :] - self.centres[None]) ** 2).sum(axis=2)
        exponents = np.log(self.weights) - square / (2 * self.sigma**2)
        top = exponents.max(axis=1)
        total = np.log(np.exp(exponents - top[:, None]).sum(axis=1))
        result: np.ndarray = top + total - np.log(2 * np.pi * self.sigma**2)
        return result

    def _draw(self, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        labels = random.integers(len(self.centres), size=n)
        return self.centres[labels], labels

    def dataset(self, count: int = 100_000, seed: int = 0) -> Points:
        """`count` samples as a dataset whose `density` is this toy."""
        points, labels = self.sample_labelled(count, seed)
        return Points(points, labels, density=self)


class Ring(Toy):
    """`count` Gaussians on a circle: radius 1, sigma 0.01 in PacGAN and Unrolled GAN's notebook."""

    def __init__(self, count: int = 8, radius: float = 1.0, sigma: float = 0.01) -> None:
        angles = 2 * np.pi * np.arange(count) / count  # the end of the circle is its beginning
        centres = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        super().__init__(centres, np.ones(count), sigma)

    def modes(self) -> np.ndarray:
        return self.centres


class Grid(Toy):
    """side x side Gaussians: 5 x 5, spacing 2, on [-4, 4]^2, sigma 0.05 in PacGAN and VEEGAN."""

    def __init__(self, side: int = 5, spacing: float = 2.0, sigma: float = 0.05) -> None:
        line = spacing * (np.arange(side) - (side - 1) / 2)
        centres = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
        super().__init__(centres, np.ones(len(centres)), sigma)

    def modes(self) -> np.ndarray:
        return self.centres


class Curve(Toy):
    """Arms t -> (x, y), t uniform in [0, 1], blurred by a Gaussian of width sigma."""

    def __init__(
        self, arms: list[Callable[[np.ndarray], np.ndarray]], length: float, sigma: float
    ) -> None:
        """`length` bounds the speed of the arms: nodes are sigma / 4 apart at most, on average."""
        nodes = max(64, int(np.ceil(4 * length / max(sigma, 1e-9))))
        t, weights = np.polynomial.legendre.leggauss(16)
        panels = np.arange(-(-nodes // 16))
        t = ((panels[:, None] + (t + 1) / 2) / len(panels)).reshape(-1)
        centres = np.concatenate([arm(t) for arm in arms])
        super().__init__(centres, np.tile(weights, len(panels) * len(arms)), sigma)
        self.arms = arms

    def _draw(self, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        labels = random.integers(len(self.arms), size=n)
        t = random.random(n)
        places = np.stack([arm(t) for arm in self.arms])
        return places[labels, np.arange(n)], labels


class Moons(Curve):
    """Two half circles of radius 1 that reach into each other, as scikit-learn draws them."""

    def __init__(self, sigma: float = 0.05) -> None:
        super().__init__([_upper_moon, _lower_moon], np.pi, sigma)


class SwissRoll(Curve):
    """t (cos t, sin t) / 7.5 for t from 1.5 pi to 4.5 pi, sigma 1 / 30: the toy of WGAN-GP."""

    def __init__(self, sigma: float = 0.25 / 7.5) -> None:
        super().__init__([_roll], 3 * np.pi * 15 / 7.5, sigma)


def _upper_moon(t: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(np.pi * t), np.sin(np.pi * t)], axis=-1)


def _lower_moon(t: np.ndarray) -> np.ndarray:
    return np.stack([1 - np.cos(np.pi * t), 0.5 - np.sin(np.pi * t)], axis=-1)


def _roll(t: np.ndarray) -> np.ndarray:
    angle = 1.5 * np.pi * (1 + 2 * t)
    return angle[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1) / 7.5


TOYS: dict[str, Callable[[], Toy]] = {
    "ring": Ring,
    "grid": Grid,
    "moons": Moons,
    "swiss-roll": SwissRoll,
}
