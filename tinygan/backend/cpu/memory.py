"""What the allocator does with memory that is freed, and arrays as flat runs of numbers."""

from __future__ import annotations

import ctypes
import math
import sys
from typing import Any

import numpy as np

from tinygan.backend.cpu import threads

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST = 32 << 20  # that it accepts as a threshold
KEPT = 512 << 20
LINE = 64  # bytes of a line of the cache


def keep_freed_memory() -> None:
    """Have the C library keep up to 512 MiB of freed memory instead of returning it.

    By default an array of a few megabytes is mapped anew each time, and each of its pages faults
    when it is first written: up to a fifth of a training step. No effect where there is no glibc.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(MMAP_THRESHOLD, LARGEST)
    mallopt(TRIM_THRESHOLD, KEPT)


keep_freed_memory()


def scratch(shape: Any, dtype: Any) -> np.ndarray:
    """Memory that a kernel needs until its last launch is done.

    While a step is recorded all kernels are given the same: they will run one after the other.
    """
    tape = threads.recording.tape
    return np.empty(shape, dtype) if tape is None else tape.scratch(shape, dtype)


def _slow_address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def _fast_address(array: np.ndarray) -> int:
    return _word(id(array) + _HEAD).value


# NumPy's C interface promises that the address of the data follows the head of the object: to
# read it there takes a fifth of the time, which is felt where a launch has many arrays.
_word, _HEAD = ctypes.c_ssize_t.from_address, object.__basicsize__
_sample = np.empty((2, 3))[1:]
_promised = sys.implementation.name == "cpython" and _fast_address(_sample) == _sample.ctypes.data

address = _fast_address if _promised else _slow_address
"""Where the first number of an array is."""


def aligned(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """Scratch memory whose vectors do not straddle the lines of the cache."""
    size = math.prod(shape)
    memory = scratch(size + LINE // kind.itemsize, kind)
    first = -address(memory) % LINE // kind.itemsize
    return memory[first : first + size].reshape(shape)


def image_place(image: np.ndarray) -> tuple[int, int, int, int]:
    """The address of an N H W C array, and its steps in bytes from image, row and pixel to next."""
    return address(image), image.strides[0], image.strides[1], image.strides[2]


def flat(*arrays: Any) -> list[np.ndarray] | None:
    """Arrays of one shape and one order in memory as one-dimensional views, None if they differ.

    The order is that of C, or for images the channels last.
    """
    first = arrays[0]
    if any(a.shape != first.shape or not a.flags.aligned for a in arrays):
        return None
    if all(a.flags.c_contiguous for a in arrays):
        return [a.reshape(-1) for a in arrays]
    if first.ndim != 4:
        return None
    turned = [a.transpose(0, 2, 3, 1) for a in arrays]
    if all(a.flags.c_contiguous for a in turned):
        return [a.reshape(-1) for a in turned]
    return None
