"""The one place that writes pictures: PNG and other files, animated GIFs, charts.

Each file carries its origin, and an invisible mark where a key is given; a test sees to it that
nothing else in the house writes one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.backend.files import replacing
from tinygan.data.dataset import as_picture
from tinygan.data.mark import marked
from tinygan.data.origin import Origin, in_file


def save_picture(
    pixels: np.ndarray,
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    *,
    origin: Origin | None = None,
    mark: str | None = None,
) -> None:
    """Write a uint8 array H W C as a picture; the format comes from the name unless given.

    A file is replaced as a whole. PNG, GIF and JPEG files say where they come from; `mark` is the
    key of the invisible mark, None for no mark.
    """
    pixels = pixels if mark is None else marked(pixels, mark)
    fields = (origin or Origin()).fields(pixels)
    if isinstance(fp, (str, os.PathLike)):
        format = format or _format(fp)
        with replacing(fp) as temporary:
            _encode([pixels], temporary, format, fields)
    else:
        _encode([pixels], fp, format or "PNG", fields)


def save_gif(
    frames: Sequence[np.ndarray | Tensor],
    path: str | os.PathLike[str],
    duration: int | Sequence[int] = 100,
    loop: int = 0,
    *,
    origin: Origin | None = None,
    mark: str | None = None,
) -> None:
    """Write frames (uint8 H W C, or tensors C H W in -1..1) as a GIF.

    `duration` is in milliseconds, of each frame or of all; `loop` 0 repeats for ever;
    `mark` is the key of the invisible mark, None for no mark.
    """
    if not len(frames):
        raise ValueError("save_gif: expected at least one frame")
    pictures = [to_uint8(f) if isinstance(f, Tensor) else f for f in frames]
    if mark is not None:
        pictures = [marked(pixels, mark) for pixels in pictures]
    fields = (origin or Origin()).fields()
    with replacing(path) as temporary:
        _encode(pictures, temporary, "GIF", fields, duration=duration, loop=loop)


def save_figure(
    figure: Any, path: str | os.PathLike[str], dpi: int = 110, *, origin: Origin | None = None
) -> None:
    """Draw a figure of Matplotlib's and write it as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    save_picture(pixels, path, origin=(origin or Origin()).about("a chart"))


def to_uint8(images: Tensor | np.ndarray) -> np.ndarray:
    """Images N C H W (or C H W) in -1..1 as uint8 N H W C (or H W C), rounded, outliers clipped."""
    x = host_array(images.array) if isinstance(images, Tensor) else images
    if x.ndim not in (3, 4):
        raise ValueError(f"to_uint8: expected images N C H W or C H W, got shape {x.shape}")
    scaled = np.rint(np.clip(np.moveaxis(x, -3, -1), -1, 1) * 127.5 + 127.5)
    return np.nan_to_num(scaled, nan=0.0).astype(np.uint8)


def _format(path: str | os.PathLike[str]) -> str | None:
    """Pillow's name of the format that a file's ending asks for; None leaves the refusal to it."""
    from PIL import Image

    return Image.registered_extensions().get(os.path.splitext(path)[1].lower())


def _encode(
    frames: Sequence[np.ndarray], fp: Any, format: str | None, fields: dict[str, str], **how: Any
) -> None:
    first, *others = [as_picture(pixels) for pixels in frames]
    if others:
        how |= {"save_all": True, "append_images": others}
    first.save(fp, format, **how, **in_file(fields, (format or "").upper()))
