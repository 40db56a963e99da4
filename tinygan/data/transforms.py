"""Pictures to tensors, under torchvision's names: what the usual GAN script puts in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import backend_of
from tinygan.backend.dtypes import get_default_dtype
from tinygan.data.chance import uniform


class InterpolationMode(IntEnum):
    """Pillow's numbers under torchvision's names."""

    NEAREST = 0
    LANCZOS = 1
    BILINEAR = 2
    BICUBIC = 3
    BOX = 4
    HAMMING = 5


class Compose:
    """One after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x


class Lambda:
    """What a function makes of it."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, x: Any) -> Any:
        return self.lambd(x)


class ToTensor:
    """A PIL image, or an array H W C, as a tensor C H W; bytes and bits as floats from 0 to 1."""

    def __call__(self, picture: Any) -> Tensor:
        x = np.asarray(picture)
        if x.ndim not in (2, 3):
            raise ValueError(f"ToTensor: expected a picture H W or H W C, got shape {x.shape}")
        if x.dtype == np.uint8:
            x = x.astype(get_default_dtype()) / get_default_dtype().type(255)
        elif getattr(picture, "mode", None) == "1":
            x = x.astype(get_default_dtype())
        return wrap(x[None] if x.ndim == 2 else x.transpose(2, 0, 1))


class Normalize:
    """(x - mean) / std, for each channel of a tensor C H W."""

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.asarray(mean, dtype=np.float32).reshape(-1, 1, 1)
        self.std = np.asarray(std, dtype=np.float32).reshape(-1, 1, 1)
        if not self.std.all():
            raise ValueError(f"Normalize: std is {std}; division by zero")

    def __call__(self, x: Tensor) -> Tensor:
        channels = x.array.shape[-3]
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            if count not in (1, channels):
                raise ValueError(f"Normalize: {count} values of {name} for {channels} channels")
        place = backend_of(x.array).from_host
        return wrap((x.array - place(self.mean)) / place(self.std))


class Resize:
    """A PIL image with the shorter side `size`, or with height and width `size`."""

    def __init__(
        self, size: int | tuple[int, int], interpolation: int = InterpolationMode.BILINEAR
    ) -> None:
        """`interpolation` is an `InterpolationMode`, `Image.Resampling` or Pillow's number."""
        self.size = size
        self.interpolation = interpolation

    def __call__(self, picture: Any) -> Any:
        width, height = picture.size
        if isinstance(self.size, int):
            short = min(width, height)
            width, height = width * self.size // short, height * self.size // short
        else:
            height, width = self.size
        return picture.resize((width, height), self.interpolation)


class CenterCrop:
    """The middle of a PIL image: `size` x `size`, or height and width; black beyond its edges."""

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = (size, size) if isinstance(size, int) else size

    def __call__(self, picture: Any) -> Any:
        height, width = self.size
        left, top = _before(picture.width, width), _before(picture.height, height)
        return picture.crop((left, top, left + width, top + height))


def _before(side: int, size: int) -> int:
    """Where the middle begins: an odd remainder is rounded, one beyond the edges lies behind."""
    return -((size - side) // 2) if size > side else round((side - size) / 2)


class RandomCrop:
    """A part of a PIL image at random: `size` x `size`, or height and width.

    With `padding` black is added on all four sides before. Raises ValueError for an image that is
    smaller than the part.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        self.padding = padding

    def __call__(self, picture: Any) -> Any:
        height, width = self.size
        down = picture.height + 2 * self.padding - height
        right = picture.width + 2 * self.padding - width
        if down < 0 or right < 0:
            raise ValueError(
                f"RandomCrop: a part of {height} x {width} (height x width) of an image of "
                f"{picture.height} x {picture.width}; resize it before, or give padding"
            )
        top, left = (int(uniform() * (room + 1)) - self.padding for room in (down, right))
        return picture.crop((left, top, left + width, top + height))


class RandomHorizontalFlip:
    """A PIL image, with probability p with left and right exchanged."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, picture: Any) -> Any:
        return picture.transpose(0) if uniform() < self.p else picture


class RandomVerticalFlip:
    """A PIL image, with probability p upside down."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, picture: Any) -> Any:
        return picture.transpose(1) if uniform() < self.p else picture


class Grayscale:
    """A PIL image in grey, with 1 or 3 equal channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: expected 1 or 3 channels, got {num_output_channels}")
        self.num_output_channels = num_output_channels

    def __call__(self, picture: Any) -> Any:
        grey = picture.convert("L")
        return grey if self.num_output_channels == 1 else grey.convert("RGB")
