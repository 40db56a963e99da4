"""Products of matrices: NumPy's BLAS, called for pieces of the result by the kernels' threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import blas, threads

LEAST = 1 << 16  # multiplications; below that NumPy is called directly
PARALLEL = 1 << 22  # multiplications from which splitting pays
PIECES = 8  # a product is split into, whatever the number of threads
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def matmul(x: Any, w: Any, *, out: Any = None) -> Any:
    if x.ndim < 2 or w.ndim < 2 or x.shape[-1] != w.shape[-2]:
        return NotImplemented
    if w.ndim == 2:
        return _rows(x, w, out)
    if x.ndim == w.ndim == 3 and len(x) == len(w):
        return _batch(x, w, out)
    return NotImplemented


def linear(x: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    if x.ndim < 2 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        return NotImplemented
    if bias is not None and (bias.dtype != x.dtype or bias.shape != weight.shape[:1]):
        return NotImplemented
    y = _rows(x, weight.T, out)
    if y is not NotImplemented and bias is not None:
        with np.errstate(all="ignore"):
            y += bias
    return y


def _rows(x: Any, w: Any, out: Any) -> Any:
    """x (..., i, j) @ w (j, k), as the product of two matrices."""
    if x.ndim == 2:
        return _product(x, w, out)
    if out is not None or not x.size:
        return NotImplemented
    y = _product(x.reshape(-1, x.shape[-1]), w, None)
    return y if y is NotImplemented else y.reshape(*x.shape[:-1], w.shape[1])


def _batch(x: Any, w: Any, out: Any) -> Any:
    """x (n, i, j) @ w (n, j, k); the batch is split."""
    n, rows, inner = x.shape
    if not blas.OURS or n * rows * inner * w.shape[2] < PARALLEL:
        return NotImplemented
    if out is not None or x.dtype not in FLOATS or w.dtype != x.dtype:
        return NotImplemented
    y = np.empty((n, rows, w.shape[2]), x.dtype)
    step = -(-n // PIECES)

    def piece(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        with np.errstate(all="ignore"):
            np.matmul(x[part], w[part], out=y[part])

    threads.run_each(piece, PIECES, threads.get_num_threads())
    return y


def _product(x: Any, w: Any, out: Any) -> Any:
    """x @ w of two matrices; the longer side of the result is split."""
    rows, inner = x.shape
    columns = w.shape[1]
    work = rows * columns * inner
    if not blas.OURS or work < LEAST or (work < PARALLEL and inner > 1):
        return NotImplemented
    if x.dtype not in FLOATS or w.dtype != x.dtype:
        return NotImplemented
    if out is None:
        y = np.empty((rows, columns), x.dtype)
    elif out.dtype != x.dtype or np.may_share_memory(out, x) or np.may_share_memory(out, w):
        return NotImplemented
    else:
        y = out
    if inner == 1:  # no BLAS is at its best there
        with np.errstate(all="ignore"):
            return np.multiply(x, w, out=y)
    tall = rows >= columns
    step = -(-max(rows, columns) // PIECES)

    def piece(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        with np.errstate(all="ignore"):  # every thread has a state of its own
            if tall:
                np.matmul(x[part], w, out=y[part])
            else:
                np.matmul(x, w[:, part], out=y[:, part])

    threads.run_each(piece, PIECES, threads.get_num_threads())
    return y
