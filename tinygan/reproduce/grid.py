"""PacGAN's 25 Gaussians on a grid."""

from __future__ import annotations

from tinygan.data.toys import Grid
from tinygan.reproduce.pacgan import table

EXPERIMENT = table(
    "grid",
    "25 Gaussians on a grid of spacing 2, sigma 0.05: packing against mode collapse",
    Grid(),
    {
        "GAN": ((17.3, 0.8), (94.8, 0.7), (0.70, 0.07)),
        "PacGAN2": ((23.8, 0.7), (91.3, 0.8), (0.13, 0.04)),
        "PacGAN3": ((24.6, 0.4), (94.2, 0.4), (0.06, 0.02)),
        "PacGAN4": ((24.8, 0.2), (93.6, 0.6), (0.04, 0.01)),
    },
    steps=50_000,
    seeds=3,
)
