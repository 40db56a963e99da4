"""Rows of dropout: the same random numbers at every call, so that it is a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygan import Tensor
from tinygan import ops as F
from tinygan.cli.gradients.table import normal, row


def _seeded(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def again(x: Tensor, **more: Any) -> Tensor:
        state = F.get_rng_state(x.device)
        F.default_generator(x.device).manual_seed(0)
        try:
            return function(x, 0.4, **more)
        finally:
            F.set_rng_state(state, x.device)

    return again


row("dropout", _seeded(F.dropout), normal(3, 4))
row("dropout", _seeded(lambda x, p: F.dropout(x * 2, p, inplace=True)), normal(3, 4))
row("dropout1d", _seeded(F.dropout1d), normal(3, 4, 2))
row("dropout2d", _seeded(F.dropout2d), normal(2, 3, 2, 2))
