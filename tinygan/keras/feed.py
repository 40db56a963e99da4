"""What fit, evaluate and predict are given, as batches of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.autograd import Tensor, wrap
from tinygan.backend import Device, backend_for, host_array
from tinygan.data.shuffle import permutation
from tinygan.keras.symbolic import flat, over


def as_tensor(value: Any, device: Device) -> Tensor:
    """An array, a list of numbers or a tensor on a device, floating-point in the default type."""
    if isinstance(value, Tensor):
        return value.detach().to(device)
    array = np.asarray(value)
    if array.dtype.kind == "f":
        array = np.ascontiguousarray(array, dtype=ops.zeros(0).dtype)
    elif array.dtype.kind not in "iub":
        raise TypeError(f"expected arrays of numbers, got an array of {array.dtype}")
    return wrap(backend_for(device).from_host(array))


def as_tensors(structure: Any, device: Device) -> Any:
    """The same with every array of lists, tuples and dicts of arrays."""
    if structure is None:
        return None
    if isinstance(structure, list) and structure and isinstance(flat(structure)[0], (int, float)):
        return as_tensor(structure, device)  # numbers in lists
    return over(lambda x: as_tensor(x, device), structure)


class Feed:
    """Samples in memory: x, y and weights of equal length, or None, on a device."""

    def __init__(self, x: Any, y: Any, weight: Any, device: Device) -> None:
        self.columns = [as_tensors(part, device) for part in (x, y, weight)]
        lengths = {len(column) for column in flat(self.columns) if column is not None}
        if len(lengths) != 1:
            raise ValueError(f"x, y and sample_weight have to be equally long, got {lengths}")
        (self.length,) = lengths
        self.device = device

    def __len__(self) -> int:
        return self.length

    def rows(self, indices: Tensor) -> list[Any]:
        """x, y and weights of the samples with these numbers."""
        return over(lambda column: None if column is None else column[indices], self.columns)

    def split(self, share: float) -> tuple[Feed, Feed]:
        """The first part, and the last `share` of the samples."""
        if not 0 < share < 1:
            raise ValueError(f"validation_split is {share}, expected a number between 0 and 1")
        middle = int(np.floor(self.length * (1 - share)))
        if not 0 < middle < self.length:
            raise ValueError(
                f"validation_split={share} of {self.length} samples leaves one part empty"
            )
        return self.part(slice(0, middle)), self.part(slice(middle, None))

    def part(self, which: slice) -> Feed:
        columns = over(lambda column: None if column is None else column[which], self.columns)
        x, y, weight = columns
        return Feed(x, y, weight, self.device)

    def indices(self, batch_size: int, order: np.ndarray | None = None) -> Iterator[Tensor]:
        """The numbers of the samples of every batch, on the device."""
        numbers = np.arange(self.length) if order is None else order
        placed = backend_for(self.device).from_host(numbers.astype(np.int64))
        for start in range(0, self.length, batch_size):
            yield wrap(placed[start : start + batch_size])


def shuffled(length: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch, from Philox: a function of the seed and the epoch alone."""
    return permutation(length, seed, epoch)


def weighted_by_class(y: Any, weights: dict[int, float], sample_weight: Any) -> np.ndarray:
    """The weight of every sample's class, times its own."""
    labels = host_array(y.array) if isinstance(y, Tensor) else np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] > 1 else labels[..., 0]
    of_class = np.ones(max([int(labels.max()), *weights]) + 1, ops.zeros(0).dtype)
    for number, weight in weights.items():
        of_class[number] = weight
    found: np.ndarray = of_class[labels.astype(np.int64)]
    return found if sample_weight is None else found * np.asarray(sample_weight)


def joined(parts: Sequence[Any]) -> Any:
    """Predictions of batches, one after the other, as arrays on the host."""
    columns = zip(*[flat(part) for part in parts], strict=True)
    whole = iter([np.concatenate([host_array(x.array) for x in column]) for column in columns])
    return over(lambda _: next(whole), parts[0])
