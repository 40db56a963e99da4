"""Missing regions, filled with what a trained generator can draw.

Yeh et al., "Semantic Image Inpainting with Deep Generative Models", 2017: look for the noise z
whose image G(z) agrees with what is known and which D takes for real,

    min_z  sum W |G(z) - y| / sum W  +  weight * prior(G(z)),

W being 0 where y is missing and larger the more is missing around a pixel (section 3.2); the prior
is G's own loss. What G(z) shows of the hole is fitted to its border by Poisson blending (section
3.3). Here z stays on the sphere |z|^2 = D on which nearly all normal noise lies (Menon et al.,
"PULSE", 2020, section 3.2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.autograd import Tensor, compile, grad, no_grad
from tinygan.losses import BoundaryEquilibrium, Game, PairGame, non_saturating, verdict
from tinygan.models import Augmented, InstanceNoise
from tinygan.nn import Module
from tinygan.ops import Generator, as_tensor, randn
from tinygan.optim import Adam

WINDOW = 7  # side of the neighbourhood that W counts missing pixels in
STEPS, LEARNING_RATE = 400, 0.1
PRIOR = 0.01


class Fill(NamedTuple):
    """What a search found for one start: G(z), the filled image (C, H, W) and the disagreement."""

    drawn: np.ndarray
    filled: np.ndarray
    disagreement: float


def fill(
    generator: Module,
    discriminator: Module,
    game: Game | BoundaryEquilibrium,
    image: np.ndarray,
    missing: np.ndarray,
    latent: int,
    starts: int = 16,
    labels: np.ndarray | None = None,
    seed: int = 0,
    blend: bool = True,
) -> list[Fill]:
    """Fills of an image (C, H, W) in -1..1 where `missing` (H, W) is true, the best one first.

    The search goes out from `starts` points at once; `labels` (starts,) are their classes where
    the generator is told any. Best is what disagrees least with the known pixels.
    """
    device = next(iter(generator.parameters())).device
    y = as_tensor(image[None].astype(np.float32)).to(device)
    w = as_tensor(importance(missing)[None, None]).to(device)
    told = [] if labels is None else [as_tensor(labels.astype(np.int64)).to(device)]
    noise = randn(starts, latent, generator=Generator().manual_seed(seed)).to(device)
    z = on_sphere(noise).detach().requires_grad_()
    optimizer = Adam([z], LEARNING_RATE, (0.9, 0.999))
    while isinstance(discriminator, (Augmented, InstanceNoise)):
        discriminator = discriminator.discriminator
    modes = generator.training, discriminator.training
    generator.eval()
    discriminator.eval()

    def disagreement(x: Tensor) -> Tensor:
        """sum W |x - y| / sum W of each image, over its channels' mean."""
        return ((x - y).abs() * w).sum((1, 2, 3)) / (w.sum() * x.shape[1])

    def prior(x: Tensor) -> Tensor:
        """G's own loss; in a game of pairs, which needs real logits, the non-saturating one."""
        y = discriminator(x, *told)
        if isinstance(game, PairGame):
            return non_saturating.generator(verdict(y))
        return game.generator(y)

    @compile
    def step() -> Tensor:
        x = generator(z, *told)
        loss = disagreement(x).sum() + PRIOR * starts * prior(x)
        optimizer.update(grad(loss, [z]))
        with no_grad():
            z.copy_(on_sphere(z))
        return loss.detach()

    for _ in range(STEPS):
        step()
    with no_grad():
        x = generator(z, *told)
        found = disagreement(x).cpu().numpy()
    drawn = x.cpu().numpy()
    generator.train(modes[0])
    discriminator.train(modes[1])
    order = np.argsort(found, kind="stable")
    return [
        Fill(drawn[i], completed(image, drawn[i], missing, blend), float(found[i])) for i in order
    ]


def on_sphere(z: Tensor) -> Tensor:
    """z (N, D) with |z_i|^2 = D."""
    return z * (z.shape[1] / (z * z).sum(1, keepdim=True)).sqrt()


def importance(missing: np.ndarray) -> np.ndarray:
    """W (H, W): for known pixels the share of missing ones around them, 0 for missing ones.

    Where the whole neighbourhood is known it is as if one pixel in it were not, so that everything
    known has a say.
    """
    reach = WINDOW // 2
    padded = np.pad(missing.astype(np.float32), reach)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW, WINDOW))
    share = windows.mean(axis=(2, 3))
    return np.where(missing, 0, np.maximum(share, 1 / WINDOW**2)).astype(np.float32)


def completed(
    image: np.ndarray, drawn: np.ndarray, missing: np.ndarray, blend: bool = True
) -> np.ndarray:
    """The image (C, H, W) with what is drawn where it is missing.

    With `blend` the drawing's gradients are kept and its border is the image's: to it is added
    the smoothest correction, which `harmonic` gives. Perez et al., "Poisson Image Editing", 2003.
    """
    if blend:
        drawn = drawn + harmonic(image - drawn, missing)
    return np.where(missing, np.clip(drawn, -1, 1), image).astype(np.float32)


def harmonic(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Values (C, H, W), in the missing part those with sum over neighbours (u_j - u_i) = 0.

    The smoothest way to fill a hole from its border. By conjugate gradients; a hole without a
    border, all of the image, is filled with 0.
    """

    def around(u: np.ndarray) -> np.ndarray:
        """The sum over the neighbours above, below, left and right that are in the image."""
        padded = np.pad(u, ((0, 0), (1, 1), (1, 1)))
        return (
            padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
        )

    neighbours = around(np.ones((1, *missing.shape)))
    known = np.where(missing, 0, values.astype(np.float64))
    u = np.zeros_like(known)
    residual = np.where(missing, around(known), 0)
    direction, square = residual, (residual * residual).sum()
    first = square
    while square > 1e-16 * first:
        applied = np.where(missing, neighbours * direction - around(direction), 0)
        length = square / (direction * applied).sum()
        u += length * direction
        residual = residual - length * applied
        square, before = (residual * residual).sum(), square
        direction = residual + square / before * direction
    return u + known
