"""Dense and Embedding."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.keras import activations
from tinygan.keras.layer import Layer
from tinygan.keras.symbolic import Shape
from tinygan.keras.variable import Variable
from tinygan.nn import functional as F


class WithKernel(Layer):
    """What Dense and the convolutions share: an activation, and where the kernel and bias are."""

    _kernel: Tensor
    _bias: Tensor | None

    def __init__(
        self,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        keywords: dict[str, Any],
    ) -> None:
        super().__init__(**keywords)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.of_kernel = {"initializer": kernel_initializer, "regularizer": kernel_regularizer}
        self.of_bias = {"initializer": bias_initializer, "regularizer": bias_regularizer}

    def make_weights(self, kernel: tuple[int, ...], axes: tuple[int, ...], outputs: int) -> None:
        """A kernel of this shape in Keras's layout, which `axes` of the engine's are."""
        self.add_weight(kernel, **self.of_kernel, name="kernel", axes=axes)
        if self.use_bias:
            self.add_weight((outputs,), **self.of_bias, name="bias")
        else:
            self.register_parameter("_bias", None)

    @property
    def kernel(self) -> Variable:
        return self.weight_named("kernel")

    @property
    def bias(self) -> Variable | None:
        return self.weight_named("bias") if self.use_bias else None


class Dense(WithKernel):
    """activation(x kernel + bias): (N, ..., inputs) -> (N, ..., units), kernel (inputs, units)."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(activation, use_bias, kernel_initializer, bias_initializer),
            *(kernel_regularizer, bias_regularizer, kwargs),
        )
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"Dense: units is {units!r}, expected a positive integer")
        self.units = units

    def build(self, input_shape: Any) -> None:
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(
                f"Dense {self.name!r}: the last dimension of its input has to be known, got shape "
                f"{input_shape}"
            )
        self.make_weights((inputs, self.units), (1, 0), self.units)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(F.linear(inputs, self._kernel, self._bias))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*input_shape[:-1], self.units)


class Embedding(Layer):
    """y[...] = embeddings[x[...]]: integers (N, ...) -> (N, ..., output_dim), U(-0.05, 0.05)."""

    _embeddings: Tensor

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim, self.output_dim = input_dim, output_dim
        uniform = embeddings_initializer == "uniform"
        self.initializer = "random_uniform" if uniform else embeddings_initializer

    def build(self, input_shape: Any) -> None:
        self.add_weight((self.input_dim, self.output_dim), self.initializer, name="embeddings")

    @property
    def embeddings(self) -> Variable:
        return self.weight_named("embeddings")

    def call(self, inputs: Tensor) -> Tensor:
        return F.embedding(inputs.long(), self._embeddings)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*input_shape, self.output_dim)
