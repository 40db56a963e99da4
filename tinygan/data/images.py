"""Tensors as pictures, as torchvision makes them: grids, and the files of grids."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import backend_of, host_array
from tinygan.data.pictures import save_picture


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """N C H W -> C, rows (H + padding) + padding, nrow (W + padding) + padding; as torchvision's.

    `normalize` shifts values to 0..1 from `value_range` (the smallest and largest value by
    default, of each image with `scale_each`). Grey images become three equal channels. A single
    image comes back without a frame.
    """
    images = tensor.array if isinstance(tensor, Tensor) else _stacked(tensor)
    xp = backend_of(images).xp
    if images.ndim not in (2, 3, 4):
        raise ValueError(
            f"make_grid: expected images N C H W, C H W or H W, got shape {images.shape}"
        )
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    if images.shape[1] == 1:
        images = xp.concatenate([images] * 3, axis=1)
    if normalize:
        axes = (1, 2, 3) if scale_each else None
        if value_range is None:
            low = images.min(axis=axes, keepdims=True)
            high = images.max(axis=axes, keepdims=True)
        else:
            low, high = (xp.asarray(v, dtype=images.dtype) for v in value_range)
        images = (xp.clip(images, low, high) - low) / xp.maximum(high - low, 1e-5)
    count, channels, height, width = images.shape
    if count == 1:
        return wrap(images[0])
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = xp.full(
        (channels, rows * height + padding, columns * width + padding), pad_value, images.dtype
    )
    for k in range(count):
        top, left = k // columns * height + padding, k % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = images[k]
    return wrap(grid)


def save_image(
    tensor: Tensor | Sequence[Tensor],
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **grid: Any,
) -> None:
    """Write `make_grid(tensor, **grid)`, values 0..1, as a picture; the arguments of torchvision's.

    For images in -1..1 say `normalize=True, value_range=(-1, 1)`. A file is replaced as a whole.
    """
    x = host_array(make_grid(tensor, **grid).array)
    pixels = np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    save_picture(pixels, fp, format)


def _stacked(tensors: Sequence[Tensor]) -> Any:
    arrays = [x.array for x in tensors]
    if not arrays:
        raise ValueError("make_grid: expected at least one image")
    return backend_of(arrays[0]).xp.stack(arrays)
