"""The one place that writes pictures: PNG and other files, animated GIFs, charts.

Each file carries its origin, and an invisible mark where a key is given; a test sees to it that
nothing else in the house writes one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.backend.files import FileError, replacing
from tinygan.data.dataset import as_picture
from tinygan.data.mark import marked
from tinygan.data.origin import Origin, in_file


class PictureError(OSError, FileError):
    """A picture that cannot be written: the system's error, in a message that names the file."""

    def __str__(self) -> str:
        return f"cannot write {self.filename}: {self.strerror}"


def save_picture(
    pixels: np.ndarray,
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    *,
    origin: Origin | None = None,
    mark: str | None = None,
) -> None:
    """Write a uint8 array H W C as a picture; the format comes from the name unless given.

    A file is replaced as a whole. PNG, GIF and JPEG files say where they come from, and PNG files,
    which keep every pixel, have the checksum of theirs; `mark` is the key of the invisible mark,
    None for no mark. Raises FileError where the name has no ending of a picture, and PictureError,
    one of them, where the file cannot be written.
    """
    pixels = pixels if mark is None else marked(pixels, mark)
    if isinstance(fp, (str, os.PathLike)):
        format = format or picture_format(fp)
    format = (format or "PNG").upper()
    fields = (origin or Origin()).fields(pixels if format == "PNG" else None)
    if isinstance(fp, (str, os.PathLike)):
        with _replacing(fp) as temporary:
            _encode([pixels], temporary, format, fields)
    else:
        _encode([pixels], fp, format, fields)


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
    with _replacing(path) as temporary:
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


def expect_picture(path: str | os.PathLike[str]) -> None:
    """Refuse, before the work is done, a name that `save_picture` could not write to."""
    picture_format(path)
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileError(f"cannot write {path}: there is no folder {folder}; make it first")


def picture_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that a file's ending asks for; FileError where there is none."""
    from PIL import Image

    ending = os.path.splitext(path)[1].lower()
    format = Image.registered_extensions().get(ending)
    if format not in Image.SAVE:
        what = f"unknown file extension {ending!r}" if ending else "no file extension"
        raise FileError(f"{path}: {what}; expected a name that ends in .png, .jpg, .gif or .webp")
    return format


@contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """`replacing`, with PictureError for what the system refuses."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise PictureError(error.errno, error.strerror or str(error), str(path)) from error


def _encode(
    frames: Sequence[np.ndarray], fp: Any, format: str, fields: dict[str, str], **how: Any
) -> None:
    first, *others = [as_picture(pixels) for pixels in frames]
    if others:
        how |= {"save_all": True, "append_images": others}
    first.save(fp, format, **how, **in_file(fields, format))
