"""MNIST, Fashion-MNIST, KMNIST and CIFAR-10: found on disk, or downloaded."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend.files import cache_directory
from tinygan.data.cache import key_of, recall, remember
from tinygan.data.catalogue import CATALOGUE, OWNERS, Collection
from tinygan.data.dataset import Images
from tinygan.data.download import Progress, Remote, fetch
from tinygan.data.errors import DataError
from tinygan.data.idx import advice, read_idx, unpacked

Folder = str | os.PathLike[str] | None
CIFAR_RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue planes


def published(
    name: str,
    data_dir: Folder = None,
    *,
    train: bool = True,
    download: bool = True,
    progress: Progress | None = None,
) -> Images:
    """A published collection: looked for in `data_dir`, $TINYGAN_DATA and the user's cache.

    In each of them the files may lie in a folder of the collection's name, as torchvision lays them
    out, or at the top, packed or unpacked. What is missing is downloaded into the first of these
    places that can be written to.
    """
    collection = CATALOGUE[name]
    found = _find(collection, data_dir, train)
    if found is None:
        if not download:
            places = ", ".join(str(root) for root in _roots(data_dir))
            raise DataError(f"{collection.title} is not in {places}; use download=True to fetch it")
        found = _download(collection, data_dir, train, progress)
    read = _read_cifar if name == "cifar10" else _read_idx_pair
    images, labels = read(found, train)
    return Images(
        images,
        labels,
        classes=list(collection.classes),
        name=name,
        source=str(found.folder),
    )


@dataclass(frozen=True)
class Found:
    """The files of one part (train or test) of a collection."""

    folder: Path
    files: list[Path]


def _roots(data_dir: Folder) -> list[Path]:
    named = [data_dir, os.environ.get("TINYGAN_DATA")]
    return [*(Path(root).expanduser() for root in named if root), cache_directory() / "published"]


def _find(collection: Collection, data_dir: Folder, train: bool) -> Found | None:
    for root in _roots(data_dir):
        for folder in (root / collection.name, *(root / f for f in collection.folders), root):
            found = _files_in(folder, collection, train)
            if found is not None and _is_ours(found, collection):
                return found
    return None


def _files_in(folder: Path, collection: Collection, train: bool) -> Found | None:
    """The files in a folder; of a pair the labels may be missing, for a GAN can do without."""
    files = []
    for remote in collection.files(train):
        names = (remote.name, remote.name.removesuffix(".gz"))
        files += [path for name in names if (path := folder / name).is_file()][:1]
    if files and "labels" not in files[0].name:
        return Found(folder, files)
    loose = [folder / name for name in collection.loose(train)]
    return Found(folder, loose) if loose and all(path.is_file() for path in loose) else None


def _is_ours(found: Found, collection: Collection) -> bool:
    """Not the files of a sister under the same names, which their content tells."""
    if collection.name == "cifar10":
        return True
    telling = found.files[-1]  # the labels, which are small, where they are there
    try:
        packed = hashlib.md5(telling.read_bytes(), usedforsecurity=False).hexdigest()
        plain = hashlib.sha256(unpacked(telling)).hexdigest()
    except (OSError, DataError):  # told when it is read
        return True
    return all(OWNERS.get(key, collection.name) == collection.name for key in (packed, plain))


def _download(
    collection: Collection, data_dir: Folder, train: bool, progress: Progress | None
) -> Found:
    folder = next(
        (f for root in _roots(data_dir) if _writable(f := root.absolute() / collection.name)),
        _roots(None)[-1] / collection.name,
    )
    remotes = collection.files(train)
    # The labels come first, so that images without labels are never what a broken-off run leaves.
    files = [_present(remote, collection, folder, progress) for remote in reversed(remotes)]
    return Found(folder, files[::-1])


def _present(
    remote: Remote, collection: Collection, folder: Path, progress: Progress | None
) -> Path:
    """A file of a set that was not downloaded to its end last time, or is not there at all."""
    path = folder / remote.name
    kind, _, expected = remote.digest.partition(":")
    if path.is_file() and hashlib.new(kind, path.read_bytes()).hexdigest() == expected:
        return path
    return fetch(remote, collection.mirrors, folder, progress)


def _writable(folder: Path) -> bool:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def _read_idx_pair(found: Found, train: bool) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = [read_idx(path) for path in found.files]
    images, labels = arrays[0], arrays[1] if len(arrays) > 1 else None
    if images.ndim != 3 or (labels is not None and labels.shape != images.shape[:1]):
        shapes = [f"{p.name} {a.shape}" for p, a in zip(found.files, arrays, strict=True)]
        raise DataError(f"{found.folder}: expected images N H W and labels N, got {shapes}")
    return images[..., None], labels


def _read_cifar(found: Found, train: bool) -> tuple[np.ndarray, np.ndarray | None]:
    stats = [path.stat() for path in found.files]
    facts = [[str(p), s.st_size, s.st_mtime_ns] for p, s in zip(found.files, stats, strict=True)]
    key = key_of(["cifar10", train, facts])
    arrays = recall("cifar10", key)
    if arrays is not None and set(arrays) == {"images", "labels"}:
        return arrays["images"], arrays["labels"]
    parts = [_cifar_records(name, content) for name, content in _cifar_batches(found, train)]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    remember("cifar10", key, {"images": images, "labels": labels})
    return images, labels


def _cifar_batches(found: Found, train: bool) -> list[tuple[Path, bytes]]:
    if len(found.files) > 1 or found.files[0].suffix == ".bin":
        return [(path, path.read_bytes()) for path in found.files]
    import tarfile

    archive = found.files[0]
    wanted = CATALOGUE["cifar10"].loose(train)
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() else None
                name = os.path.basename(member.name)
                if stream is not None and name in wanted:
                    contents[name] = stream.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{archive} is truncated or corrupt; {advice(archive)}") from error
    missing = [name for name in wanted if name not in contents]
    if missing:
        raise DataError(f"{archive} does not hold {', '.join(missing)}; {advice(archive)}")
    return [(archive / name, contents[name]) for name in wanted]


def _cifar_records(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    if not content or len(content) % CIFAR_RECORD:
        raise DataError(
            f"{path} is truncated: {len(content)} bytes are no whole number of records of "
            f"{CIFAR_RECORD}; download it again"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, CIFAR_RECORD)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].copy()


class _Published(Images):
    """A collection under torchvision's name and arguments; `root` is where it is looked for.

    Without a `transform` the image of an item is a tensor in [-1, 1].
    """

    collection: str

    def __init__(
        self,
        root: Folder = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        data = published(self.collection, root, train=train, download=download)
        super().__init__(
            data.images,
            data.labels,
            classes=data.classes,
            name=data.name,
            source=data.source,
            transform=transform,
            target_transform=target_transform,
        )
        self.train = train


class MNIST(_Published):
    """70,000 digits, 28 x 28 grey (LeCun, Cortes, Burges)."""

    collection = "mnist"


class FashionMNIST(_Published):
    """70,000 garments, 28 x 28 grey (Xiao, Rasul, Vollgraf 2017)."""

    collection = "fashion-mnist"


class KMNIST(_Published):
    """70,000 cursive Japanese characters, 28 x 28 grey (Clanuwat et al. 2018)."""

    collection = "kmnist"


class CIFAR10(_Published):
    """60,000 photographs of ten kinds of things, 32 x 32 colour (Krizhevsky 2009)."""

    collection = "cifar10"
