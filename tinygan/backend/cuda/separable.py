"""Resampling of images by a matrix for each direction: one launch finds what is not 0 in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.source import FLOATS, Kernel
from tinygan.backend.cuda.windows import THREADS, images_of, result_of
from tinygan.backend.kernels import launches

_bands = Kernel("separable.cu", "bands", FLOATS)
_separable = Kernel("separable.cu", "separable", FLOATS, (0, 1))


@launches
def separable(x: Any, rows: Any, columns: Any, *, out: Any = None) -> Any:
    images = images_of(x, FLOATS) if rows.dtype == columns.dtype == x.dtype else None
    if images is None:
        return NotImplemented
    n, channels = x.shape[:2]
    y = result_of(out, (n, rows.shape[0], columns.shape[0], channels), x.dtype)
    if y is None:
        return NotImplemented
    together = 16 // x.itemsize
    wide = channels % together == 0
    packs = channels // together if wide else channels
    lines = rows.shape[0] + columns.shape[0]
    bands = backend_for("cuda").xp.empty((lines, 2), np.int32)
    matrices = (*_matrix(rows), *_matrix(columns))
    _bands[x.dtype]((-(-lines * 32 // THREADS),), (THREADS,), (*matrices, bands))
    size = y.size // (channels // packs)
    arguments = (images, *matrices, bands, np.int32(packs), np.uint32(size), y)
    _separable[x.dtype, int(wide)]((-(-size // THREADS),), (THREADS,), arguments)
    return y.transpose(0, 3, 1, 2)


def _matrix(matrix: Any) -> tuple[Any, ...]:
    """The array, its steps in numbers, and its shape."""
    steps = [np.int32(step // matrix.itemsize) for step in matrix.strides]
    return (matrix, *steps, *[np.int32(n) for n in matrix.shape])
