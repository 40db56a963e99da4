"""What is done to samples before a discriminator sees them: noise and augmentation.

Both hold for real and for generated samples, in D's and in G's step, and G's gradient goes
through them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygan import nn
from tinygan.autograd import Tensor
from tinygan.backend.errors import UserError, choose
from tinygan.ops import arange, matmul, rand, randn, tensor

__all__ = ["AUGMENTATIONS", "Augmented", "InstanceNoise", "color", "cutout", "translation"]


class InstanceNoise(nn.Module):
    """discriminator(x + spread n), n standard normal noise, drawn anew at every call.

    `spread` is a buffer, so that it can fall while a recorded step is replayed. Source: Sonderby et
    al., "Amortised MAP Inference for Image Super-resolution", 2017, section 3.4.2; Arjovsky and
    Bottou, "Towards Principled Methods for Training GANs", 2017, section 3.
    """

    spread: Tensor

    def __init__(self, discriminator: nn.Module, spread: float) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.register_buffer("spread", tensor(float(spread)))

    def forward(self, x: Tensor, *labels: Tensor) -> Tensor:
        noise = randn(*x.shape, dtype=x.dtype, device=x.device)
        logits: Tensor = self.discriminator(x + self.spread.to(x.dtype) * noise, *labels)
        return logits


# -- Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020 -----------


def color(x: Tensor, generator: Any = None) -> Tensor:
    """Brightness, saturation and contrast of images (N, C, H, W), by three numbers per image.

    x + u - 1/2; then the distance from the mean over channels times 2 u; then that from the mean
    over all of the image times u + 1/2; u uniform in [0, 1).
    """
    brightness, saturation, contrast = (_uniform(x, generator) for _ in range(3))
    x = x + (brightness - 0.5)
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * (2 * saturation)
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + (x - middle) * (contrast + 0.5)


def translation(x: Tensor, ratio: float = 0.125, generator: Any = None) -> Tensor:
    """Images shifted by whole pixels, at most `ratio` of their side either way, 0 coming in.

    y = R x C with R[i, j] = 1 where j = i + shift, for every image its own R and C.
    """
    rows, columns = (
        _shifts(x, size, round(size * ratio), generator) for size in (x.shape[2], x.shape[3])
    )
    return matmul(matmul(rows, x), columns.transpose(2, 3))


def cutout(x: Tensor, ratio: float = 0.5, generator: Any = None) -> Tensor:
    """Images with a rectangle of 0, `ratio` of their sides, centred anywhere in them."""
    rows, columns = (
        _strip(x, size, round(size * ratio), generator) for size in (x.shape[2], x.shape[3])
    )
    inside = rows.reshape(len(x), 1, -1, 1) * columns.reshape(len(x), 1, 1, -1)
    return x * (1 - inside)


AUGMENTATIONS: dict[str, Callable[..., Tensor]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


class Augmented(nn.Module):
    """discriminator(T(x)), T the augmentations named in `policy`, such as "color,cutout".

    A penalty's gradient by x goes through T as well.
    """

    def __init__(self, discriminator: nn.Module, policy: str) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.policy = policy
        self.augmentations = [
            choose("augmentation", name.strip(), AUGMENTATIONS) for name in policy.split(",")
        ]

    def forward(self, x: Tensor, *labels: Tensor) -> Tensor:
        if x.ndim != 4:
            raise UserError(
                f"augmentation is for images (N, C, H, W), got samples of shape {tuple(x.shape)}; "
                "noise on points is --instance-noise"
            )
        for augmentation in self.augmentations:
            x = augmentation(x)
        logits: Tensor = self.discriminator(x, *labels)
        return logits


def _uniform(x: Tensor, generator: Any) -> Tensor:
    """A number in [0, 1) for every image."""
    return rand(len(x), 1, 1, 1, generator=generator, dtype=x.dtype, device=x.device)


def _shifts(x: Tensor, size: int, most: int, generator: Any) -> Tensor:
    """(N, 1, size, size): 1 where j = i + shift, |shift| <= most."""
    shift = (_uniform(x, generator) * (2 * most + 1)).floor() - most
    i = arange(size, dtype=x.dtype, device=x.device)
    return (i.reshape(1, 1, 1, -1) == i.reshape(1, 1, -1, 1) + shift).to(x.dtype)


def _strip(x: Tensor, size: int, length: int, generator: Any) -> Tensor:
    """(N, 1, 1, size): 1 in a strip of that length, as far as it lies within the image."""
    center = (_uniform(x, generator) * (size + 1 - length % 2)).floor()
    start = center - length // 2
    i = arange(size, dtype=x.dtype, device=x.device)
    return ((i >= start) & (i < start + length)).to(x.dtype)
