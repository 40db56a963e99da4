"""A matrix applied along the rows or columns of images: what separable resampling is."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive

__all__: list[str] = []


@primitive
def _contract(xp: Any, x: Any, matrix: Any, *, dim: int) -> Any:
    """y[..., i, ...] = sum_j matrix[i, j] x[..., j, ...] along dim 2 or 3 of (N, C, H, W)."""
    n, c, height, width = x.shape
    count = matrix.shape[0]
    x = x.transpose(0, 2, 3, 1)
    if dim == 2:
        y = xp.matmul(matrix, x.reshape(n, height, width * c)).reshape(n, count, width, c)
    elif c == 1:
        y = xp.matmul(x.reshape(n * height, width), matrix.transpose(1, 0)).reshape(
            n, height, count, 1
        )
    else:
        y = xp.matmul(matrix, x)
    return y.transpose(0, 3, 1, 2)


@primitive
def _contract_matrix(xp: Any, x: Any, g: Any, *, dim: int) -> Any:
    """The gradient of <g, contract(x, matrix)> by the matrix."""
    kept = (0, 1, 5 - dim)
    return xp.tensordot(g, x, axes=(kept, kept))


_contract.vjp(
    x=lambda g, matrix, dim: _contract(g, matrix.permute(1, 0), dim),
    matrix=lambda g, x, dim: _contract_matrix(x, g, dim),
)
_contract_matrix.vjp(
    x=lambda v, g, dim: _contract(g, v.permute(1, 0), dim),
    g=lambda v, x, dim: _contract(x, v, dim),
)
