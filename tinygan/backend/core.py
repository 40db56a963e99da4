"""The registry of backends: by array type, and by device name."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class DeviceError(RuntimeError):
    """A device that is not there, or arrays of two devices in one call."""


class Device:
    """Where a tensor lives: `Device("cpu")`, `Device("cuda")` or `Device("cuda", 1)`.

    Compares equal to its own name, so that `x.device == "cpu"` reads as it should. Without a number
    "cuda" is the GPU that the process works on, whichever that is: equal to each of them.
    """

    __slots__ = ("index", "type")

    def __init__(self, name: str | Device, index: int | None = None) -> None:
        kind, _, number = str(name).partition(":")
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise DeviceError(f"unknown device {name!r}: expected 'cpu', 'cuda' or 'cuda:N'")
        self.type: str = kind
        self.index: int | None = int(number) if number else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device('{self}')"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = Device(other)
        if not isinstance(other, Device):
            return NotImplemented
        if self.type != other.type:
            return False
        return self.index == other.index or None in (self.index, other.index)

    def __hash__(self) -> int:
        return hash(self.type)


@dataclass(frozen=True, eq=False)
class Backend:
    """An array type, its namespace and the ways across the host.

    `xp` is NumPy or a namespace with NumPy's names; `scalar_type` is what its reductions may
    return in place of a 0-d array (None where they return arrays, as CuPy's do). `fetch` begins to
    bring an array to the host and returns what waits for it and gives it. `address` is where
    the first number of an array lies; `at(address, shape, strides, dtype, owner)` is the array
    there, in memory that `owner` keeps. `tape` is "module:class" of what launches are recorded on.
    """

    name: str
    xp: Any
    array_type: type
    scalar_type: type | None
    device: Device
    from_host: Callable[[np.ndarray], Any]
    to_host: Callable[[Any], np.ndarray]
    fetch: Callable[[Any], Callable[[], np.ndarray]]
    address: Callable[[Any], int]
    at: Callable[..., Any]
    tape: str

    def new_tape(self) -> Any:
        """What launches are recorded on; it is loaded here, when the first is to be recorded."""
        module, _, name = self.tape.partition(":")
        return getattr(importlib.import_module(module), name)()


_by_type: dict[type, Backend] = {}
_by_device: dict[str, Backend] = {}


def register(backend: Backend) -> Backend:
    """Make a backend known, under its array type and its device's name."""
    _by_type[backend.array_type] = backend
    _by_device[backend.device.type] = backend
    return backend


def _itself(array: np.ndarray) -> np.ndarray:
    return array


def _address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def _at(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any, owner: Any
) -> np.ndarray:
    if 0 in shape:
        return np.empty(shape, dtype)
    reach = [s * (n - 1) for s, n in zip(strides, shape, strict=True)]
    before = -sum(min(s, 0) for s in reach)
    size = before + sum(max(s, 0) for s in reach) + dtype.itemsize
    memory: Any = (ctypes.c_char * size).from_address(address - before)
    memory.owner = owner
    return np.ndarray(shape, dtype, memory, before, strides)


CPU = register(
    Backend(
        "cpu",
        np,
        np.ndarray,
        np.generic,
        Device("cpu"),
        from_host=_itself,
        to_host=_itself,
        fetch=lambda array: array.copy,
        address=_address,
        at=_at,
        tape="tinygan.backend.cpu.tape:Tape",
    )
)


def is_array(x: Any) -> bool:
    """Whether it is an array of a backend."""
    return any(isinstance(x, array_type) for array_type in _by_type)


def backend_of(array: Any) -> Backend:
    """The backend whose array type this is."""
    try:
        return _by_type[type(array)]
    except KeyError:
        for array_type, backend in _by_type.items():
            if isinstance(array, array_type):
                return backend
        raise TypeError(
            f"expected an array of one of {sorted(b.name for b in _by_type.values())}, "
            f"got {type(array).__module__}.{type(array).__name__}"
        ) from None


def backend_for(device: str | Device) -> Backend:
    """The backend of a device, loading CuPy when a CUDA device is first asked for.

    A process works on one GPU: the first that it asks for, CuPy's current one without a number.
    """
    device = Device(device)
    if device.type not in _by_device:
        importlib.import_module("tinygan.backend.cuda").load(device.index)
    backend = _by_device[device.type]
    if device.index is not None and backend.device != device:  # asked for by its number
        raise DeviceError(
            f"{device} is asked for in a process that works on {backend.device}: each process has "
            "one GPU, the first that it used"
        )
    return backend


def enter_thread() -> None:
    """Let a thread work where the process does: CUDA begins each of them with the first GPU."""
    cuda = _by_device.get("cuda")
    if cuda is not None and cuda.device.index:
        cuda.xp.cuda.runtime.setDevice(cuda.device.index)


def host_array(array: Any) -> np.ndarray:
    """The NumPy array behind, or a copy of, an array of any backend."""
    return backend_of(array).to_host(array)
