"""Where numbers live and who computes them.

A backend is an array type, the namespace that computes on it (`xp`: NumPy, or CuPy), and the two
ways across the host. An op finds its backend by the type of its arguments and never asks which
one it is; arrays of two backends in one call are an error that names both.
"""

from tinygan.backend.core import (
    Backend,
    Device,
    DeviceError,
    backend_for,
    backend_of,
    enter_thread,
    host_array,
    is_array,
    register,
)

__all__ = [
    "Backend",
    "Device",
    "DeviceError",
    "backend_for",
    "backend_of",
    "enter_thread",
    "host_array",
    "is_array",
    "register",
]
