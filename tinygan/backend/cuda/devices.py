"""What GPUs there are, their memory, and waiting for them: named as in torch.cuda."""

from __future__ import annotations

from typing import Any

from tinygan.backend.core import Device, backend_for


def _cuda() -> Any:
    return backend_for("cuda").xp.cuda


def _number(device: str | int | Device | None) -> int:
    """The number of a device; without one that of the current device."""
    if isinstance(device, int):
        return device
    index = None if device is None else Device(device).index
    return int(_cuda().runtime.getDevice()) if index is None else index


def current_device() -> int:
    """The number of the device that new arrays are made on."""
    return _number(None)


def get_device_name(device: str | int | Device | None = None) -> str:
    """The name of a device, such as "NVIDIA H100 80GB HBM3"."""
    name = _cuda().runtime.getDeviceProperties(_number(device))["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


def get_device_capability(device: str | int | Device | None = None) -> tuple[int, int]:
    """Its compute capability, such as (9, 0)."""
    properties = _cuda().runtime.getDeviceProperties(_number(device))
    return int(properties["major"]), int(properties["minor"])


def mem_get_info() -> tuple[int, int]:
    """Free and total memory of the current device, in bytes."""
    free, total = _cuda().runtime.memGetInfo()
    return int(free), int(total)


def memory_allocated() -> int:
    """Bytes that arrays take, of the memory that CuPy's pool holds."""
    return int(backend_for("cuda").xp.get_default_memory_pool().used_bytes())


def memory_reserved() -> int:
    """Bytes that CuPy's pool holds."""
    return int(backend_for("cuda").xp.get_default_memory_pool().total_bytes())


def empty_cache() -> None:
    """Give memory that no array uses back to the device."""
    backend_for("cuda").xp.get_default_memory_pool().free_all_blocks()


def set_per_process_memory_fraction(fraction: float) -> None:
    """Let the pool hold at most this share of the device's memory; more raises OutOfMemoryError."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"expected a fraction from 0 to 1, got {fraction}")
    backend_for("cuda").xp.get_default_memory_pool().set_limit(fraction=fraction)


def synchronize() -> None:
    """Wait until all that was launched on the current device is done."""
    _cuda().runtime.deviceSynchronize()


def driver_version() -> str:
    """The newest CUDA that the driver knows, such as 12.8."""
    return _version(_cuda().runtime.driverGetVersion())


def runtime_version() -> str:
    """The CUDA that CuPy runs with."""
    return _version(_cuda().runtime.runtimeGetVersion())


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
