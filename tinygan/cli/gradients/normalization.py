"""Rows of batch, layer, group and instance normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan import Tensor
from tinygan import ops as F
from tinygan.cli.gradients.table import normal, row, uniform
from tinygan.distributed import mean_over_ranks
from tinygan.ops import normalization as N
from tinygan.ops.batch_norm import channels_last

WEIGHT, BIAS = uniform(0.5, 1.5, 3), normal(3)


def _training(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    return F.batch_norm(x, None, None, weight, bias, True)


def _channels_last(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return _training(x.permute(0, 3, 1, 2), weight, bias)


def _evaluation(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    mean, var = (x.new_tensor(np.array(v)) for v in ([0.5, -1.0, 0.0], [0.5, 1.0, 2.0]))
    return F.batch_norm(x, mean, var, weight, bias)


row("channels_last", channels_last, normal(2, 3, 2, 2))
row("batch_norm", _training, normal(6, 3))
row("batch_norm", _training, normal(4, 3), WEIGHT)
row("batch_norm", _training, normal(3, 3, 2), WEIGHT, BIAS)
row("batch_norm", _channels_last, normal(2, 2, 3, 3), WEIGHT, BIAS)
row("batch_norm", _evaluation, normal(2, 3))
row("batch_norm", _evaluation, normal(2, 3, 2, 2), WEIGHT, BIAS)


def _of_all_ranks(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.sync_batch_norm(x, None, None, weight, bias, True)


row("mean_over_ranks", mean_over_ranks, normal(2, 3))
row("sync_batch_norm", _of_all_ranks, normal(3, 3, 2), WEIGHT, BIAS)
row("standardize", lambda x: N._standardize(x, (0, 2), 1e-3), normal(3, 2, 4))


def _layer(*shape: int) -> Any:
    return lambda x, *affine: F.layer_norm(x, shape, *affine)


row("layer_norm", _layer(4), normal(3, 4))
row("layer_norm", _layer(3), normal(2, 2, 3), WEIGHT, BIAS)
row("layer_norm", _layer(2, 3), normal(2, 2, 3), normal(2, 3), normal(2, 3))
row("group_norm", lambda x: F.group_norm(x, 3), normal(2, 6))
row("group_norm", lambda x, w, b: F.group_norm(x, 1, w, b), normal(2, 3, 2), WEIGHT, BIAS)
row("group_norm", lambda x, w: F.group_norm(x, 3, w), normal(2, 3, 2, 2), WEIGHT)
row("instance_norm", F.instance_norm, normal(2, 3, 4))
row(
    "instance_norm",
    lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
    normal(2, 3, 2, 2),
    WEIGHT,
    BIAS,
)
