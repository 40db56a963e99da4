"""Layers that draw numbers in training and do nothing else."""

from __future__ import annotations

from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.keras.layer import Layer
from tinygan.nn import functional as F


class _Noise(Layer):
    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Dropout(_Noise):
    """x m / (1 - rate), each element of m 0 with probability rate and else 1."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"{type(self).__name__}: rate is {rate}, expected it in [0, 1]")
        self.rate = rate

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return F.dropout(inputs, self.rate, training)


class SpatialDropout2D(Dropout):
    """Dropout of whole channels of (N, H, W, C). Source: Tompson et al. (2015)."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return F.dropout2d(inputs.permute(0, 3, 1, 2), self.rate, training).permute(0, 2, 3, 1)


class GaussianNoise(_Noise):
    """x + N(0, stddev^2)."""

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return inputs + self.stddev * ops.randn_like(inputs) if training else inputs
