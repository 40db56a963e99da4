"""NVIDIA's run-time compiler through ctypes: it compiles for any architecture, without a driver."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tinygan.backend.cuda
from tinygan.backend.cuda import source as sources
from tinygan.backend.cuda.source import OPTIONS


def load() -> Any:
    """The library of NVIDIA's wheels for CUDA 12 or 13, None if neither is installed."""
    found = importlib.util.find_spec("nvidia")
    for place in found.submodule_search_locations or () if found else ():
        for pattern in ("cuda_nvrtc/lib/libnvrtc.so.*", "cu1?/lib/libnvrtc.so.*"):
            for library in Path(place).glob(pattern):
                for part in library.parent.glob("libnvrtc-builtins.so.*"):
                    ctypes.CDLL(str(part))  # not every version looks beside itself
                return ctypes.CDLL(str(library))
    return None


LIBRARY = load()
ADDED = ("-ftz=true", "--device-as-default-execution-space")  # by CuPy, after ours


def _checked(status: int, program: Any) -> None:
    if status:
        raise RuntimeError(f"NVRTC error {status}:\n{_text('ProgramLog', program)}")


def _text(what: str, program: Any) -> str:
    size = ctypes.c_size_t()
    getattr(LIBRARY, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(max(size.value, 1))
    getattr(LIBRARY, f"nvrtcGet{what}")(program, buffer)
    return buffer.raw[: size.value].decode("latin-1")


def _named(log: str, program: Any, names: Sequence[str]) -> str:
    """The log with the names that instances were asked for by, in place of the linker's."""
    lowered = ctypes.c_char_p()
    for name in names:
        status = LIBRARY.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(lowered))
        _checked(status, program)
        log = log.replace(f"'{(lowered.value or b'').decode()}'", f"'{name}'")
    return log


def declared() -> dict[str, list[str]]:
    """The instances of kernels' templates that the backend uses, by their source."""
    for module in pkgutil.iter_modules(tinygan.backend.cuda.__path__):
        importlib.import_module(f"tinygan.backend.cuda.{module.name}")
    found: dict[str, dict[str, None]] = {}
    for kernel in sources.declared:
        found.setdefault(kernel.source, {}).update(dict.fromkeys(kernel.variants))
    return {name: list(found[name]) for name in sorted(found)}


def version() -> tuple[int, int]:
    """Of CUDA: (12, 9), ..."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    LIBRARY.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def architectures() -> list[int]:
    """The compute capabilities that it compiles for: 75, 80, ..."""
    count = ctypes.c_int()
    LIBRARY.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    numbers = (ctypes.c_int * count.value)()
    LIBRARY.nvrtcGetSupportedArchs(numbers)
    return list(numbers)


def compiled(source: str, names: Sequence[str], architecture: int) -> tuple[str, str]:
    """The machine code for these instances of templates, and what ptxas said of each."""
    program = ctypes.c_void_p()
    _checked(
        LIBRARY.nvrtcCreateProgram(
            ctypes.byref(program), source.encode(), b"source.cu", 0, None, None
        ),
        program,
    )
    try:
        for name in names:
            _checked(LIBRARY.nvrtcAddNameExpression(program, name.encode()), program)
        options = [*OPTIONS, *ADDED, f"-arch=sm_{architecture}", "--ptxas-options=-v"]
        array = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
        _checked(LIBRARY.nvrtcCompileProgram(program, len(options), array), program)
        return _text("CUBIN", program), _named(_text("ProgramLog", program), program, names)
    finally:
        LIBRARY.nvrtcDestroyProgram(ctypes.byref(program))
