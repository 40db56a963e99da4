"""Products of matrices: NumPy's BLAS, called for pieces of the result by the kernels' own threads.

A BLAS with threads of its own waits for all of them at every call, and keeps them spinning in
between: with one core taken by another program a product of a millisecond takes ten, and the
kernels that follow find their cores occupied. So OpenBLAS is told to use one thread, for the whole
process, when this module is loaded. Where the BLAS is another one, it is left alone.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.memory import keep_freed_memory

LEAST = 1 << 16  # multiplications; below that NumPy is called directly
PARALLEL = 1 << 22  # multiplications from which splitting pays
PIECES = 8  # a product is split into, whatever the number of threads
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _own_the_threads() -> bool:
    """Tell the OpenBLAS of NumPy's wheels to use one thread; whether that was possible."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for library in folder.glob("*openblas*"):
            try:
                ctypes.CDLL(str(library)).scipy_openblas_set_num_threads64_(1)
            except (OSError, AttributeError):
                continue
            return True
    return False


OURS = _own_the_threads()
keep_freed_memory()


def matmul(x: Any, w: Any, *, out: Any = None) -> Any:
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0]:
        return NotImplemented
    return _product(x, w, out)


def linear(x: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[1]:
        return NotImplemented
    if bias is not None and (bias.dtype != x.dtype or bias.shape != weight.shape[:1]):
        return NotImplemented
    y = _product(x, weight.T, out)
    if y is not NotImplemented and bias is not None:
        y += bias
    return y


def _product(x: Any, w: Any, out: Any) -> Any:
    """x @ w of two matrices; the longer side of the result is split."""
    rows, inner = x.shape
    columns = w.shape[1]
    work = rows * columns * inner
    if not OURS or work < LEAST or (work < PARALLEL and inner > 1):
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
        return np.multiply(x, w, out=y)
    tall = rows >= columns
    step = -(-max(rows, columns) // PIECES)

    def piece(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        if tall:
            np.matmul(x[part], w, out=y[part])
        else:
            np.matmul(x, w[:, part], out=y[:, part])

    threads.run_each(piece, PIECES, threads.get_num_threads())
    return y
