"""Layers that are told a class."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.nn import init
from tinygan.nn.containers import Sequential
from tinygan.nn.embedding import Embedding
from tinygan.nn.module import Module
from tinygan.nn.normalization import BatchNorm1d, BatchNorm2d


class _ConditionalBatchNorm(Module):
    """y = w[c] (x - mean) / sqrt(var + eps) + b[c] for inputs (N, C, ...) of classes c (N,).

    Batch normalisation whose scale and shift, initially 1 and 0, belong to a class. Source:
    Dumoulin et al., "A Learned Representation For Artistic Style", 2017, section 2.2; in
    generators Miyato and Koyama, "cGANs with Projection Discriminator", 2018.
    """

    plain: type[BatchNorm1d] | type[BatchNorm2d]

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.normalize = self.plain(num_features, affine=False)
        self.weight = Embedding(num_classes, num_features)
        self.bias = Embedding(num_classes, num_features)
        init.ones_(self.weight.weight)
        init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        shape = (len(x), x.shape[1], *(1,) * (x.ndim - 2))
        weight, bias = (table(label).reshape(shape) for table in (self.weight, self.bias))
        return self.normalize(x) * weight + bias


class ConditionalBatchNorm1d(_ConditionalBatchNorm):
    __doc__ = _ConditionalBatchNorm.__doc__
    plain = BatchNorm1d


class ConditionalBatchNorm2d(_ConditionalBatchNorm):
    __doc__ = _ConditionalBatchNorm.__doc__
    plain = BatchNorm2d


class ConditionalSequential(Sequential):
    """y = f_n(... f_1(x)): every layer in turn, the conditional ones given the labels too."""

    def forward(self, x: Any, label: Tensor) -> Any:  # type: ignore[override]
        for layer in self:
            x = layer(x, label) if isinstance(layer, _ConditionalBatchNorm) else layer(x)
        return x
