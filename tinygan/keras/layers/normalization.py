"""Normalisation of batches and of samples."""

from __future__ import annotations

from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.keras.layer import Layer
from tinygan.ops.batch_norm import _batch_norm, batch_moments, fixed_moments, move_running


class BatchNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, per channel: the last axis.

    In training the moments are the batch's, and moving <- momentum moving + (1 - momentum) moment,
    with the biased variance; else the moments are the moving ones, as always where the layer is
    not trainable. Source: Ioffe and Szegedy (2015).
    """

    _gamma: Tensor | None
    _beta: Tensor | None
    _moving_mean: Tensor
    _moving_variance: Tensor

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer

    def build(self, input_shape: Any) -> None:
        if self.axis not in (-1, len(input_shape) - 1):
            raise ValueError(f"BatchNormalization: axis is {self.axis}, only the last is known")
        shape = (input_shape[-1],)
        for name, wanted, initializer in (
            ("gamma", self.scale, self.gamma_initializer),
            ("beta", self.center, self.beta_initializer),
        ):
            if wanted:
                self.add_weight(shape, initializer, name=name)
            else:
                self.register_parameter(f"_{name}", None)
        self.add_weight(shape, "zeros", trainable=False, name="moving_mean")
        self.add_weight(shape, "ones", trainable=False, name="moving_variance")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        x = inputs.movedim(-1, 1) if inputs.ndim > 2 else inputs
        mean, variance = self._moving_mean, self._moving_variance
        training = training and self.trainable
        if training:
            moments = batch_moments(x.detach())
            # a count so large that the unbiased variance is the biased one, which Keras keeps
            move_running(moments, mean, variance, momentum=1 - self.momentum, count=1 << 53)
            for moving in (mean, variance):
                moving.version[0] += 1
        else:
            moments = fixed_moments(mean, variance)
        y = _batch_norm(x, self._gamma, self._beta, moments, eps=self.epsilon, training=training)
        return y.movedim(1, -1) if inputs.ndim > 2 else y

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class LayerNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, each sample's moments of its last axis.

    Source: Ba, Kiros and Hinton (2016).
    """

    _gamma: Tensor | None
    _beta: Tensor | None

    def __init__(
        self, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        for name, wanted, initial in (
            ("gamma", self.scale, "ones"),
            ("beta", self.center, "zeros"),
        ):
            if wanted:
                self.add_weight((input_shape[-1],), initial, name=name)
            else:
                self.register_parameter(f"_{name}", None)

    def call(self, inputs: Tensor) -> Tensor:
        size = (inputs.shape[-1],)
        return ops.layer_norm(inputs, size, self._gamma, self._beta, self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
