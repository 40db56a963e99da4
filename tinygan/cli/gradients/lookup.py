"""Rows of embedding."""

from __future__ import annotations

from tinygan import Tensor
from tinygan import ops as F
from tinygan.cli.gradients.table import integers, normal, row
from tinygan.ops import lookup

row("embedding", F.embedding, integers(4, 2, 3), normal(4, 3))
# the row of padding_idx gets no gradient although the result depends on it: it is left out
row("embedding", lambda i, w: F.embedding(i, w, padding_idx=-1), integers(4, 2, 3), normal(5, 3))


def _by_row(g: Tensor, index: Tensor, padding: int | None) -> Tensor:
    return lookup.embedding_grad(g, index, count=4, padding_idx=padding)


def _looked_up(x: Tensor, index: Tensor, padding: int | None) -> Tensor:
    return lookup._looked_up(x, index, padding_idx=padding)


for _padding in (None, 1):
    row("embedding_grad", lambda g, i, p=_padding: _by_row(g, i, p), normal(2, 3, 2),
        integers(4, 2, 3))  # fmt: skip
    row("looked_up", lambda x, i, p=_padding: _looked_up(x, i, p), normal(4, 2),
        integers(4, 2, 3))  # fmt: skip
