"""Rows of the gradient table: maxima and means over windows."""

from functools import partial

import numpy as np

from tinygan.cli.gradients.table import Domain, integers, normal, row
from tinygan.ops.images import constant
from tinygan.ops.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)
from tinygan.ops.separable import _separable
from tinygan.ops.window_max import _max_pool, _plane_gather, _plane_scatter, _tap_pick, _tap_spread
from tinygan.ops.window_sum import _window_spread, _window_sum


def _distinct(*shape: int) -> Domain:
    """Numbers at least 0.1 apart, so that no maximum changes its place."""

    def draw(random: np.random.Generator) -> np.ndarray:
        size = int(np.prod(shape))
        return (random.permutation(size).reshape(shape) - size / 2) * 0.1

    return draw


def _weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


_overlapping = dict(kernel=(3, 2), stride=(2, 1), start=(1, 0))
row("window_sum", partial(_window_sum, count=(2, 4), **_overlapping), normal(2, 3, 4, 5))
row("window_spread", partial(_window_spread, size=(4, 5), **_overlapping), normal(2, 3, 2, 4))
for _channels in (1, 3):
    row(
        "separable",
        lambda x: _separable(x, constant(x, _weights, 2, 4), constant(x, _weights, 7, 5)),
        normal(2, _channels, 4, 5),
    )
row("plane_gather", _plane_gather, normal(2, 3, 4, 5), integers(20, 2, 3, 3, 2))
row(
    "plane_scatter",
    partial(_plane_scatter, size=(4, 5)),
    normal(2, 3, 2, 2),
    integers(20, 2, 3, 2, 2),
)
row(
    "tap_pick",
    partial(_tap_pick, dilation=(1, 1), **_overlapping),
    normal(2, 3, 4, 5),
    integers(6, 2, 3, 2, 4),
)
row(
    "tap_spread",
    partial(_tap_spread, size=(4, 5), dilation=(1, 1), **_overlapping),
    normal(2, 3, 2, 4),
    integers(6, 2, 3, 2, 4),
)
row(
    "max_pool",
    partial(_max_pool, count=(2, 3), dilation=(2, 1), **_overlapping),
    _distinct(2, 3, 7, 4),
)
row("max_pool2d", partial(max_pool2d, kernel_size=2), _distinct(2, 2, 4, 5))
row(
    "max_pool2d",
    partial(max_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True),
    _distinct(2, 2, 4, 5),
)
row("max_pool1d", partial(max_pool1d, kernel_size=3, stride=1), _distinct(2, 2, 5))
row(
    "max_pool2d",
    lambda x: max_pool2d(x, 2, return_indices=True)[0],
    _distinct(2, 2, 4, 5),
)
row("adaptive_max_pool2d", partial(adaptive_max_pool2d, output_size=(2, 3)), _distinct(2, 2, 5, 4))
row("avg_pool2d", partial(avg_pool2d, kernel_size=2), normal(2, 2, 4, 5))
row(
    "avg_pool2d",
    partial(
        avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False
    ),
    normal(2, 2, 4, 5),
)
row("avg_pool2d", partial(avg_pool2d, kernel_size=2, divisor_override=3), normal(2, 4, 5))
row("avg_pool1d", partial(avg_pool1d, kernel_size=3, stride=2, padding=1), normal(2, 2, 6))
row("adaptive_avg_pool2d", partial(adaptive_avg_pool2d, output_size=(2, 3)), normal(2, 2, 5, 4))
row("adaptive_avg_pool2d", partial(adaptive_avg_pool2d, output_size=1), normal(2, 2, 3, 4))
row("adaptive_avg_pool1d", partial(adaptive_avg_pool1d, output_size=2), normal(2, 2, 5))
