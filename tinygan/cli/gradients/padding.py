"""Rows of the gradient table: padding."""

from functools import partial

from tinygan.cli.gradients.table import normal, row
from tinygan.ops.padding import _fold_edges, pad

row("pad_constant", partial(pad, pad=(1, 2, 0, 3), value=0.5), normal(2, 3))
row("pad_constant", partial(pad, pad=(-1, 2, 1, -1)), normal(3, 4))
for mode in ("reflect", "replicate", "circular"):
    row("pad_edges", partial(pad, pad=(2, 1, 1, 3), mode=mode), normal(2, 4, 3))
    row("pad_edges", partial(pad, pad=(0, 2, 3, -1), mode=mode), normal(5, 3))
    fold = partial(_fold_edges, widths=((1, 3), (2, 0)), mode=mode)
    row("fold_edges", fold, normal(8, 5))
