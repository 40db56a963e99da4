"""Parts that depend on what a network is told beside its input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tinygan import nn
from tinygan.autograd import Tensor


def head(features: int, outputs: int, varied: bool) -> nn.Module:
    """(N, features) -> (N, outputs): linear, of one feature more if the batch's variety counts."""
    if not varied:
        return nn.Linear(features, outputs)
    return nn.Sequential(nn.MinibatchStd(), nn.Linear(features + 1, outputs))


def logits(y: Tensor) -> Tensor:
    """(N, outputs) as it is, but (N,) where there is one output."""
    return y.squeeze(1) if y.shape[1] == 1 else y


def batch_norm(classes: int) -> tuple[Callable[[int], nn.Module], type[nn.Sequential]]:
    """Batch normalisation of C channels, conditional if there are classes, and what holds it."""
    if not classes:
        return nn.BatchNorm2d, nn.Sequential
    return partial(nn.ConditionalBatchNorm2d, num_classes=classes), nn.ConditionalSequential
