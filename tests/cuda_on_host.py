"""CuPy's RawModule and ElementwiseKernel for the stand-in: CUDA C++, compiled for the host.

The sources are those that CuPy would be given; `cuda_on_host.h` says how they are run and what
that cannot show. Calls are checked harder than by CuPy: the number of arguments, and of each its
kind and size.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend import backend_for

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
HERE = Path(__file__).parent
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-ffp-contract=off"]
FLAGS += ["-fvisibility=hidden"]  # else libraries would share the static variables of templates
# "address,alignment" finds what is read or written out of bounds, or moved as a vector from where
# it must not be; libasan.so, libubsan.so and libstdc++.so are to be in LD_PRELOAD then
if SANITIZERS := os.environ.get("TINYGAN_CUDA_SANITIZERS"):
    FLAGS += [f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=all"]
TOGETHER = ["-DBLOCKS_TOGETHER", "-pthread"]
if os.environ.get("TINYGAN_CUDA_ON_HOST") == "together":
    FLAGS += TOGETHER
C_NAMES = {
    np.dtype(np.float32): "float",
    np.dtype(np.float64): "double",
    np.dtype(np.int32): "int",
    np.dtype(np.int64): "long long",
    np.dtype(np.uint32): "unsigned int",
    np.dtype(np.uint64): "unsigned long long",
    np.dtype(np.bool_): "bool",
    np.dtype(np.int8): "signed char",
    np.dtype(np.uint8): "unsigned char",
}


def _library(source: str) -> ctypes.CDLL:
    """A source with the header, compiled; kept on disk, as there are many of them."""
    text = (HERE / "cuda_on_host.h").read_text() + source
    key = hashlib.sha256("\n".join([COMPILER or "", *FLAGS, text]).encode()).hexdigest()[:24]
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"tinygan-cuda-on-host-{user}"
    folder.mkdir(exist_ok=True)
    built = folder / f"{key}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=folder) as own:
            code, result = Path(own) / "kernel.cpp", Path(own) / "kernel.so"
            code.write_text(text)
            done = subprocess.run(
                [str(COMPILER), *FLAGS, "-o", str(result), str(code)],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise RuntimeError(f"a CUDA source does not compile for the host:\n{done.stderr}")
            os.replace(result, built)
    return ctypes.CDLL(str(built))


class DeviceStopped(IndexError):
    """A kernel called __trap(); what it printed. A GPU reports it at the next synchronisation."""


Array: Any = None  # the stand-in's array type


# -- streams that capture, and their graphs -------------------------------------------------------


class Graph:
    """Launches with the addresses that they were given: like a CUDA graph it keeps no array."""

    def __init__(self, launches: list[Callable[[], None]]) -> None:
        self._launches = launches

    def launch(self) -> None:
        for run in self._launches:
            run()

    def debug_dot_str(self) -> str:
        nodes = "".join(f'"graph_1_node_{i}"[label="{i}"];\n' for i in range(len(self._launches)))
        return f"digraph dot {{\n{nodes}}}"


class Stream:
    """cupy.cuda.Stream: what is launched while it captures is not run."""

    capturing: list[Callable[[], None]] | None = None

    def __init__(self, non_blocking: bool = False) -> None:
        self._non_blocking = non_blocking

    def begin_capture(self) -> None:
        assert self._non_blocking and Stream.capturing is None
        Stream.capturing = []

    def end_capture(self) -> Graph:
        launches, Stream.capturing = Stream.capturing, None
        assert launches is not None
        return Graph(launches)

    def synchronize(self) -> None:
        assert Stream.capturing is None

    @property
    def ptr(self) -> int:
        return id(self)

    def __enter__(self) -> Stream:
        _streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert _streams.pop() is self


_streams = [Stream()]


def get_current_stream() -> Stream:
    return _streams[-1]


class Event:
    """cupy.cuda.Event; here everything has been done when it is recorded."""

    def record(self) -> None:
        self.time = time.perf_counter()


def get_elapsed_time(first: Event, last: Event) -> float:
    return 1e3 * (last.time - first.time)


def alloc_pinned_memory(nbytes: int) -> bytearray:
    return bytearray(nbytes)


class runtime:
    """cupy.cuda.runtime, of a device so small that what is sized by it is quick on the host."""

    @staticmethod
    def memGetInfo() -> tuple[int, int]:
        return 1 << 30, 1 << 31

    @staticmethod
    def getDevice() -> int:
        return 0

    @staticmethod
    def getDeviceProperties(number: int) -> dict[str, Any]:
        return {
            "name": b"stand-in",
            "major": 9,
            "minor": 0,
            "multiProcessorCount": 1,
            "totalGlobalMem": 1 << 31,
            "l2CacheSize": 1 << 16,
        }

    @staticmethod
    def deviceSynchronize() -> None:
        pass

    @staticmethod
    def driverGetVersion() -> int:
        return 12080

    runtimeGetVersion = driverGetVersion


class DefaultPool:
    """cupy.get_default_memory_pool(), which counts nothing here."""

    limit = 1.0

    def used_bytes(self) -> int:
        return 0

    total_bytes = used_bytes

    def free_all_blocks(self) -> None:
        pass

    def set_limit(self, *, fraction: float) -> None:
        self.limit = fraction


class Size(int):
    """How many bytes are asked for, and the array that is to have them."""

    array: Any


class MemoryPool:
    """cupy.cuda.MemoryPool: keeps what was allocated from it while it lives."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def malloc(self, size: Size) -> None:
        self._kept.append(size.array)

    def total_bytes(self) -> int:
        return sum(array.nbytes for array in self._kept)

    def free_bytes(self) -> int:
        return 0


_allocator: Callable[[Any], None] | None = None


@contextmanager
def using_allocator(malloc: Callable[[Any], None]) -> Iterator[None]:
    global _allocator
    before, _allocator = _allocator, malloc
    try:
        yield
    finally:
        _allocator = before


def made(array: Any, name: str) -> None:
    """Told of every array that a function of the stand-in returns."""
    if array.base is None and name.startswith("empty"):
        if _allocator is not None:
            size = Size(array.nbytes)
            size.array = array
            _allocator(size)
    elif array.base is None:
        refuse_capture(name)


def refuse_capture(what: str) -> None:
    """For what CuPy could capture but no kernel of ours may leave to it."""
    if Stream.capturing is not None:
        raise RuntimeError(f"{what} is computed by CuPy while a stream captures")


def submit(run: Callable[[], None]) -> None:
    """What a library of CUDA's does when it launches."""
    if Stream.capturing is None:
        run()
    else:
        Stream.capturing.append(run)


def at(address: int, shape: Any, strides: Any, dtype: Any, owner: Any) -> Any:
    """The array at an address."""
    return Array(backend_for("cpu").at(address, shape, strides, dtype, owner))


# -- kernels --------------------------------------------------------------------------------------


class RawModule:
    """cupy.RawModule(code=..., options=..., name_expressions=...)."""

    def __init__(
        self,
        *,
        code: str,
        options: Sequence[str] = (),
        name_expressions: Sequence[str] = (),
    ) -> None:
        defines = "".join(
            f"#define {o[2:].replace('=', ' ')}\n" for o in options if o.startswith("-D")
        )
        entries = "".join(
            f"ENTRY const char* launch_{i}(unsigned* g, unsigned* b, void** a)"
            f" {{ return host::launch(&{name}, g, b, a); }}\n"
            f"ENTRY const char* signature_{i}() {{ return host::signature(&{name}); }}\n"
            for i, name in enumerate(name_expressions)
        )
        self._source = defines + code + entries
        self._names = list(name_expressions)
        self._library: Any = None

    def get_function(self, name: str) -> Callable[..., None]:
        kinds = self._entry("signature", name)().decode().split()

        def kernel(grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
            if len(args) != len(kinds):
                raise TypeError(f"{name}: expected {len(kinds)} arguments, got {len(args)}")
            threads = int(np.prod(block))
            if not 0 < threads <= 1024 or not all(0 < n < 1 << 31 for n in grid):
                raise ValueError(f"{name}: grid {grid}, block {block}")
            values = [self._value(name, i, kinds[i], a) for i, a in enumerate(args)]
            pointers = (ctypes.c_void_p * len(args))()
            three = [(ctypes.c_uint * 3)(*n, *[1] * (3 - len(n))) for n in (grid, block)]

            def run() -> None:
                for i, value in enumerate(values):
                    pointers[i] = value.ctypes.data
                printed = self._entry("launch", name)(*three, pointers)
                if printed is not None:
                    self._source += "// the device has stopped: what was in its memory is lost\n"
                    self._library = None
                    raise DeviceStopped(printed.decode().strip())

            submit(run)

        return kernel

    def _entry(self, kind: str, name: str) -> Any:
        if self._library is None:
            self._library = _library(self._source)
        entry = getattr(self._library, f"{kind}_{self._names.index(name)}")
        entry.restype = ctypes.c_char_p
        return entry

    def _value(self, name: str, position: int, kind: str, argument: Any) -> np.ndarray:
        where = f"{name}, argument {position}"
        if kind[0] == "p":
            if not isinstance(argument, Array):
                raise TypeError(f"{where}: expected an array, got {type(argument)}")
            return np.array(argument._a.ctypes.data, np.uint64)
        if kind[0] == "s":  # a structure, by value
            if not isinstance(argument, np.ndarray) or argument.size != 1:
                raise TypeError(f"{where}: expected a NumPy array of one structure")
            if argument.nbytes != int(kind[1:]):
                raise TypeError(f"{where}: a structure of {argument.nbytes} bytes, not {kind[1:]}")
            return argument.copy()  # as a launch does
        if not isinstance(argument, np.generic):
            raise TypeError(f"{where}: expected a NumPy scalar, got {type(argument)}")
        floating = argument.dtype.kind == "f"
        if argument.nbytes != int(kind[1:]) or floating != (kind[0] == "f"):
            raise TypeError(f"{where}: a {argument.dtype} for a parameter {kind}")
        return np.asarray(argument)


class ElementwiseKernel:
    """cupy.ElementwiseKernel(in_params, out_params, operation, name, preamble=...)."""

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str, *, preamble: str = ""
    ) -> None:
        self.inputs = [p.split() for p in in_params.split(",")]
        self.outputs = [p.split() for p in out_params.split(",")]
        self.operation, self.name, self.preamble = operation, name, preamble

    def __call__(self, *args: Any) -> Any:
        count = len(self.inputs)
        given, outs = args[:count], list(args[count:])
        if len(given) < count or len(outs) not in (0, len(self.outputs)):
            raise TypeError(f"{self.name}: wrong number of arguments")
        kinds: dict[str, np.dtype[Any]] = {}
        for (kind, name), x in zip([*self.inputs, *self.outputs], [*given, *outs], strict=False):
            if x is None or isinstance(x, np.ndarray):
                raise TypeError(f"Unsupported type {type(x)}")
            if not isinstance(x, Array):
                continue
            if len(kind) > 1:
                if x._a.dtype != np.dtype(kind):
                    raise TypeError(f"Type is mismatched. {name} {x._a.dtype} {kind}")
                continue
            if kinds.setdefault(kind, x._a.dtype) != x._a.dtype:
                raise TypeError(f"{self.name}: {name} is {x._a.dtype}, not {kinds[kind]}")
        types = [
            kinds[kind] if len(kind) == 1 else np.dtype(kind)
            for kind, _ in [*self.inputs, *self.outputs]
        ]
        shape = np.broadcast_shapes(*[x._a.shape for x in given if isinstance(x, Array)])
        if not outs:
            outs = [Array(np.empty(shape, t)) for t in types[count:]]
        for out in outs:
            if out._a.shape != shape:
                raise ValueError(f"{self.name}: out has shape {out._a.shape}, not {shape}")
        function = self._compiled(tuple(types))
        operands = [_address_only(x) for x in (*given, *outs)]
        submit(partial(self._run, function, shape, types, operands))
        return outs[0] if len(outs) == 1 else tuple(outs)

    def _run(self, function: Any, shape: Any, types: list[Any], operands: list[Any]) -> None:
        arrays = [x() for x in operands]
        dense = [
            np.array(np.broadcast_to(x, shape), dtype=t, order="C")
            for x, t in zip(arrays, types, strict=True)
        ]
        addresses = (ctypes.c_void_p * len(dense))(*[x.ctypes.data for x in dense])
        printed = function(addresses, ctypes.c_longlong(dense[0].size))
        if printed is not None:
            raise DeviceStopped(printed.decode().strip())
        for x, y in list(zip(arrays, dense, strict=True))[len(self.inputs) :]:
            x[...] = y

    @cache  # noqa: B019 - kernels live as long as the tests
    def _compiled(self, types: tuple[np.dtype[Any], ...]) -> Any:
        parameters = [*self.inputs, *self.outputs]
        names = {kind: t for (kind, _), t in zip(parameters, types, strict=True) if len(kind) == 1}
        head = "".join(f"typedef {C_NAMES[t]} {kind};\n" for kind, t in names.items())
        reads = "".join(
            f"{C_NAMES[t]}& {name} = (({C_NAMES[t]}*)arrays[{i}])[i];\n"
            for i, ((_, name), t) in enumerate(zip(parameters, types, strict=True))
        )
        source = (
            f"{self.preamble}\n{head}"
            f"static long long n;\n"
            f"static void run(void* given) {{\nvoid** arrays = (void**)given;\n"
            f"for (long long i = 0; i < n; i++) {{\n{reads}{self.operation};\n}}\n}}\n"
            f"ENTRY const char* launch(void** arrays, long long count) "
            f"{{ n = count; return host::stopped(run, arrays); }}\n"
        )
        launch = _library(source).launch
        launch.restype = ctypes.c_char_p
        return launch


def _address_only(x: Any) -> Callable[[], np.ndarray]:
    """An argument as a launch knows it."""
    if not isinstance(x, Array):
        return partial(np.asarray, x)
    a = x._a
    if Stream.capturing is None:
        return lambda: a
    return partial(backend_for("cpu").at, a.ctypes.data, a.shape, a.strides, a.dtype, None)
