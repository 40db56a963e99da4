"""Random numbers: what `tinygan.backend.philox` defines, one launch a draw."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend import philox
from tinygan.backend.core import backend_for
from tinygan.backend.cuda.mapping import empty
from tinygan.backend.cuda.source import C_NAMES, FLOATS, Kernel
from tinygan.backend.kernels import launches

THREADS = 256  # of a block, each with 16 bytes of numbers
INTEGER, SINGLE = np.dtype(np.int64), np.dtype(np.float32)
UNIFORM, NORMAL = 0, 1

_draw = Kernel("philox.cu", "draw", FLOATS, (UNIFORM, NORMAL))
_integers = Kernel("philox.cu", "integers")
_mask = Kernel("philox.cu", "mask", FLOATS)


@launches
def random_uniform(state: Any, *, shape: tuple[int, ...], dtype: Any, out: Any = None) -> Any:
    return _floats(UNIFORM, state, shape, np.dtype(dtype), out)


@launches
def random_normal(state: Any, *, shape: tuple[int, ...], dtype: Any, out: Any = None) -> Any:
    return _floats(NORMAL, state, shape, np.dtype(dtype), out)


@launches
def random_integers(
    state: Any, *, shape: tuple[int, ...], low: int, count: int, out: Any = None
) -> Any:
    y = _made(shape, INTEGER, out)
    if y is None:
        return NotImplemented
    if y.size:
        numbers = np.int64(y.size), np.int64(low), np.uint64(count % (1 << 64))
        _integers[()](_grid(y.size, y.itemsize), (THREADS,), (state, y, *numbers))
    return y


@launches
def dropout_mask(state: Any, like: Any, *, p: float, dims: int, out: Any = None) -> Any:
    if like.dtype not in C_NAMES:
        return NotImplemented
    shape = like.shape[:dims] + (1,) * (like.ndim - dims)
    y = out
    if y is None:
        whole = dims == like.ndim
        y = empty([like], like.dtype) if whole else backend_for("cuda").xp.empty(shape, like.dtype)
    pixels, channels = 1, 1
    if not y.flags.c_contiguous:
        if y.ndim < 3 or not y.transpose(0, *range(2, y.ndim), 1).flags.c_contiguous:
            return NotImplemented
        channels = y.shape[1]
        pixels = y.size // (len(y) * channels)
    if y.size:
        kept = y.dtype.type(0 if p == 1 else 1 / (1 - p))
        sizes = np.int64(y.size), np.int32(pixels), np.int32(channels)
        grid = _grid(y.size, SINGLE.itemsize)
        _mask[y.dtype](grid, (THREADS,), (state, np.float32(p), kept, y, *sizes))
    return y


def _floats(kind: int, state: Any, shape: tuple[int, ...], dtype: Any, out: Any) -> Any:
    y = _made(shape, dtype, out) if dtype in C_NAMES else None
    if y is None:
        return NotImplemented
    if y.size:
        arguments = (state, y, np.int64(y.size))
        _draw[dtype, kind](_grid(y.size, y.itemsize), (THREADS,), arguments)
    return y


def _made(shape: tuple[int, ...], dtype: Any, out: Any) -> Any:
    """`out`, or new memory; None if it cannot be filled in order."""
    if out is None:
        return backend_for("cuda").xp.empty(shape, dtype)
    return out if out.dtype == dtype and out.flags.c_contiguous else None


def _grid(size: int, itemsize: int) -> tuple[int]:
    return (-(-philox.count_blocks(size, itemsize) // THREADS),)
