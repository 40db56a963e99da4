"""Kernels: faster implementations for one backend, loaded when they are first used."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from typing import Any

enabled = os.environ.get("TINYGAN_KERNELS", "") != "reference"


class Kernels:
    """The kernels of one operation, by the name of the backend they are for."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def __setitem__(self, backend: str, kernel: Callable[..., Any] | str) -> None:
        """Set a kernel: a function, or "module:function", which is imported at the first use."""
        self._found[backend] = kernel

    def find(self, backend: str) -> Callable[..., Any] | None:
        """The kernel for a backend; None if there is none or TINYGAN_KERNELS is `reference`."""
        kernel = self._found.get(backend)
        if kernel is None or not enabled:
            return None
        if isinstance(kernel, str):
            module, _, name = kernel.partition(":")
            kernel = self._found[backend] = getattr(importlib.import_module(module), name)
        result: Callable[..., Any] = kernel
        return result

    def __iter__(self) -> Any:
        return iter(self._found)


class Untraceable(Exception):
    """Why a function cannot be recorded and replayed."""


class _Recording(threading.local):
    """The tape that takes the launches of this thread in place of having them done."""

    tape: Any = None


recording = _Recording()


def launches(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a kernel whose Python code reads no values: all it does is to launch compiled code.

    Such a kernel can be recorded: its launches, repeated with the same arguments, are the kernel.
    """
    kernel.launches = True  # type: ignore[attr-defined]
    return kernel
