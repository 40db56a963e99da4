"""CuPy as a backend, imported only when a CUDA device is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.backend.core import Backend, Device, DeviceError, register
from tinygan.backend.cuda.devices import (
    current_device,
    empty_cache,
    get_device_capability,
    get_device_name,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    set_per_process_memory_fraction,
    synchronize,
)

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "is_available",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "set_per_process_memory_fraction",
    "synchronize",
]

_INSTALL = "install it with: pip install 'tinygan[cuda12]' (CUDA 12) or 'tinygan[cuda13]' (CUDA 13)"


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.is_available())


def device_count() -> int:
    """How many GPUs CuPy finds, 0 without CuPy."""
    if not is_available():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def load(number: int | None = None) -> Backend:
    """Register CuPy under the device name `cuda`, on a GPU if it is said which.

    Or say what is missing.
    """
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            f"device 'cuda' needs CuPy, which is not installed; {_INSTALL}"
        ) from error
    if not cupy.is_available():
        raise DeviceError(
            "device 'cuda': CuPy is installed but finds no usable GPU; check that an NVIDIA driver "
            "is installed and that `nvidia-smi` lists a device, or use --device cpu"
        )
    if os.environ.get("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM", "0") != "0":
        raise DeviceError(
            "device 'cuda': launches follow one another in one stream, but "
            "CUPY_CUDA_PER_THREAD_DEFAULT_STREAM gives every thread its own; unset it"
        )
    if number is not None:
        if number >= device_count():
            raise DeviceError(
                f"device 'cuda:{number}': CuPy finds {device_count()} GPUs, the first is cuda:0"
            )
        cupy.cuda.Device(number).use()
    return register(
        Backend(
            "cuda",
            cupy,
            cupy.ndarray,
            None,
            Device("cuda", cupy.cuda.Device().id),
            from_host=lambda array: _keeping_order(cupy.asarray, array),
            to_host=lambda array: _keeping_order(cupy.asnumpy, array),
            fetch=_fetch,
            address=lambda array: int(array.data.ptr),
            at=_at,
            tape="tinygan.backend.cuda.graph:Tape",
        )
    )


def _fetch(array: Any) -> Callable[[], np.ndarray]:
    """Into page-locked memory, by a copy that waits for nothing."""
    import cupy
    import cupyx

    landing: np.ndarray = cupyx.empty_pinned(array.shape, array.dtype)
    array.get(out=landing, blocking=False)
    landed = cupy.cuda.Event(disable_timing=True)
    landed.record()

    def wait() -> np.ndarray:
        landed.synchronize()
        return landing

    return wait


def _at(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any, owner: Any
) -> Any:
    import cupy

    # said which device: the driver knows none for the address of an empty array
    memory = cupy.cuda.UnownedMemory(address, 0, owner, cupy.cuda.runtime.getDevice())
    return cupy.ndarray(shape, dtype, cupy.cuda.MemoryPointer(memory, 0), strides)


def _keeping_order(copy: Callable[[Any], Any], array: Any) -> Any:
    """Copy across the host with the axes in memory order: CuPy would make channels-last C-order."""
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    back = sorted(range(array.ndim), key=axes.__getitem__)
    return copy(array.transpose(axes)).transpose(back)
