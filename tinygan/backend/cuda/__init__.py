"""CuPy as a backend, imported only when a CUDA device is asked for."""

from __future__ import annotations

from tinygan.backend.core import Backend, Device, DeviceError, register

_INSTALL = "install it with: pip install 'tinygan[cuda12]' (CUDA 12) or 'tinygan[cuda13]' (CUDA 13)"


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.is_available())


def load() -> Backend:
    """Register CuPy under the device name `cuda`, or say what is missing."""
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
    return register(
        Backend(
            "cuda",
            cupy,
            cupy.ndarray,
            None,
            Device("cuda", cupy.cuda.Device().id),
            from_host=cupy.asarray,
            to_host=cupy.asnumpy,
        )
    )
