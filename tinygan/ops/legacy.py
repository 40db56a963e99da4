"""What GAN scripts call out of habit: the old constructors of typed tensors, and switches."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.backend.dtypes import float32, float64, int64
from tinygan.ops.creation import empty, tensor

__all__ = ["DoubleTensor", "FloatTensor", "LongTensor", "is_tensor", "use_deterministic_algorithms"]


class TypedTensor:
    """Called with sizes: an uninitialised tensor of the type; with data: a copy of it."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype  # so that `x.type(FloatTensor)` works too

    def __call__(self, *data: Any) -> Tensor:
        if not data or all(isinstance(n, int) for n in data):
            return empty(*(data or (0,)), dtype=self.dtype)
        return tensor(data[0], dtype=self.dtype)


FloatTensor = TypedTensor(float32)
DoubleTensor = TypedTensor(float64)
LongTensor = TypedTensor(int64)


def is_tensor(x: Any) -> bool:
    """Whether x is a Tensor."""
    return isinstance(x, Tensor)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: what there is on the CPU repeats itself bit for bit as it is."""
