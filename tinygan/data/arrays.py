"""Images in .npy and .npz files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from tinygan.data.dataset import Images
from tinygan.data.errors import DataError

IMAGES = ("images", "x", "x_train", "data", "arr_0")
Contents = tuple[np.ndarray, np.ndarray | None, list[str] | None]  # images, labels, classes
LABELS = ("labels", "y", "y_train", "targets", "arr_1")


def read_array(path: Path) -> Images:
    """N H W, N H W C or N C H W; of an .npz the array `images`, and `labels` where there are any
    (`classes` names them).

    uint8 is taken as it is, integers must lie in 0..255, and floats in 0..1, -1..1 or 0..255.
    """
    images, labels, classes = _contents(path)
    try:
        return Images(
            as_bytes(channels_last(images)),
            labels,
            classes=classes,
            name=path.stem,
            source=str(path),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


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
    if kind == "b":
        return np.ascontiguousarray(images).astype(np.uint8) * np.uint8(255)
    if kind not in "uif":
        raise DataError(f"an array of type {images.dtype}; expected numbers")
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):
        raise DataError("the array holds numbers that are not finite")
    if kind == "f":
        if low >= 0 and high <= 1:
            images = images * 255
        elif low >= -1 and high <= 1:
            images = images * 127.5 + 127.5
        images = np.rint(images)
        low, high = (low, high) if low < -1 or high > 1 else (0, 255)
    if low < 0 or high > 255:
        raise DataError(
            f"values from {low:g} to {high:g}; expected 0 to 255, or floats in 0 to 1 or -1 to 1"
        )
    return np.ascontiguousarray(images, dtype=np.uint8)


def _contents(path: Path) -> Contents:
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded, None, None
            with loaded as archive:
                return _chosen(path, {name: archive[name] for name in archive.files})
    except DataError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        hint = ""
        if "pickle" in str(error):
            hint = "; arrays of Python objects and pickles are not read"
        raise DataError(f"{path} is truncated, corrupt or no NumPy file{hint}") from error


def _chosen(path: Path, arrays: dict[str, np.ndarray]) -> Contents:
    large = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    named = [name for name in IMAGES if name in large] or (large if len(large) == 1 else [])
    if not named:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(
            f"{path}: which array holds the images? It has {shapes or 'none'}; name one 'images'"
        )
    images = arrays[named[0]]
    for name in LABELS:
        labels = arrays.get(name)
        if labels is not None and labels.shape == images.shape[:1] and labels.dtype.kind in "ui":
            return images, labels, _names(arrays.get("classes"), labels)
    return images, None, None


def _names(classes: np.ndarray | None, labels: np.ndarray) -> list[str] | None:
    """The names of the labels, where the file has one for each."""
    if classes is None or classes.dtype.kind != "U" or classes.ndim != 1:
        return None
    return classes.tolist() if labels.max(initial=-1) < len(classes) else None
