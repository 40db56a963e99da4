"""Stacked MNIST: three digits as the colours of one image, a thousand kinds of which all occur."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256

import numpy as np

from tinygan.autograd import Tensor
from tinygan.data.dataset import Images, Named
from tinygan.data.errors import DataError

COLOURS = 3


class Stacked(Named):
    """`count` images of 3 channels, each a grey image of `digits` drawn at random.

    Item i is `(image,)`, or `(image, 100 a + 10 b + c)` where the digits have labels a, b, c from 0
    to 9: the 1,000 modes of Metz et al., "Unrolled GANs" (2017), section 3.3.1. The images are put
    together as they are asked for, so a million of them take no more memory than their indices.
    """

    def __init__(self, digits: Images, count: int = 128_000, seed: int = 0) -> None:
        if digits.channels != 1:
            raise DataError(
                f"Stacked: expected grey images to stack, got {digits.channels} channels; "
                "load them with channels=1"
            )
        if count < 1:
            raise DataError(f"Stacked: count is {count}, expected 1 or more")
        self.digits = digits
        random = np.random.Generator(np.random.Philox(seed))
        self.indices = random.integers(len(digits), size=(count, COLOURS), dtype=np.int32)
        if digits.labels is not None:
            self.labels = digits.labels[self.indices] @ np.array([100, 10, 1])
        self.name = f"stacked-{digits.name}"
        self.source = f"{digits.source}, stacked with seed {seed}"

    @property
    def content(self) -> np.ndarray:
        return self.indices

    @cached_property
    def checksum(self) -> str:
        """sha256 of the digits' checksum and of who stands where, in hexadecimal."""
        return sha256(self.digits.checksum.encode() + self.indices.tobytes()).hexdigest()

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W."""
        return COLOURS, *self.digits.shape[1:]

    def images(self, indices: np.ndarray) -> np.ndarray:
        """The images at these indices, uint8 N H W 3."""
        grey = self.digits.images[self.indices[indices], ..., 0]
        return np.ascontiguousarray(np.moveaxis(grey, -3, -1))

    def __getitem__(self, index: int) -> tuple[Tensor | int, ...]:
        image, *label = self.batch(np.array([index]))
        return image[0], *(int(x[0]) for x in label)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        labels = None if self.labels is None else self.labels[indices]
        return self.digits.tensors(self.images(indices), labels)
