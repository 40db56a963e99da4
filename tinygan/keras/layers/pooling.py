"""Pooling of images (N, H, W, C)."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.keras.layer import Layer
from tinygan.keras.layers.conv import (
    Pair,
    channels_first,
    channels_last,
    check_format,
    check_padding,
    output_size,
    pads,
    pair,
)
from tinygan.keras.symbolic import Shape
from tinygan.nn import functional as F


class _Pooling(Layer):
    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_format(data_format)
        self.pool_size = pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair("strides", strides)
        self.padding = check_padding(padding)

    def padded(self, inputs: Tensor, value: float) -> Tensor:
        """The images channels-first, with what "same" adds around them."""
        x = channels_first(inputs)
        axes = zip(inputs.shape[1:3], self.pool_size, self.strides, strict=True)
        rows, columns = (pads(*axis, self.padding) for axis in axes)
        return F.pad(x, (*columns, *rows), value=value) if any((*rows, *columns)) else x

    def compute_output_shape(self, input_shape: Any) -> Shape:
        axes = zip(input_shape[1:3], self.pool_size, self.strides, strict=True)
        return (input_shape[0], *[output_size(*a, self.padding) for a in axes], input_shape[3])


class MaxPooling2D(_Pooling):
    """The largest value of every window."""

    def call(self, inputs: Tensor) -> Tensor:
        x = self.padded(inputs, -float("inf"))
        return channels_last(F.max_pool2d(x, self.pool_size, self.strides))


class AveragePooling2D(_Pooling):
    """The mean of every window, of the part of it that is inside of the image."""

    def call(self, inputs: Tensor) -> Tensor:
        y = F.avg_pool2d(self.padded(inputs, 0.0), self.pool_size, self.strides)
        if self.padding == "same":
            inside = self.padded(inputs.detach()[:1, :, :, :1] * 0 + 1, 0.0)
            y = y / F.avg_pool2d(inside, self.pool_size, self.strides)
        return channels_last(y)


class _Global(Layer):
    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def compute_output_shape(self, input_shape: Any) -> Shape:
        n, _, _, channels = input_shape
        return (n, 1, 1, channels) if self.keepdims else (n, channels)


class GlobalAveragePooling2D(_Global):
    """(N, H, W, C) -> (N, C): the mean of every channel."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.mean((1, 2), keepdim=self.keepdims)


class GlobalMaxPooling2D(_Global):
    """(N, H, W, C) -> (N, C): the largest value of every channel."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs.amax((1, 2), keepdim=self.keepdims)
