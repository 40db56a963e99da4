"""Variable: a weight of a layer, laid out as Keras does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.nn.module import overwrite

if TYPE_CHECKING:
    from tinygan.keras.layer import Layer


class Variable:
    """A weight as Keras lays it out: a tensor of a layer with its axes in another order."""

    def __init__(self, layer: Layer, name: str, axes: tuple[int, ...], learned: bool) -> None:
        self.layer, self.name, self.axes, self.learned = layer, name, axes, learned

    @property
    def tensor(self) -> Tensor:
        """The tensor as the engine lays it out."""
        found: Tensor = getattr(self.layer, f"_{self.name}")
        return found

    @property
    def value(self) -> Tensor:
        """The tensor as Keras lays it out: a view of the same numbers."""
        value: Tensor = self.tensor.permute(*self.axes)
        return value

    @property
    def path(self) -> str:
        return f"{self.layer.name}/{self.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape[axis] for axis in self.axes)

    @property
    def dtype(self) -> str:
        return str(self.tensor.dtype)

    @property
    def trainable(self) -> bool:
        return self.learned and self.layer.trainable

    def numpy(self) -> np.ndarray:
        """A copy on the host."""
        return np.array(host_array(self.tensor.array).transpose(self.axes))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy().astype(dtype) if dtype is not None else self.numpy()

    def assign(self, value: Any) -> None:
        """Overwrite the numbers; the value is laid out as Keras does it."""
        array = host_array(value.array) if isinstance(value, Tensor) else np.asarray(value)
        if array.shape != self.shape:
            raise ValueError(f"{self.path} has shape {self.shape}, got values of {array.shape}")
        overwrite(self.tensor, array.transpose(np.argsort(self.axes)))

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"
