"""Datasets: things with a length, an item for each index, and whole batches where that is fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import backend_of
from tinygan.data.errors import DataError
from tinygan.data.labels import checked
from tinygan.data.shuffle import permutation, seed_of

SPLIT = 2**64 - 1  # in the place of an epoch: no loader of that seed has this order


class Dataset:
    """Something with `len(dataset)` and `dataset[i]`.

    A dataset that can gather many items faster than one by one has `batch(indices)` too: the
    items of an int64 array of indices, stacked as the default `collate_fn` would stack them.
    """

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has to define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has to define __len__")


class TensorDataset(Dataset):
    """Tensors of equal length: item i is the tuple of their i-th elements."""

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [len(x) for x in tensors]
        if not tensors or len(set(lengths)) > 1:
            raise DataError(
                f"TensorDataset: expected tensors of equal length, got lengths {lengths}"
            )
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(wrap(x.array[index, ...]) for x in self.tensors)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        return tuple(wrap(taken(x.array, indices)) for x in self.tensors)


class Subset(Dataset):
    """The items of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    @property
    def batch(self) -> Callable[[np.ndarray], Any]:
        """Gathers as the dataset does; AttributeError where it cannot."""
        gather: Callable[[np.ndarray], Any] = self.dataset.batch
        chosen = np.asarray(self.indices)
        return lambda indices: gather(chosen[indices])


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Disjoint random subsets of the given lengths, or of fractions that sum to 1.

    `generator` is a Generator or an int, whose seed alone decides; by default a seed is drawn from
    the default generator.
    """
    total = len(dataset)
    counts = [int(n) for n in lengths]
    if abs(sum(lengths) - 1) < 1e-6 and all(0 <= n <= 1 for n in lengths):
        counts = [int(total * n) for n in lengths]
        for i in range(total - sum(counts)):  # what rounding left over, one each in turn
            counts[i % len(counts)] += 1
    if sum(counts) != total:
        raise DataError(
            f"random_split: the lengths {list(lengths)} sum to {sum(counts)}, but the dataset has "
            f"{total} items"
        )
    order = permutation(total, seed_of(generator), SPLIT)
    ends = np.cumsum(counts)
    return [
        Subset(dataset, order[end - n : end].tolist()) for n, end in zip(counts, ends, strict=True)
    ]


class Named(Dataset):
    """What all data that `tinygan.data.load` returns can tell about itself."""

    name: str = ""
    source: str = ""
    classes: list[str] | None = None
    labels: np.ndarray | None = None

    @property
    def content(self) -> np.ndarray:
        """The array that the items are made from."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.content)

    @cached_property
    def checksum(self) -> str:
        """sha256 of the content and its shape, in hexadecimal."""
        digest = sha256(f"{self.content.shape} {self.content.dtype}".encode())
        digest.update(np.ascontiguousarray(self.content).data)
        return digest.hexdigest()

    @cached_property
    def labels_checksum(self) -> str | None:
        """sha256 of the labels as int64, in hexadecimal; None where there are none."""
        if self.labels is None:
            return None
        return sha256(self.labels.astype(np.int64).tobytes()).hexdigest()

    def checksums(self) -> dict[str, str]:
        """Those that there are, by what config.json calls them."""
        found = {"data": self.checksum, "labels": self.labels_checksum}
        return {name: checksum for name, checksum in found.items() if checksum is not None}

    def describe(self) -> dict[str, Any]:
        """What it is, for people and for config.json."""
        return {
            "name": self.name,
            "count": len(self),
            "classes": self.classes,
            "source": self.source,
            "checksum": self.checksum,
        }


class Images(Named):
    """Images as one uint8 array N H W C, given out as float32 in [-1, 1] with shape C H W.

    Item i is `(image,)`, or `(image, label)` where there are labels. `transform` gets the image as
    a PIL image, as torchvision's datasets do, and what it returns takes the image's place.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        classes: list[str] | None = None,
        name: str = "",
        source: str = "",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
            raise DataError(
                "Images: expected a uint8 array of shape N H W C with 1 or 3 channels, got "
                f"{images.dtype} {images.shape}"
            )
        if labels is not None and labels.shape != (len(images),):
            raise DataError(
                f"Images: {len(images)} images need as many labels, got shape {labels.shape}"
            )
        self.images = images
        self.labels = None if labels is None else checked(labels)
        self.classes = classes
        self.name, self.source = name, source
        self.transform, self.target_transform = transform, target_transform

    @property
    def content(self) -> np.ndarray:
        return self.images

    @property
    def targets(self) -> np.ndarray | None:
        """The labels, under torchvision's name."""
        return self.labels

    @property
    def channels(self) -> int:
        return int(self.images.shape[3])

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if self.transform is None:
            image = wrap(to_float(self.images[index]).transpose(2, 0, 1))
        else:
            image = self.transform(as_picture(self.images[index]))
        if self.labels is None:
            return (image,)
        label = int(self.labels[index])
        return image, label if self.target_transform is None else self.target_transform(label)

    @property
    def batch(self) -> Callable[[np.ndarray], tuple[Tensor, ...]]:
        """Gathers a batch at once; AttributeError where a transform wants items one by one."""
        if self.transform is not None or self.target_transform is not None:
            raise AttributeError("a dataset with a transform has no batch()")
        return self._batch

    def _batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        return self.tensors(
            self.images[indices], None if self.labels is None else self.labels[indices]
        )

    def tensors(self, images: Any, labels: Any) -> tuple[Tensor, ...]:
        """What a batch of these arrays, on any device, is given out as."""
        x = wrap(to_float(images).transpose(0, 3, 1, 2))
        return (x,) if labels is None else (x, wrap(labels))

    def describe(self) -> dict[str, Any]:
        _, height, width, channels = self.images.shape
        return {**super().describe(), "size": [height, width], "channels": channels}


class Points(Named):
    """Points as one float32 array N D; item i is `(point,)`, or `(point, label)`."""

    def __init__(
        self,
        points: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        name: str = "",
        source: str = "",
        density: Any = None,
    ) -> None:
        self.points = points.astype(np.float32)
        self.labels = labels
        self.density = density
        self.name, self.source = name, source
        if labels is not None:
            self.classes = [str(i) for i in range(int(labels.max()) + 1)]

    @property
    def content(self) -> np.ndarray:
        return self.points

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self.points.shape[1]),)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        point = wrap(self.points[index])
        return (point,) if self.labels is None else (point, int(self.labels[index]))

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        return self.tensors(
            self.points[indices], None if self.labels is None else self.labels[indices]
        )

    def tensors(self, points: Any, labels: Any) -> tuple[Tensor, ...]:
        """What a batch of these arrays, on any device, is given out as."""
        return (wrap(points),) if labels is None else (wrap(points), wrap(labels))

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "size": [int(self.points.shape[1])], "channels": None}


def to_float(images: Any) -> Any:
    """x / 127.5 - 1 in float32: 0..255 to exactly -1..1."""
    y = images.astype(np.float32)
    y /= np.float32(127.5)
    y -= np.float32(1)
    return y


def as_picture(image: np.ndarray) -> Any:
    """A uint8 array H W C, or H W, as a PIL image."""
    from PIL import Image

    grey = image.ndim == 3 and image.shape[2] == 1
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))


def taken(array: Any, indices: np.ndarray) -> Any:
    """Rows of an array on any device, keeping channels-last memory."""
    backend = backend_of(array)
    rows = backend.from_host(indices)
    if array.ndim == 4 and not array.flags.c_contiguous:
        return array.transpose(0, 2, 3, 1)[rows].transpose(0, 3, 1, 2)
    return array[rows]
