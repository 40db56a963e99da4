"""PacGAN's eight Gaussians on a circle."""

from __future__ import annotations

from tinygan.data.toys import Ring
from tinygan.reproduce.pacgan import table

EXPERIMENT = table(
    "ring",
    "Eight Gaussians on a circle of radius 1, sigma 0.01: packing against mode collapse",
    Ring(),
    {
        "GAN": ((6.3, 0.5), (98.2, 0.2), (0.45, 0.09)),
        "PacGAN2": ((7.9, 0.1), (95.6, 2.0), (0.07, 0.03)),
        "PacGAN3": ((7.8, 0.1), (97.7, 0.3), (0.10, 0.02)),
        "PacGAN4": ((7.8, 0.1), (95.9, 1.4), (0.07, 0.02)),
    },
    steps=50_000,
    seeds=3,
)
