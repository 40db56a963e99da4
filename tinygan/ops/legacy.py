"""What GAN scripts call out of habit: the old constructors of typed tensors, and switches."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Size, Tensor
from tinygan.backend import cuda
from tinygan.backend.dtypes import (
    bool_,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from tinygan.ops.conversion import to
from tinygan.ops.creation import empty, tensor

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "is_floating_point",
    "is_tensor",
    "use_deterministic_algorithms",
]


class TypedTensor:
    """Called with sizes: an uninitialised tensor of the type; with data: a copy of it."""

    def __init__(self, dtype: Any, device: Any = "cpu") -> None:
        self.dtype = dtype
        self.device = device

    def __call__(self, *data: Any) -> Tensor:
        size = data[0] if len(data) == 1 and isinstance(data[0], Size) else data or (0,)
        if all(isinstance(n, (int, np.integer)) for n in size):
            return empty(size, dtype=self.dtype, device=self.device)
        if len(data) > 1 or isinstance(data[0], float):
            raise TypeError(
                "expected sizes, or one array or sequence of numbers; for a number use "
                "tinygan.tensor(...)"
            )
        return tensor(data[0], dtype=self.dtype, device=self.device)

    def __instancecheck__(self, x: Any) -> bool:
        """isinstance(x, FloatTensor): whether x is a tensor of this type on this kind of device."""
        return isinstance(x, Tensor) and (x.dtype, x.device.type) == (self.dtype, self.device)


HalfTensor = TypedTensor(float16)
FloatTensor = TypedTensor(float32)
DoubleTensor = TypedTensor(float64)
ByteTensor = TypedTensor(uint8)
CharTensor = TypedTensor(int8)
ShortTensor = TypedTensor(int16)
IntTensor = TypedTensor(int32)
LongTensor = TypedTensor(int64)
BoolTensor = TypedTensor(bool_)

_NAMED: dict[str, TypedTensor] = {}
for _name in __all__:
    if _name.endswith("Tensor"):
        _NAMED[f"torch.{_name}"] = _typed = globals()[_name]
        _NAMED[f"torch.cuda.{_name}"] = _placed = TypedTensor(_typed.dtype, "cuda")
        setattr(cuda, _name, _placed)
_NAMES = {(t.dtype, t.device): name for name, t in _NAMED.items()}


def as_type(x: Tensor, dtype: Any = None) -> Any:
    """x as another type: a dtype, FloatTensor, cuda.FloatTensor, ..., or the name of one of these.

    `Tensor` stands for the default type on the CPU. Without a type: the name of x's own, as
    PyTorch's scripts compare it, "torch.FloatTensor" for float32.
    """
    if dtype is None:
        return _NAMES[x.dtype, x.device.type]
    if isinstance(dtype, str) and dtype not in _NAMED:
        raise ValueError(f"type: invalid type {dtype!r}, expected one of {', '.join(_NAMED)}")
    kind = _NAMED[dtype] if isinstance(dtype, str) else dtype
    if isinstance(kind, TypedTensor):
        return to(x, kind.dtype, device=kind.device)
    return to(x, get_default_dtype(), device="cpu") if kind is Tensor else to(x, kind)


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether its elements are floating-point numbers."""
    return input.is_floating_point()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: what there is on the CPU repeats itself bit for bit as it is."""
