"""Pictures brought to one size and number of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.data.dataset import as_picture

PIXEL_ART = 64  # a picture with no more colours than this is drawn pixel by pixel


def fitted(picture: Any, size: int) -> Any:
    """A PIL image scaled until its shorter side is `size`, and the square in its middle.

    Down by LANCZOS, which keeps the most detail without jagged edges. Up by BICUBIC, but pixel art
    (few colours) by a whole factor with NEAREST, so that its pixels stay square and sharp.
    """
    from PIL import Image

    width, height = picture.size
    short = min(width, height)
    if short != size:
        scaled = [max(size, round(side * size / short)) for side in (width, height)]
        if size < short:
            how = Image.Resampling.LANCZOS
        elif size % short == 0 and picture.getcolors(PIXEL_ART) is not None:
            how = Image.Resampling.NEAREST
        else:
            how = Image.Resampling.BICUBIC
        picture = picture.resize(scaled, how, reducing_gap=3.0)
        width, height = picture.size
    left, top = (width - size) // 2, (height - size) // 2
    if (width, height) != (size, size):
        picture = picture.crop((left, top, left + size, top + size))
    return picture


def reshaped(images: np.ndarray, size: int | None, channels: int | None) -> np.ndarray:
    """Images N H W C, uint8, with another size and number of channels where one is given."""
    if size is not None and images.shape[1:3] != (size, size):
        small = [np.asarray(fitted(as_picture(image), size)) for image in images]
        images = np.stack(small).reshape(len(images), size, size, -1)
    if channels == 3 and images.shape[3] == 1:
        images = np.repeat(images, 3, axis=3)
    elif channels == 1 and images.shape[3] == 3:
        images = luminance(images)
    return images


def luminance(images: np.ndarray) -> np.ndarray:
    """0.299 R + 0.587 G + 0.114 B (ITU-R 601), as Pillow rounds it; ... 3 -> ... 1."""
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)  # of 65536
    total = images.astype(np.uint32) @ weights
    return ((total + 0x8000) >> 16).astype(np.uint8)[..., None]
