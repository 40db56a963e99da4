"""Where a picture comes from, written into its file and read back.

PNG files hold it as text chunks, GIF and JPEG files as their comment; other formats have no room
for it. It is a label, not a proof: who writes a file can write any label, and whatever encodes the
picture anew drops it. What it can prove, in a PNG file, is that the pixels are still those it was
written with; JPEG and GIF files hold others from the beginning.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from tinygan.backend import host_array
from tinygan.backend.files import FileError

PROGRAM = "tinygan"
FIELDS = ("Software", "Run", "Step", "Seed", "Checkpoint", "Content", "Pixels")


@dataclass(frozen=True)
class Origin:
    """What a picture's file says of it beside the program and its version.

    `run` names the run and `step` is that of the training; `seed` draws the noise. `checkpoint` is
    the checksum of the generator's weights, see `weights_checksum`, and `content` says what is
    shown where that is not samples.
    """

    run: str = ""
    step: int | None = None
    seed: int | None = None
    checkpoint: str = ""
    content: str = ""

    def about(self, content: str) -> Origin:
        """The same origin of something else than samples."""
        return replace(self, content=content)

    def fields(self, pixels: np.ndarray | None = None) -> dict[str, str]:
        """Name and text of what is known; `pixels` (H, W, C) or (H, W) adds their checksum."""
        from tinygan import __version__

        values = (
            f"{PROGRAM} {__version__}",
            self.run,
            self.step,
            self.seed,
            self.checkpoint,
            self.content,
            None if pixels is None else pixels_checksum(pixels),
        )
        named = zip(FIELDS, values, strict=True)
        return {name: str(value) for name, value in named if value not in (None, "")}


def pixels_checksum(pixels: np.ndarray) -> str:
    """sha256 of a uint8 picture's size and pixels; (H, W, 1) counts as (H, W)."""
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    digest = sha256(f"{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def weights_checksum(network: Any) -> str:
    """sha256 of all arrays of a network's state, in its order."""
    digest = sha256()
    for x in network.state_dict().values():
        digest.update(host_array(x.array).tobytes())
    return digest.hexdigest()


def in_file(fields: dict[str, str], format: str) -> dict[str, Any]:
    """What Pillow's `save` is to be given so that a file of this format holds the fields."""
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        for name, text in fields.items():
            chunks.add_text(name, text)
        return {"pnginfo": chunks}
    return {"comment": json.dumps(fields)} if format in ("GIF", "JPEG") else {}


def read_picture(path: str | os.PathLike[str]) -> tuple[list[np.ndarray], dict[str, str], str]:
    """The frames of a picture, uint8 (H, W) or (H, W, 3), its origin's fields, and its format.

    The fields are empty where the file holds none that this program wrote.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            format = image.format or ""
            found: dict[Any, Any] = dict(image.info)
            frames = [
                np.asarray(frame.convert("L" if frame.mode in ("1", "L", "LA") else "RGB"))
                for frame in ImageSequence.Iterator(image)
            ]
    except UnidentifiedImageError as error:
        raise FileError(f"{path} is no picture that can be read") from error
    except Image.DecompressionBombError as error:
        raise FileError(f"{path}: a picture with too many pixels ({error})") from error
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise FileError(f"{path}: cannot be read ({why})") from error
    if "comment" in found:
        found = _parsed(found["comment"])
    fields = {name: str(found[name]) for name in FIELDS if name in found}
    ours = fields.get("Software", "").split(" ")[0] == PROGRAM
    return frames, fields if ours else {}, format


def _parsed(comment: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(comment)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
