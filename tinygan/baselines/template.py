"""Class templates and their smooth deformations: the generator that bends what it knows."""

from __future__ import annotations

from math import isqrt
from typing import Self

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.baselines.deformation import places, register, warped, waves
from tinygan.baselines.fitted import Fitted, some, uniform

TEMPLATES = 20  # of a class
EXAMPLES = 600  # of a class, that they are fitted to
FEWEST = 5  # images that make a template
WAVES = 4  # in each direction: 2 x 16 coefficients of a deformation
ROUNDS, STEPS = 2, 2  # of covariance and deformations in turn; of registration in each
SPREAD = 1.0  # pixels: how far a wave is expected to move them before anything is known
BELIEF = 20  # images that this expectation counts as
NOISE = 0.02  # variance of pixels in 0..1 that is expected to remain
LLOYD = 10  # rounds of k-means


class Template(Fitted):
    """x(p) = T_k(p + v_a(p)) with k ~ shares, a ~ N(0, F_k F_k^T): a template, smoothly deformed.

    Each class has some templates T (H W, C), and v_a is the field of `deformation`. Without
    classes all images are of one. A template is an image itself, the one in the middle of those
    that it stands for; their mean, however well they are registered, is blurred, at more than twice
    the Frechet distance on MNIST (theirs stands in benchmarks/results/families.md).

    Amit, Grenander and Piccioni, "Structural image restoration through deformable templates",
    1991; the covariance is estimated as in Allassonniere, Amit and Trouve, "Towards a coherent
    statistical framework for dense deformable template estimation", 2007.
    """

    templates: Tensor  # (K, H W, C) in 0..1
    factors: Tensor  # (K, D, D)
    shares: Tensor  # (K,)
    classes: Tensor  # (K,) which class each is of

    def __init__(
        self,
        shape: tuple[int, ...],
        templates: Tensor,
        factors: Tensor,
        shares: Tensor,
        classes: Tensor,
    ) -> None:
        coefficients = factors.shape[1]
        super().__init__(
            shape,
            1 + coefficients,
            templates=templates,
            factors=factors,
            shares=shares,
            classes=classes,
        )
        self.settings = {}
        self.basis = waves(shape[1], shape[2], isqrt(coefficients // 2))

    @classmethod
    def fit(
        cls,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        seed: int = 0,
        *,
        count: int = TEMPLATES,
    ) -> Self:
        """Find `count` templates for each class of images N H W C, uint8."""
        height, width, channels = images.shape[1:]
        basis = waves(height, width, WAVES)
        labels = np.zeros(len(images), np.int64) if labels is None else labels
        found = []
        for label in np.unique(labels):
            members = images[labels == label]
            share = len(members) / len(images)
            members = members[some(members, EXAMPLES, seed)]
            x = members.reshape(len(members), -1, channels).astype(np.float32) / 255
            parts = [part for part in parted(x, count, seed) if len(part) >= FEWEST] or [x]
            kept = sum(map(len, parts))
            for part in parts:
                template, factor = fitted(part, basis, height, width)
                found.append((template, factor, share * len(part) / kept, label))
        templates, factors, shares, classes = (
            np.array(column) for column in zip(*found, strict=True)
        )
        tables = (templates, factors, (shares / shares.sum()).astype(np.float32), classes)
        return cls((channels, height, width), *(wrap(table) for table in tables))

    def drawn(self, z: np.ndarray) -> np.ndarray:
        return self.deformed(self.chosen(z), z)

    def chosen(self, z: np.ndarray) -> np.ndarray:
        """Which template each sample (N, latent) of the noise takes: by its first number."""
        ends = np.cumsum(self.shares.array)[:-1]
        which: np.ndarray = np.searchsorted(ends, uniform(z[:, 0]), side="right")
        return which

    def deformed(self, which: np.ndarray, z: np.ndarray) -> np.ndarray:
        """These templates (N,), deformed as the other numbers of the noise say."""
        channels, height, width = self.shape
        a = np.einsum("nij,nj->ni", self.factors.array[which], z[:, 1:])
        at = places(a.reshape(len(z), 2, -1), self.basis, height, width)
        images = warped(self.templates.array[which], at, height, width)
        return images.reshape(len(z), height, width, channels) * 255


def parted(x: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Images (N, H W, C) in `count` parts by k-means, begun with some of them at random."""
    flat = x.reshape(len(x), -1)
    centres = flat[some(flat, count, seed)]
    for _ in range(LLOYD):
        squares = (centres * centres).sum(axis=1) - 2 * flat @ centres.T
        nearest = squares.argmin(axis=1)
        for k in range(len(centres)):
            if (nearest == k).any():
                centres[k] = flat[nearest == k].mean(axis=0)
    return [x[nearest == k] for k in range(len(centres))]


def fitted(
    images: np.ndarray, basis: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The template (H W, C) of images (N, H W, C), and the factor (D, D) of its deformations.

    The deformations that take the template to each image, and their covariance and the noise in
    view of these, are found in turn. What is expected counts as BELIEF images: smooth deformations,
    whose waves of higher frequency are weaker.
    """
    count = isqrt(basis.shape[1])
    frequency = np.add.outer(np.arange(count) ** 2, np.arange(count) ** 2).reshape(-1)
    expected = np.diag(np.tile(SPREAD**2 / (1.0 + frequency) ** 2, 2))
    middle = ((images - images.mean(axis=0)) ** 2).sum(axis=(1, 2)).argmin()
    template, noise, prior = images[middle], NOISE, expected
    a = np.zeros((len(images), 2, basis.shape[1]), np.float32)
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            a = register(images, template, a, basis, prior, noise, height, width)
        at = places(a, basis, height, width)
        noise = float(((images - warped(template, at, height, width)) ** 2).mean()) + 1e-4
        flat = a.reshape(len(a), -1).astype(np.float64)
        prior = (flat.T @ flat + BELIEF * expected) / (len(a) + BELIEF)
    return template, np.linalg.cholesky(prior).astype(np.float32)
