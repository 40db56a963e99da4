"""Rows of the gradient table: reading and writing by index."""

from typing import Any

import tinygan.ops as F
from tinygan.autograd import Tensor
from tinygan.cli.gradients.table import integers, mask, normal, row
from tinygan.ops.gather import _gather_grad
from tinygan.ops.indexing import _put, _slice_grad, _slice_set, _take_grad


def _assigned(x: Tensor, value: Tensor, key: Any) -> Tensor:
    y = x * 1  # a leaf cannot be changed in place
    y[key] = value
    return y


row("slice", lambda x: x[1, ..., None, ::2], normal(3, 2, 4))
row("slice", lambda x: F.narrow(x, 1, 1, 2), normal(2, 4))
row("slice", lambda x: F.select(x, -1, -2), normal(2, 4))
row("slice_grad", lambda x: _slice_grad(x, (1, slice(0, 4, 2)), (3, 4)), normal(2))
row(
    "slice_set",
    lambda x, v: _slice_set(x, v, key=(slice(1, 3), ...)),
    normal(3, 4),
    normal(4),
)
row("slice_set", lambda x, v: _assigned(x, v, (slice(None), 1)), normal(3, 4), normal(3))
row("take", lambda x, i: x[:, i], normal(2, 4), integers(4, 6))
row("take", lambda x, i, j: x[i, :, j], normal(3, 2, 4), integers(3, 2, 1), integers(4, 5))
row("take", lambda x, i: x[i, 1:, i], normal(3, 4, 3), integers(3))
row("take", lambda x, m: x[m], normal(3, 4), mask(3, 4))
row("take", lambda x, m: x[:, m], normal(2, 3, 4), mask(3))
row("take", lambda x, i: F.index_select(x, 1, i), normal(2, 4), integers(4, 5))
row("take", F.masked_select, normal(3, 4), mask(4))
row("take_grad", lambda x, i: _take_grad(x, i, dim=1, size=3), normal(2, 5), integers(3, 5))
row("take_grad", lambda x, i, s: F.index_add(x, 0, i, s, alpha=2), normal(3, 2), integers(3, 5),
    normal(5, 2))  # fmt: skip
row("put", lambda x, v, i: _put(x, v, i), normal(3, 4), normal(1),
    lambda random: random.permutation(12)[:5])  # fmt: skip
row("put", lambda x, v, m: _assigned(x, v, m), normal(3, 4), normal(4),
    lambda random: random.permutation(3) > 0)  # fmt: skip
row("gather", lambda x, i: F.gather(x, 1, i), normal(3, 4), integers(4, 2, 6))
row("gather", lambda x, i: F.take_along_dim(x, i, 0), normal(3, 1), integers(3, 2, 4))
row("gather_grad", lambda x, i: _gather_grad(x, i, dim=0, shape=(3, 4)), normal(5, 4),
    integers(3, 5, 4))  # fmt: skip
row("gather_grad", lambda x, i, s: F.scatter_add(x, 1, i, s), normal(3, 4), integers(4, 2, 6),
    normal(3, 6))  # fmt: skip
row("scatter", lambda x, i: F.scatter(x, 0, i, 2.0), normal(3, 4), integers(3, 1, 4))
row("scatter", lambda x, i, s: F.scatter(x, 0, i, s), normal(3, 4), integers(3, 1, 2),
    normal(2, 3))  # fmt: skip
row("sort", lambda x: F.sort(x, 1, True).values, normal(3, 4))
row("sort", lambda x: F.topk(x, 2, 0, largest=False).values, normal(4, 3))
