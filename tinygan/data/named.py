"""`load`: data by its name or path, ready to train on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from tinygan.backend.errors import unknown
from tinygan.data.arrays import read_array
from tinygan.data.dataset import Images, Points
from tinygan.data.errors import DataError
from tinygan.data.folder import pictures_in, read_folder
from tinygan.data.glyphs import glyphs
from tinygan.data.published import published
from tinygan.data.resize import reshaped
from tinygan.data.toys import TOYS

PUBLISHED = ("mnist", "fashion-mnist", "kmnist", "cifar10")
HELD_OUT_SEED = 1 << 32  # of sets that are drawn anew
NAMES = ("glyphs", *PUBLISHED, *TOYS)


def known_as(name: str | os.PathLike[str]) -> str | None:
    """Which of NAMES a name means, however it is written; None where it is a path."""
    known = str(name).lower().replace("_", "-").replace(" ", "-")
    return known if known in NAMES else None


def load(
    name: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    size: int | None = None,
    channels: int | None = None,
    background: str | tuple[int, int, int] = "black",
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Images | Points:
    """A set of NAMES, or a folder of images, or an .npy or .npz array.

    Images are brought to `size` x `size` and to `channels` (1 or 3) where these are given.
    `background` is what shows through transparent pixels, `seed` that of drawn sets, `data_dir` a
    place to look for published sets before they are downloaded; `progress(what, done, total)` is
    called with the bytes downloaded, or the pictures decoded, so far. Raises DataError.
    """
    if size is not None and size < 1:
        raise DataError(f"size is {size}, expected 1 or more")
    if channels not in (None, 1, 3):
        raise DataError(f"channels is {channels}, expected 1 (grey) or 3 (colour)")
    known = known_as(name)
    if known is not None and _pictured(Path(name)):
        warnings.warn(
            f"{name} is the data set {known}; the folder of that name is passed over, "
            f".{os.sep}{name} would be taken for it",
            stacklevel=2,
        )
    if known in TOYS:
        points = TOYS[known]().dataset(seed=seed)
        points.name, points.source = known, f"drawn with seed {seed}"
        return points
    if known == "glyphs":
        return _shaped(glyphs(seed=seed), size, channels)
    if known in PUBLISHED:
        return _shaped(published(known, data_dir, progress=progress), size, channels)
    path = Path(name).expanduser()
    if path.is_dir():
        return read_folder(
            path, size=size, channels=channels, background=background, progress=progress
        )
    if path.suffix.lower() in (".npy", ".npz"):
        return _shaped(read_array(path), size, channels)
    if path.is_file():
        raise DataError(f"{path} is a file; expected a folder of images, an .npz or an .npy file")
    if os.sep in str(name) or "/" in str(name):
        raise DataError(f"{path}: there is no such folder or file")
    raise DataError(f"{unknown('data set', str(name), NAMES)}; or give a folder, .npz or .npy file")


def held_out(
    name: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    size: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Images | Points | None:
    """More of what `load` gives by this name, none of which is in it; None where there is no more.

    The test images of a published set, the draws of another seed of a drawn one; of a folder or a
    file everything has been trained on.
    """
    known = known_as(name)
    if known in TOYS or known == "glyphs":
        return load(name, size=size, seed=HELD_OUT_SEED)
    if known in PUBLISHED:
        return _shaped(published(known, data_dir, train=False, progress=progress), size, None)
    return None


def _pictured(folder: Path) -> bool:
    """Whether this is a folder of pictures, and not one of a published set's own files."""
    try:
        return folder.is_dir() and bool(pictures_in(folder))
    except DataError:
        return False


def _shaped(data: Images, size: int | None, channels: int | None) -> Images:
    """The same images at another size or number of channels."""
    if size in (None, data.shape[1]) and size in (None, data.shape[2]):
        size = None
    if channels == data.channels:
        channels = None
    if size is None and channels is None:
        return data
    data.images = reshaped(data.images, size, channels)
    return data
