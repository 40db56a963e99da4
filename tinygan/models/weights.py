"""The weights that convolutions and linear maps of several models begin with."""

from __future__ import annotations

from tinygan import nn


def draw_weights(module: nn.Module) -> None:
    """w ~ N(0, 0.02), the 0.02 a standard deviation, and no bias; for `network.apply`.

    Radford, Metz, Chintala, "Unsupervised representation learning with deep convolutional
    generative adversarial networks" (2016), section 4.
    """
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
