"""Convolutions of images (N, H, W, C), which the engine takes as views (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor
from tinygan.keras.layers.dense import WithKernel
from tinygan.keras.symbolic import Shape
from tinygan.ops.conv_trio import _conv2d, _conv2d_input_grad

Pair = int | Sequence[int]


def pair(name: str, value: Pair) -> tuple[int, int]:
    """One number for both directions, or one for each."""
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    if len(numbers) != 2 or any(not isinstance(n, int) or n < 1 for n in numbers):
        raise ValueError(f"{name} is {value!r}, expected a positive integer or two")
    return numbers


def check_padding(padding: str) -> str:
    if padding.lower() not in ("valid", "same"):
        raise ValueError(f"padding is {padding!r}, expected 'valid' or 'same'")
    return padding.lower()


def check_format(data_format: str | None) -> None:
    if data_format not in (None, "channels_last"):
        raise ValueError(f"data_format is {data_format!r}; images are channels_last here")


def output_size(size: int | None, kernel: int, stride: int, padding: str) -> int | None:
    """ceil(n / stride) for "same", ceil((n - kernel + 1) / stride) for "valid"."""
    if size is None:
        return None
    return -(-(size if padding == "same" else size - kernel + 1) // stride)


def pads(size: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """Zeros before and after for "same"; where the number is odd the one more comes after."""
    if padding == "valid":
        return 0, 0
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


class _Convolution(WithKernel):
    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair,
        padding: str,
        data_format: str | None,
        dilation_rate: Pair,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        keywords: dict[str, Any],
    ) -> None:
        super().__init__(
            *(activation, use_bias, kernel_initializer, bias_initializer),
            *(kernel_regularizer, bias_regularizer, keywords),
        )
        check_format(data_format)
        self.filters = filters
        self.kernel_size = pair("kernel_size", kernel_size)
        self.strides = pair("strides", strides)
        self.dilation_rate = pair("dilation_rate", dilation_rate)
        self.padding = check_padding(padding)
        self.windows = tuple(
            (k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)
        )

    def channels(self, input_shape: Any) -> int:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected images (N, H, W, C) with a known "
                f"number of channels, got shape {input_shape}"
            )
        return int(input_shape[-1])


class Conv2D(_Convolution):
    """activation(x * kernel + bias): (N, H, W, C) -> (N, H', W', filters).

    The kernel is (h, w, C, filters), * is cross-correlation. "same" gives
    H' = ceil(H / stride), with one zero more after the image than before where it is an odd number.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Pair = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(filters, kernel_size, strides, padding, data_format, dilation_rate, activation),
            *(use_bias, kernel_initializer, bias_initializer),
            *(kernel_regularizer, bias_regularizer, kwargs),
        )
        self.groups = groups

    def build(self, input_shape: Any) -> None:
        inputs = self.channels(input_shape) // self.groups
        self.make_weights((*self.kernel_size, inputs, self.filters), (2, 3, 1, 0), self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        sizes = zip(inputs.shape[1:3], self.windows, self.strides, strict=True)
        zeros = tuple(pads(*axis, self.padding) for axis in sizes)
        x = channels_first(inputs)
        rates = self.dilation_rate
        y = _conv2d(x, self._kernel, self._bias, self.strides, zeros, rates, self.groups)
        return self.activation(channels_last(y))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        axes = zip(input_shape[1:3], self.windows, self.strides, strict=True)
        sizes = [output_size(*axis, self.padding) for axis in axes]
        return (input_shape[0], *sizes, self.filters)


class Conv2DTranspose(_Convolution):
    """activation(the adjoint of a Conv2D by its input + bias), kernel (h, w, filters, C).

    (N, H, W, C) -> (N, H', W', filters), H' = H stride for "same" and
    H stride + max(h - stride, 0) for "valid", where the Conv2D leads from H' to H.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(filters, kernel_size, strides, padding, data_format, dilation_rate, activation),
            *(use_bias, kernel_initializer, bias_initializer),
            *(kernel_regularizer, bias_regularizer, kwargs),
        )

    def build(self, input_shape: Any) -> None:
        kernel = (*self.kernel_size, self.filters, self.channels(input_shape))
        self.make_weights(kernel, (2, 3, 1, 0), self.filters)

    def _sizes(self, input_shape: Any) -> list[int | None]:
        same = self.padding == "same"
        return [
            None if n is None else n * s + (0 if same else max(k - s, 0))
            for n, k, s in zip(input_shape[1:3], self.windows, self.strides, strict=True)
        ]

    def call(self, inputs: Tensor) -> Tensor:
        sizes: Any = tuple(self._sizes(inputs.shape))
        axes = zip(sizes, self.windows, self.strides, strict=True)
        zeros = tuple(pads(*axis, self.padding) for axis in axes)
        x = channels_first(inputs)
        rates = self.dilation_rate
        y = _conv2d_input_grad(x, self._kernel, self._bias, sizes, self.strides, zeros, rates, 1)
        return self.activation(channels_last(y))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (input_shape[0], *self._sizes(input_shape), self.filters)
