"""The one place that decides how kernels are compiled, and for which machine."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba import types
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from tinygan.backend.cpu import blas, memory  # noqa: F401  they set up the process
from tinygan.backend.cpu.native import generated, launch, load
from tinygan.backend.files import cache_directory
from tinygan.backend.progress import announce

settings: Any = numba.config

# No nnan and no ninf: a NaN or an infinity has to come out where one went in. No reassoc except in
# sums, which need it to be vectorised: it may turn b m + (1 - b) g into g + b (m - g).
FAST = {"contract", "nsz"}
SUMS = FAST | {"reassoc"}
OPTIONS: Any = {"nogil": True, "fastmath": FAST, "error_model": "numpy"}
IN_LOOPS: Any = {**OPTIONS, "forceinline": True}

UNUSED = 30 * 24 * 3600.0  # seconds, after which the kernels of other sources are removed


def _vector_lanes() -> int:
    """How many float32 the vectors hold that Numba compiles for: NUMBA_CPU_FEATURES may say."""
    if settings.CPU_FEATURES is not None:
        features = {name[1:]: name[0] == "+" for name in settings.CPU_FEATURES.split(",") if name}
    elif settings.CPU_NAME == "generic":
        features = {}
    else:
        features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


LANES = _vector_lanes()


def _cache_directory() -> str | None:
    """Where compiled kernels are kept: a folder of its own for every state of the sources.

    Numba knows that a kernel is stale when its own file changed, not when one of the functions
    that it inlined did; hence the digest of all of them. None where nothing can be written.
    """
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    root = Path(settings.CACHE_DIR or cache_directory())
    folder = root / f"kernels-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for other in root.glob("kernels-*"):
            if other.stat().st_mtime < time.time() - UNUSED:
                shutil.rmtree(other, ignore_errors=True)
    except OSError:
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


_directory = _cache_directory()


class _Cache(FunctionCache):
    """A cache in our folder; what it cannot read, as after a crash, is compiled again."""

    def __init__(self, function: Callable[..., Any]) -> None:
        before = settings.CACHE_DIR
        settings.CACHE_DIR = _directory
        try:
            super().__init__(function)
        finally:
            settings.CACHE_DIR = before

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            self.flush()
            return None


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call."""
    return numba.njit(**OPTIONS)(function)


def in_loops(function: Callable[..., Any]) -> Any:
    """Compile a function of numbers that is inlined however long it is.

    A loop that calls a function is not vectorised.
    """
    return numba.njit(**IN_LOOPS)(function)


def summing(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call, and that may add up in any order."""
    return numba.njit(**{**OPTIONS, "fastmath": SUMS})(function)


def native(*words: Any) -> Any:
    """Compile a function of words, with an address of its own that others can call."""

    def compile(function: Callable[..., Any]) -> Any:
        result: Any = CFunc(function, (words, types.int64), locals={}, options={"nogil": True})
        if _directory is not None:
            result._cache = _Cache(function)
        result.compile()
        return result

    return compile


LAUNCHER = """
def {name}(_control, _chunks, _threads, {parameters}):
    return _launch(_control, _chunks, _threads, _kernel, ({parameters},))
"""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a kernel (counters, ...) when it is first launched, or load it from the disk.

    What is returned launches it: (control, chunks, threads, ...), where control is the address of
    a pool's control block, or of a tape's.
    """
    parameters = ", ".join(list(inspect.signature(function).parameters)[1:])
    text = LAUNCHER.strip().format(name=function.__name__, parameters=parameters)
    line = function.__code__.co_firstlineno  # tells the cache one kernel of a file from the other
    code = compile("\n" * (line - 1) + text, function.__code__.co_filename, "exec")
    names: dict[str, Any] = {"_launch": launch, "_kernel": inlined(function)}
    exec(code, names)
    launcher = names[function.__name__]
    launcher.__module__, launcher.__qualname__ = function.__module__, function.__qualname__
    result: Any = numba.njit(nogil=True)(launcher)
    if _directory is not None:
        result._cache = _Cache(launcher)
    return result


class _Announcer(event.Listener):
    """Passes Numba's news of compiling our kernels on."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}

    def _name(self, happening: Any) -> str | None:
        function = happening.data["dispatcher"].py_func
        ours: bool = function.__module__.startswith("tinygan.")
        return function.__name__.strip("_") if ours else None

    def on_start(self, happening: Any) -> None:
        name = self._name(happening)
        if name is not None and not self.started:
            self.started[name] = time.perf_counter()
            announce(name, None)

    def on_end(self, happening: Any) -> None:
        name = self._name(happening)
        if name in self.started:
            announce(name, time.perf_counter() - self.started.pop(name))


event.register("numba:compile", _Announcer())


# -- taking chunks ----------------------------------------------------------------------------


@generated
def _fetch_add(context: Any, counters: Any, index: Any, amount: Any) -> Any:
    """counters[index] before it grows by `amount`, at once for all threads."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        return builder.atomic_rmw("add", place, arguments[2], "seq_cst")

    return types.int64(counters, types.int64, types.int64), generate


@inlined
def take(counters):
    """The next chunk of a job, -1 when there is none left."""
    chunk = _fetch_add(counters, 0, 1)
    return chunk if chunk < counters[2] else -1


@inlined
def skip(counters, wanted):
    """Take all chunks, to leave them undone, if the word at an address is 0; how many.

    Without an address every chunk is wanted.
    """
    if wanted == 0 or load(wanted) != 0:
        return 0
    return max(0, counters[2] - _fetch_add(counters, 0, counters[2]))


@inlined
def finish(counters, chunks):
    """Count `chunks` as done; whether those were the last of the job."""
    return chunks > 0 and _fetch_add(counters, 1, chunks) + chunks == counters[2]
