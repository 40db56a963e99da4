"""Layers that move numbers and compute nothing, or nearly nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.keras.layer import Layer
from tinygan.keras.layers.conv import Pair, channels_first, channels_last, check_format, pair
from tinygan.keras.symbolic import KerasTensor, Node, Shape
from tinygan.nn import functional as F


class InputLayer(Layer):
    """Where a model's values come in: (N, *shape) of a type."""

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        batch_shape: Sequence[int | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (shape is None) == (batch_shape is None):
            raise ValueError("Input: expected either shape or batch_shape, such as shape=(784,)")
        if shape is not None:
            sizes = (shape,) if isinstance(shape, int) else tuple(shape)
            batch_shape = (batch_size, *sizes)
        self.batch_shape: Shape = tuple(batch_shape or ())
        self.dtype = ops.zeros(0).dtype if dtype is None else ops.zeros(0, dtype=dtype).dtype
        self.built = True
        Node(self, (), {}).give(self.batch_shape, self.dtype)

    def call(self, inputs: Tensor) -> Tensor:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": str(self.dtype),
            "name": self.name,
        }


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    batch_shape: Sequence[int | None] | None = None,
) -> KerasTensor:
    """A symbolic tensor (N, *shape) that layers can be called on, to make a Model of."""
    layer = InputLayer(shape, batch_size, dtype, batch_shape, name=name)
    tensor: KerasTensor = layer.output
    return tensor


class Flatten(Layer):
    """(N, ...) -> (N, the product of the rest), in row-major order of (H, W, C)."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(inputs.shape[0], -1)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))


class Reshape(Layer):
    """(N, ...) -> (N, *target_shape), of which one number may be -1: what is left."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(inputs.shape[0], *self.target_shape)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        target, rest = self.target_shape, input_shape[1:]
        if -1 in target and None in rest:
            return (input_shape[0], *[None if n == -1 else n for n in target])
        if None not in rest:
            left, remainder = divmod(math.prod(rest), abs(math.prod(target)))
            if remainder or (-1 not in target and left != 1):
                raise ValueError(f"Reshape: {tuple(rest)} cannot become {target}, of another size")
            target = tuple(left if n == -1 else n for n in target)
        return (input_shape[0], *target)


class Permute(Layer):
    """The dimensions in another order; the batch, dimension 0, stays where it is."""

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims is {dims}, expected the numbers from 1 in some order")

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.permute(0, *self.dims)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (input_shape[0], *[input_shape[d] for d in self.dims])


class Rescaling(Layer):
    """x scale + offset."""

    def __init__(self, scale: float, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * self.scale + self.offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class UpSampling2D(Layer):
    """Every pixel of (N, H, W, C) size[0] x size[1] times, or interpolated ("bilinear")."""

    def __init__(
        self,
        size: Pair = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_format(data_format)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"UpSampling2D: interpolation is {interpolation!r}")
        self.size, self.interpolation = pair("size", size), interpolation

    def call(self, inputs: Tensor) -> Tensor:
        size = [n * s for n, s in zip(inputs.shape[1:3], self.size, strict=True)]
        return channels_last(F.interpolate(channels_first(inputs), size, mode=self.interpolation))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        n, height, width, channels = input_shape
        sizes = [
            None if size is None else size * factor
            for size, factor in zip((height, width), self.size, strict=True)
        ]
        return (n, *sizes, channels)


class ZeroPadding2D(Layer):
    """Zeros around (N, H, W, C): one number, (rows, columns), or ((top, bottom), (left, right))."""

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_format(data_format)
        by_axis = (padding, padding) if isinstance(padding, int) else tuple(padding)
        self.padding = tuple((p, p) if isinstance(p, int) else tuple(p) for p in by_axis)

    def call(self, inputs: Tensor) -> Tensor:
        rows, columns = self.padding
        return channels_last(F.pad(channels_first(inputs), (*columns, *rows)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        sizes = [
            None if n is None else n + sum(p)
            for n, p in zip(input_shape[1:3], self.padding, strict=True)
        ]
        return (input_shape[0], *sizes, input_shape[3])


class Lambda(Layer):
    """Any function of a tensor; a model with one can be saved only if `function` is Keras's."""

    def __init__(self, function: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs)
