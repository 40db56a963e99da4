"""Data that lies on the device: batches are gathered there, and only indices cross over."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import Device, backend_for
from tinygan.data.dataset import Dataset, Images, Points, taken

SHARE = 0.25  # of the device's free memory that data may take


class Resident(Dataset):
    """The batches of images or points, from a copy of their arrays on a device."""

    def __init__(self, dataset: Images | Points, device: str | Device) -> None:
        backend = backend_for(device)
        self.source = dataset
        self._content = backend.from_host(dataset.content)
        self._labels = None if dataset.labels is None else backend.from_host(dataset.labels)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self.source[index]

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        labels = None if self._labels is None else taken(self._labels, indices)
        return self.source.tensors(taken(self._content, indices), labels)


def resident(dataset: Any, device: str | Device) -> Any:
    """The dataset from a copy on the device, if that is worth it and possible; else itself.

    It must have no transform, the device must not be the host, and its free memory must be four
    times the size of the data.
    """
    if Device(device).type == "cpu" or not isinstance(dataset, (Images, Points)):
        return dataset
    free, _ = backend_for(device).xp.cuda.runtime.memGetInfo()
    if not hasattr(dataset, "batch") or dataset.content.nbytes > SHARE * free:
        return dataset
    return Resident(dataset, device)
