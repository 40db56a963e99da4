"""Arrays brought to the device that kernels run on, which is a GPU or the stand-in, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.backend import backend_for

DEVICE = backend_for("cuda")
ON_GPU = DEVICE.xp.__name__ == "cupy"

needs_kernels = pytest.mark.skipif(DEVICE.name != "cuda", reason="needs a GPU or a C++ compiler")
# what a GPU does not survive, or what only the stand-in can show
on_host_only = pytest.mark.skipif(
    ON_GPU or DEVICE.name != "cuda", reason="needs a C++ compiler and no GPU"
)


def to(x: np.ndarray) -> Any:
    """The same numbers on the device, with the same steps from one to the next."""
    owner = x
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if _dense(x) or not _dense(owner) or not x.size:
        return DEVICE.from_host(x)
    whole = DEVICE.from_host(owner)
    first = DEVICE.address(whole) + x.ctypes.data - owner.ctypes.data
    return DEVICE.at(first, x.shape, x.strides, x.dtype, whole)


def host(x: Any) -> np.ndarray:
    return DEVICE.to_host(x)


def _dense(x: np.ndarray) -> bool:
    """Whether its numbers lie one after the other, in whatever order."""
    order = sorted(range(x.ndim), key=lambda d: -x.strides[d])
    return bool(x.transpose(order).flags.c_contiguous)
