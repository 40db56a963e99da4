"""The last layer of a discriminator."""

from __future__ import annotations

from tinygan import nn


def head(features: int, outputs: int, varied: bool) -> nn.Module:
    """(N, features) -> (N, outputs): linear, of one feature more if the batch's variety counts."""
    if not varied:
        return nn.Linear(features, outputs)
    return nn.Sequential(nn.MinibatchStd(), nn.Linear(features + 1, outputs))
