"""Indices checked on the device: one out of range stops it, as nothing may be read back here."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.kernels import launches

CHECK = """
    y = negative && index < 0 ? index + size : index;
    if (y < 0 || y >= size) {{
        printf("{op} expects indices from %lld to %lld, got %lld\\n",
               negative ? -size : 0, size - 1, index);
        __trap();
    }}
    """


@cache
def _check(op: str) -> Any:
    return backend_for("cuda").xp.ElementwiseKernel(
        "int64 index, int64 size, bool negative",
        "int64 y",
        CHECK.format(op=op),
        "tinygan_check_index",
    )


@launches
def check_index(index: Any, *, size: int, negative: bool, op: str, out: Any = None) -> Any:
    """The indices as numbers in [0, size); the next wait for the device raises if one is not."""
    if out is None:
        out = backend_for("cuda").xp.empty(index.shape, np.int64)
    _check(op)(index.astype(np.int64, copy=False), size, negative, out)
    return out
