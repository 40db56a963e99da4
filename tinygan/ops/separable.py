"""A matrix applied to the columns of images and one to their rows: what resampling is."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive

__all__: list[str] = []


@primitive
def _separable(xp: Any, x: Any, rows: Any, columns: Any) -> Any:
    """y[n, c, i, j] = sum_hw rows[i, h] columns[j, w] x[n, c, h, w] for constant matrices."""
    n, c, height, width = x.shape
    shape = (n, rows.shape[0], columns.shape[0], c)
    x = x.transpose(0, 2, 3, 1)
    y = xp.matmul(rows, x.reshape(n, height, width * c))
    if c == 1:
        y = xp.matmul(y.reshape(n * shape[1], width), columns.transpose(1, 0))
    else:
        y = xp.matmul(columns, y.reshape(n, shape[1], width, c))
    return y.reshape(shape).transpose(0, 3, 1, 2)


_separable.vjp(x=lambda g, rows, columns: _separable(g, rows.permute(1, 0), columns.permute(1, 0)))
_separable.kernel("cpu", "tinygan.backend.cpu.separable:separable")
_separable.kernel("cuda", "tinygan.backend.cuda.separable:separable")
