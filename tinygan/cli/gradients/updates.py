"""Rows for the optimizers' updates as functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tinygan.autograd import Parameter, Tensor
from tinygan.cli.gradients.table import normal, row
from tinygan.ops import full
from tinygan.optim import SGD, Adam, Optimizer, look_ahead


def _ahead(make: Callable[..., Optimizer]) -> Callable[[Tensor, Tensor], list[Tensor]]:
    """Two updates for a loss that depends on two tensors."""

    def f(x: Tensor, w: Tensor) -> list[Tensor]:
        p = Parameter(full((3,), 0.5, dtype=x.dtype, device=x.device))
        return look_ahead(make([p]), lambda q: (x @ q[0] - 1).square().sum() + (q[0] * w).sum(), 2)

    return f


row("optim.look_ahead", _ahead(partial(SGD, lr=0.05, momentum=0.5)), normal(4, 3), normal(3))
row("optim.look_ahead", _ahead(partial(Adam, lr=0.1, betas=(0.5, 0.9))), normal(4, 3), normal(3))
