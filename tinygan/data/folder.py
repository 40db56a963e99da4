"""Folders of pictures, decoded once."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.data.cache import key_of, recall, remember
from tinygan.data.dataset import Dataset, Images
from tinygan.data.errors import DataError
from tinygan.data.resize import fitted, luminance

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST = 64  # the size that is chosen where none is given and the pictures are larger
VERSION = 2  # of the decoding; raise it when the same file gives other pixels

Background = str | tuple[int, int, int]
Progress = Callable[[str, int, int], None]


def read_folder(
    folder: str | os.PathLike[str],
    *,
    size: int | None = None,
    channels: int | None = None,
    background: Background = "black",
    paths: list[Path] | None = None,
    progress: Progress | None = None,
) -> Images:
    """All pictures in a folder and the folders in it, in the order of their paths, or just `paths`.

    They are scaled and cropped to `size` x `size` (by default the commonest shorter side, at most
    64); `channels` is 1 where all are grey and 3 otherwise, unless given. If every picture lies in
    one of several subfolders, these are the classes; a picture beside them is told by a warning.
    Raises DataError, which names the file.
    """
    folder = Path(folder)
    paths = pictures_in(folder) if paths is None else paths
    images = _decoded(folder, paths, size, channels, colour(background), progress)
    parts = [path.relative_to(folder).parts for path in paths]
    classes = sorted({part[0] for part in parts if len(part) > 1})
    beside = [part[0] for part in parts if len(part) == 1]
    labels = None
    if len(classes) > 1 and beside:
        first = beside[0] if len(beside) == 1 else f"{beside[0]} and {len(beside) - 1} more"
        warnings.warn(
            f"{folder} has no classes: {first} lies beside the {len(classes)} subfolders; move it "
            "into one of them if they are classes",
            stacklevel=3,
        )
    elif len(classes) > 1:
        labels = np.array([classes.index(part[0]) for part in parts])
    return Images(
        images,
        labels,
        classes=None if labels is None else classes,
        name=folder.resolve().name,
        source=str(folder),
    )


class ImageFolder(Dataset):
    """torchvision's: a folder with one subfolder of pictures per class; items `(image, label)`.

    Without a `transform` images are tensors in [-1, 1], `size` x `size`, decoded once. A
    `transform` gets the whole picture as a PIL image in RGB, read anew each time.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        *,
        size: int | None = None,
        background: Background = "black",
    ) -> None:
        root = Path(root)
        paths = [p for p in pictures_in(root) if len(p.relative_to(root).parts) > 1]
        self.classes = sorted({path.relative_to(root).parts[0] for path in paths})
        if not self.classes:
            raise DataError(f"{root}: expected a subfolder of pictures for each class, found none")
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.targets = [self.class_to_idx[path.relative_to(root).parts[0]] for path in paths]
        self.samples = [(str(path), y) for path, y in zip(paths, self.targets, strict=True)]
        self.transform, self.target_transform = transform, target_transform
        self.background = colour(background)
        self.decoded: Images | None = None
        if transform is None:
            self.decoded = Images(
                _decoded(root, paths, size, 3, self.background, None),
                np.array(self.targets),
                target_transform=target_transform,
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if self.decoded is not None:
            image, label = self.decoded[index]
            return image, label
        assert self.transform is not None
        path, label = self.samples[index]
        image = self.transform(read_picture(Path(path), self.background))
        return image, label if self.target_transform is None else self.target_transform(label)

    @property
    def batch(self) -> Callable[[np.ndarray], tuple[Tensor, ...]]:
        """Gathers a batch at once; AttributeError where transforms want items one by one."""
        if self.decoded is None:
            raise AttributeError("a dataset with a transform has no batch()")
        return self.decoded.batch


def pictures_in(folder: Path) -> list[Path]:
    """The picture files at any depth, sorted; names that begin with a dot are left out."""
    if not folder.exists():
        raise DataError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; expected a folder of pictures")
    found, others = [], 0
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            if name.lower().endswith(ENDINGS):
                found.append(Path(place, name))
            else:
                others += 1
    if not found:
        what = f"{others} files, but no pictures" if others else "nothing"
        raise DataError(
            f"{folder} holds {what}; expected files that end in {', '.join(ENDINGS[:6])}"
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def colour(background: Background) -> tuple[int, int, int]:
    """Red, green, blue of a name ("white"), a code ("#ffcc00") or three numbers."""
    from PIL import ImageColor

    try:
        red, green, blue = (
            ImageColor.getrgb(background)[:3] if isinstance(background, str) else background
        )
        return int(red), int(green), int(blue)
    except (ValueError, TypeError):
        raise DataError(
            f"unknown background {background!r}; expected a colour such as 'white', 'black' or "
            "'#ffcc00'"
        ) from None


def _decoded(
    folder: Path,
    paths: list[Path],
    size: int | None,
    channels: int | None,
    background: tuple[int, int, int],
    progress: Progress | None,
) -> np.ndarray:
    """The pictures as uint8 N H W C, from the cache where nothing has changed."""
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    facts = [[str(p), s.st_size, s.st_mtime_ns] for p, s in zip(paths, stats, strict=True)]
    where = str(folder.resolve())
    key = key_of(["folder", VERSION, where, facts, size, channels, background])
    cached = recall("folder", key)
    if cached is not None and set(cached) == {"images", "hidden"}:
        _tell_hidden(folder, paths, cached["hidden"])
        return cached["images"]
    size = size or _common_size(paths)
    work = partial(decode, size=size, background=background)
    images = np.empty((len(paths), size, size, 3), np.uint8)
    grey = True
    hidden = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        try:
            for i, image in enumerate(pool.map(work, paths)):
                images[i] = image
                grey = grey and bool((image == image[..., :1]).all())
                if (image == image[0, 0]).all() and _varies(paths[i]):
                    hidden.append(i)
                if progress is not None:
                    progress("decoding pictures", i + 1, len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if channels is None:
        channels = 1 if grey else 3
    if channels == 1:
        images = np.ascontiguousarray(images[..., :1]) if grey else luminance(images)
    remember("folder", key, {"images": images, "hidden": np.array(hidden, np.int64)})
    _tell_hidden(folder, paths, np.array(hidden, np.int64))
    return images


def _varies(path: Path) -> bool:
    """Whether some of a picture is more transparent than the rest."""
    with opened(path) as picture:
        if not picture.has_transparency_data:
            return False
        low, high = picture.convert("RGBA").getchannel("A").getextrema()
        return bool(low < high)


def _tell_hidden(folder: Path, paths: list[Path], hidden: np.ndarray) -> None:
    """Warn of pictures that the background hides."""
    if len(hidden):
        warnings.warn(
            f"{folder}: on this background {len(hidden)} of {len(paths)} pictures, "
            f"{paths[hidden[0]].name} for one, are of a single colour, though their transparency "
            "varies; choose another background",
            stacklevel=4,
        )


def decode(path: Path, size: int, background: tuple[int, int, int]) -> np.ndarray:
    """One file (of an animation the first picture) as uint8 size size 3."""
    return np.asarray(read_picture(path, background, size))


def read_picture(path: Path, background: tuple[int, int, int], size: int | None = None) -> Any:
    """A file as a PIL image in RGB, upright, and fitted to `size` where one is given."""
    from PIL import ImageOps

    with opened(path) as picture:
        try:
            if size is not None:
                picture.draft(None, (2 * size, 2 * size))  # a JPEG need not be decoded in full
            flat = flattened(ImageOps.exif_transpose(picture), background)
            return (flat if size is None else fitted(flat, size)).convert("RGB")
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
            raise DataError(
                f"{path}: a broken picture ({error}); repair it or remove it from the folder"
            ) from error


def opened(path: Path) -> Any:
    """The file as a PIL image whose pixels are not read yet."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: a broken picture, or none at all; repair it or remove it from the folder"
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: a picture with too many pixels ({error})") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def flattened(picture: Any, background: tuple[int, int, int]) -> Any:
    """A PIL image of any mode as L or RGB: alpha over the background, 16 bits scaled to 8."""
    from PIL import Image

    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise DataError("numbers of 32 bits; expected 8 or 16 bits per channel")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise DataError("floating-point numbers; expected 8 or 16 bits per channel")
    if picture.has_transparency_data:
        base = Image.new("RGBA", picture.size, (*background, 255))
        base.alpha_composite(picture.convert("RGBA"))
        return base.convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _common_size(paths: list[Path]) -> int:
    counts: Counter[int] = Counter()
    for path in paths:
        with opened(path) as picture:
            counts[min(picture.size)] += 1
    return min(counts.most_common(1)[0][0], LARGEST)


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
