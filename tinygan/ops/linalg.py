"""Products of vectors, matrices and batches of them."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.rounding import rounded
from tinygan.ops.shape import flatten, squeeze, transpose, unsqueeze

__all__ = ["addmm", "baddbmm", "bmm", "dot", "linear", "matmul", "mm", "mv", "outer"]


def _two_dtypes(x: Any, w: Any) -> TypeError:
    return TypeError(f"expected one dtype, got {x.dtype} and {w.dtype}; cast one with x.to(dtype)")


def _rows(x: Tensor) -> Tensor:
    """x (..., n) as a matrix."""
    return x if x.array.ndim == 2 else flatten(x, 0, -2)


def _mT(x: Tensor) -> Tensor:
    return transpose(x, -2, -1)


@primitive(product=True)
def matmul(xp: Any, x: Any, w: Any, *, precision: str | None = None) -> Any:
    """x (..., i, j) @ w (..., j, k) -> (..., i, k), batch dimensions broadcast.

    A 1-D x counts as a row, a 1-D w as a column, and the dimension so added is dropped again.
    """
    if x.dtype != w.dtype:
        raise _two_dtypes(x, w)
    if not x.ndim or not w.ndim:
        raise ValueError("expected at least one dimension on both sides, got a 0-d tensor")
    if x.shape[-1] != w.shape[-2 if w.ndim > 1 else 0]:
        raise ValueError(
            f"the last size of {x.shape} must equal the "
            f"{'second to last' if w.ndim > 1 else 'only'} size of {w.shape}"
        )
    x, w = rounded(xp, x, precision), rounded(xp, w, precision)
    if x.ndim > 2 and w.ndim == 2 and x.size:  # one product instead of a batch of small ones
        return xp.matmul(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[1])
    return xp.matmul(x, w)


def _matmul_x(g: Tensor, w: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    if w.array.ndim == 1:
        return unsqueeze(g, -1) * w if len(x_shape) > 1 else g * w
    if len(x_shape) == 1:
        return squeeze(matmul(w, unsqueeze(g, -1)), -1)
    return matmul(g, _mT(w))


def _matmul_w(g: Tensor, x: Tensor, w_shape: tuple[int, ...]) -> Tensor:
    if x.array.ndim == 1:
        return unsqueeze(x, -1) * unsqueeze(g, -2) if len(w_shape) > 1 else g * x
    if len(w_shape) == 1:
        return matmul(flatten(g), _rows(x))
    if len(w_shape) == 2:
        return matmul(_mT(_rows(x)), _rows(g))
    return matmul(_mT(x), g)


matmul.vjp(x=_matmul_x, w=_matmul_w)


@primitive(product=True)
def linear(xp: Any, x: Any, weight: Any, bias: Any = None, *, precision: str | None = None) -> Any:
    """y = x w^T + b: x (..., in), weight (out, in), bias (out) or None -> (..., out)."""
    if x.dtype != weight.dtype:
        raise _two_dtypes(x, weight)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"expected x (..., in) and weight (out, in), got {x.shape} and {weight.shape}"
        )
    flat = x.reshape(-1, x.shape[-1]) if x.ndim > 2 and x.size else x
    y = xp.matmul(rounded(xp, flat, precision), rounded(xp, weight, precision).T)
    if bias is not None:
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"expected bias ({weight.shape[0]},), got {bias.shape}")
        if bias.dtype != weight.dtype:
            raise _two_dtypes(weight, bias)
        y += bias
    return y if flat is x else y.reshape(*x.shape[:-1], weight.shape[0])


def _linear_weight(g: Tensor, x: Tensor) -> Tensor:
    if x.array.ndim == 1:
        return unsqueeze(g, 1) * x
    return matmul(_mT(_rows(g)), _rows(x))


linear.vjp(x=lambda g, weight: matmul(g, weight), weight=_linear_weight, bias=lambda g: g)

for _op in (matmul, linear):
    _op.kernel("cpu", f"tinygan.backend.cpu.matmul:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.product:{_op.name}")


def _expect(op: str, ndims: tuple[int, int], x: Tensor, w: Tensor) -> None:
    if (x.array.ndim, w.array.ndim) != ndims:
        raise ValueError(
            f"{op}: expected a {ndims[0]}-D and a {ndims[1]}-D tensor, got shapes "
            f"{x.array.shape} and {w.array.shape}"
        )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: (i, j) @ (j, k) -> (i, k)."""
    _expect("mm", (2, 2), input, mat2)
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices: (b, i, j) @ (b, j, k) -> (b, i, k)."""
    _expect("bmm", (3, 3), input, mat2)
    if input.array.shape[0] != mat2.array.shape[0]:
        raise ValueError(
            f"bmm: expected batches of one size, got shapes {input.array.shape} and "
            f"{mat2.array.shape}"
        )
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector: (i, j) @ (j) -> (i)."""
    _expect("mv", (2, 1), input, vec)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """sum_i x_i w_i of two vectors."""
    _expect("dot", (1, 1), input, tensor)
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """y_ij = x_i w_j of two vectors."""
    _expect("outer", (1, 1), input, vec2)
    return unsqueeze(input, 1) * vec2


def _weighted_sum(x: Tensor, beta: float, product: Tensor, alpha: float) -> Tensor:
    if alpha != 1:
        product = product * alpha
    if beta == 0:  # what is not to be seen may be NaN
        return product
    return (x if beta == 1 else x * beta) + product


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta x + alpha (mat1 @ mat2), x broadcast to the product's shape."""
    return _weighted_sum(input, beta, mm(mat1, mat2), alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta x + alpha (batch1 @ batch2), x broadcast to the products' shape."""
    return _weighted_sum(input, beta, bmm(batch1, batch2), alpha)
