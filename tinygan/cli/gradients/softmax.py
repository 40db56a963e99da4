"""Rows of softmax and its logarithm."""

from __future__ import annotations

from tinygan import ops as F
from tinygan.cli.gradients.table import normal, row

for _dim in (0, 1, -1):
    row("softmax", lambda x, dim=_dim: F.softmax(x, dim), normal(2, 3, 4))
    row("log_softmax", lambda x, dim=_dim: F.log_softmax(x, dim), normal(2, 3, 4))
