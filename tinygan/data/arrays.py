"""Images in .npy and .npz files."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np

from tinygan.data.dataset import Images
from tinygan.data.errors import DataError
from tinygan.data.labels import as_labels

IMAGES = ("images", "x", "x_train", "data", "arr_0")
# images, labels, classes, and what there is to tell of them
Contents = tuple[np.ndarray, np.ndarray | None, list[str] | None, list[str]]
LABELS = ("labels", "y", "y_train", "targets", "arr_1")
JUST_OVER = 1e-3  # what rounding may add to floats that end at 1
DARK = 32  # white of pictures that look all black


def read_array(path: Path) -> Images:
    """N H W, N H W C or N C H W; of an .npz the array `images`, and `labels` where there are any
    (`classes` names them), in a form that `as_labels` takes.

    Integers must lie in 0..255, and floats in 0..1, -1..1 or 0..255; what is 0 or 1 only is black
    and white. Labels that are not used are told by a warning, and so are images that are nearly
    black.
    """
    try:
        images, labels, classes, notes = _contents(path)
        pixels = as_bytes(channels_last(images))
        data = Images(pixels, labels, classes=classes, name=path.stem, source=str(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if 0 < pixels.max() < DARK:
        notes.append(
            f"values from {images.min()} to {images.max()} make nearly black images: no pixel is "
            f"above {pixels.max()}, and 255 is white"
        )
    for note in notes:
        warnings.warn(f"{path}: {note}", stacklevel=3)
    return data


def channels_last(images: np.ndarray) -> np.ndarray:
    """N H W C of N H W, N H W C or N C H W, with 1 or 3 channels."""
    if images.size == 0:
        raise DataError(f"an empty array, of shape {images.shape}")
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return images.transpose(0, 2, 3, 1)
    raise DataError(
        f"an array of shape {images.shape}; expected N H W, N H W C or N C H W with 1 or 3 channels"
    )


def as_bytes(images: np.ndarray) -> np.ndarray:
    """The values as uint8 0..255, from the range in which they lie."""
    kind = images.dtype.kind
    if kind not in "buif":
        raise DataError(f"an array of type {images.dtype}; expected numbers")
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):
        raise DataError("the array holds numbers that are not finite")
    if kind == "f" and low >= -1 - JUST_OVER and high <= 1 + JUST_OVER:
        images = images * 255 if low >= -JUST_OVER else images * 127.5 + 127.5
        images = np.clip(np.rint(images), 0, 255)
    elif kind != "f" and low >= 0 and high <= 1:
        images = images.astype(np.uint8) * np.uint8(255)
    elif low < 0 or high > 255 or (kind == "f" and high < 2):
        raise DataError(
            f"values from {low:g} to {high:g}; expected 0 to 255, or floats in 0 to 1 or -1 to 1"
        )
    elif kind == "f":
        images = np.rint(images)
    return np.ascontiguousarray(images, dtype=np.uint8)


def _contents(path: Path) -> Contents:
    if not path.exists():
        raise DataError("there is no such file")
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded, None, None, []
            with loaded as archive:
                return _chosen({name: archive[name] for name in archive.files})
    except DataError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        hint = ""
        if "pickle" in str(error):
            hint = "; arrays of Python objects and pickles are not read"
        raise DataError(f"truncated, corrupt or no NumPy file{hint}") from error


def _chosen(arrays: dict[str, np.ndarray]) -> Contents:
    large = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    named = [name for name in IMAGES if name in large] or (large if len(large) == 1 else [])
    if not named:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(
            f"which array holds the images? It has {shapes or 'none'}; name one 'images'"
        )
    images = arrays[named[0]]
    notes: list[str] = []
    for name in LABELS:
        if name not in arrays or name == named[0]:
            continue
        array = arrays[name]
        labels = as_labels(array, len(images))
        if labels is not None:
            return images, labels, _names(arrays.get("classes"), labels, notes), notes
        if array.ndim == 1 and len(array) != len(images) and name != "arr_1":
            raise DataError(f"{name!r} holds {len(array)} labels for {len(images)} images")
        notes.append(
            f"the array {name!r}, {array.dtype} {array.shape}, is not used: labels are "
            f"{len(images)} whole numbers, or one-hot rows"
        )
    return images, None, None, notes


def _names(classes: np.ndarray | None, labels: np.ndarray, notes: list[str]) -> list[str] | None:
    """The names of the labels, where the file has one for each."""
    count = int(labels.max(initial=-1)) + 1
    if classes is not None and classes.dtype.kind == "U" and classes.ndim == 1:
        if count <= len(classes):
            return [str(name) for name in classes]
        notes.append(
            f"the {len(classes)} names in 'classes' are not used: the labels go up to {count - 1}"
        )
    elif (used := len(np.unique(labels))) < count / 2:
        notes.append(
            f"the labels go up to {count - 1}, which makes {count} classes, but {used} of them "
            f"have images; number them from 0 to {used - 1} if that is not meant"
        )
    return None
