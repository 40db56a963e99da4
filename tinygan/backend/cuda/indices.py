"""Indices checked on the device: one out of range stops it, as nothing may be read back here."""

from __future__ import annotations

from typing import Any

import cupy

_check = cupy.ElementwiseKernel(
    "int64 index, int64 size, int32 negative",
    "int64 y",
    """
    y = negative && index < 0 ? index + size : index;
    if (y < 0 || y >= size) {
        printf("index %lld is out of range for a dimension of size %lld\\n", index, size);
        __trap();
    }
    """,
    "tinygan_check_index",
)


def check_index(index: Any, *, size: int, negative: bool, op: str, out: Any = None) -> Any:
    """The indices as numbers in [0, size); the next wait for the device raises if one is not."""
    index = index.astype(cupy.int64, copy=False)
    return (
        _check(index, size, int(negative))
        if out is None
        else _check(index, size, int(negative), out)
    )
