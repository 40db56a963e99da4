"""The CuPy that users install, on a GPU that is not there.

NVIDIA's runtime is compiled into CuPy's wheel and wants a driver: its functions are replaced, in
memory, by those of device.cpp. The driver, cuBLAS and NCCL are libraries that CuPy opens by name;
ours are opened before. The rest is as on a GPU: CuPy's arrays, memory pools, streams, captures,
kernels, and NVIDIA's compiler, as far as the assembly (PTX) that a driver would be given; ptx.py
makes C++ of it. Needs a C++ compiler, Linux, NVIDIA's compiler and CUDA's headers:

    pip install cupy-cuda12x nvidia-cuda-nvrtc-cu12 nvidia-cuda-runtime-cu12
    pip install cupy-cuda13x nvidia-cuda-nvrtc==13.0.* nvidia-cuda-runtime==13.0.*  # or these
    PYTHONPATH=tests/software_gpu pytest tests/test_gpu.py

Streams do their work when the host waits for it, or at once with SOFTWARE_GPU_EAGER=1.
SOFTWARE_GPU_COUNT is how many GPUs there are, for as many processes; SOFTWARE_GPU_CAPABILITY=75
makes them older ones.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib
import importlib.util
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

HERE = Path(__file__).parent
INCLUDES = [f"-I{HERE / 'include'}", f"-I{HERE.parent}"]
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-fvisibility=hidden", "-fno-gnu-unique"]
OF_KERNELS = ["-ffp-contract=off"]  # NVIDIA's compiler has said where a * b + c is rounded once
if " fma " in Path("/proc/cpuinfo").read_text():  # else by a slow function
    OF_KERNELS.append("-mfma")
RUNTIME = "cupy_backends.cuda.api.runtime"


class Library(NamedTuple):
    """One of ours: the source, the names that it is looked for by, CuPy's module that wraps it.

    A name may leave room for CUDA's version, 12 or 13.
    """

    source: str
    names: tuple[str, ...]
    wrapper: str = ""


DEVICE = Library("device.cpp", ("libcuda.so.1",))
LIBRARIES = [
    DEVICE,
    Library("blas.cpp", ("libcublas.so.{}", "libcublasLt.so.{}"), "cublas"),
    Library("nccl.cpp", ("libnccl.so.2",), "nccl"),
]


def start() -> None:
    """Put our libraries in the place of NVIDIA's, before CuPy is imported."""
    folder = Path(tempfile.gettempdir()) / f"tinygan-software-gpu-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise RuntimeError("the software GPU needs a C++ compiler")
    command = [compiler, *FLAGS, *OF_KERNELS, *INCLUDES]
    header = HERE / "include" / "ptx.h"
    read = [HERE / "ptx.py", header, HERE.parent / "cuda_on_host.h"]
    text = "".join([*command, *(path.read_text() for path in read)])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    command.insert(1, f"-I{_compiled_header(command, header, folder / key)}")
    os.environ |= {
        "SOFTWARE_GPU_FOLDER": str(folder),
        "SOFTWARE_GPU_TRANSLATOR": f"{sys.executable} -E {HERE / 'ptx.py'}",
        "SOFTWARE_GPU_COMPILER": " ".join(command),
        "SOFTWARE_GPU_KEY": key,
        "CUPY_CACHE_DIR": str(folder / "cupy"),
        "CUPY_COMPILE_WITH_PTX": "1",
        "CUPY_ACCELERATORS": "",  # else CUB's kernels, which are compiled into CuPy
    }
    opened = [
        ctypes.CDLL(str(_built(compiler, folder, library, name)))  # and found again by its name
        for library in LIBRARIES
        for name in library.names
    ]
    _replace_runtime(opened[0])
    sys.modules["cupy.cuda.thrust"] = _sorting()


def _compiled_header(command: list[str], header: Path, own: Path) -> Path:
    """A folder with a header as the compiler leaves it, since most kernels are smaller than it."""
    built = own / f"{header.name}.gch"
    if not built.exists():
        own.mkdir(exist_ok=True)
        result = own / f"{os.getpid()}.gch"
        subprocess.run([*command, "-x", "c++-header", header, "-o", result], check=True)
        os.replace(result, built)
    return own


def _origin(module: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise RuntimeError("the software GPU needs CuPy: pip install cupy-cuda12x")
    return Path(found.origin)


@functools.cache
def _cuda() -> str:
    """CUDA's version that CuPy was made for: "12" or "13"."""
    about = _origin("cupy").parent / ".data" / "_wheel.json"
    version: str = json.loads(about.read_text())["cuda"]
    return version.partition(".")[0]


def _built(compiler: str, folder: Path, library: Library, name: str) -> Path:
    cuda = _cuda()
    source, soname = HERE / library.source, name.format(cuda)
    read = [source, HERE / "include" / "queue.h", Path(__file__)]
    key = hashlib.sha256(b"".join(map(Path.read_bytes, read))).hexdigest()[:16]
    own = folder / f"{library.source}-{key}-{cuda}"
    built = own / soname
    if built.exists():
        return built
    own.mkdir(exist_ok=True)
    # CuPy asks for names of a version, and for all that a wrapper may call
    versions, rest = own / "versions", own / f"rest-{os.getpid()}.cpp"
    versions.write_text(f"{soname} {{ global: *; }};")
    rest.write_text(_rest(library))
    needs = [] if library is DEVICE else [str(_built(compiler, folder, DEVICE, DEVICE.names[0]))]
    package = "cuda_runtime" if cuda == "12" else f"cu{cuda}"
    headers = _origin("cupy_backends").parent.parent / "nvidia" / package / "include"
    result = own / f"{os.getpid()}.so"
    linked = [f"-Wl,-soname,{soname}", f"-Wl,--version-script={versions}"]
    subprocess.run(
        [
            compiler,
            *FLAGS,
            *INCLUDES,
            f"-I{headers}",
            *linked,
            "-o",
            result,
            source,
            rest,
            *needs,
            "-ldl",
        ],
        check=True,
    )
    os.replace(result, built)
    return built


def _rest(library: Library) -> str:
    """What CuPy's wrapper of a library wants besides: each says its name and fails."""
    if not library.wrapper:
        return ""
    (module,) = (_origin("cupy_backends").parent / "cuda/libs").glob(f"{library.wrapper}.*.so")
    listed = subprocess.run(["nm", "-D", module], capture_output=True, text=True, check=True)
    names = re.findall(rf" U ({library.wrapper}\w+)", listed.stdout)
    return "#include <cstdio>\n" + "".join(
        f'extern "C" __attribute__((weak, visibility("default"))) int {name}()'
        f' {{ std::fprintf(stderr, "software GPU: no {name}\\n"); return 15; }}\n'
        for name in names
    )


def _replace_runtime(ours: ctypes.CDLL) -> None:
    """Let every function of the runtime inside CuPy jump to ours of the same name."""
    library = _origin(RUNTIME)
    importlib.import_module(RUNTIME)
    base = _base(library)
    listed = subprocess.run(["nm", library], capture_output=True, text=True, check=True)
    for address, name in re.findall(r"^(\w+) t (cuda[A-Z]\w*)$", listed.stdout, re.MULTILINE):
        function = getattr(ours, name, ours.software_gpu_missing)
        target = ctypes.cast(function, ctypes.c_void_p).value
        jump = b"\xff\x25\x00\x00\x00\x00" + struct.pack("<Q", target)  # to what follows
        _overwrite(base + int(address, 16), jump)


def _base(library: Path) -> int:
    """Where a library has been put in memory."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(library.resolve())) and line.split()[2] == "00000000":
            return int(line.partition("-")[0], 16)
    raise RuntimeError(f"{library} is not in memory")


def _overwrite(address: int, code: bytes) -> None:
    first = address & -os.sysconf("SC_PAGESIZE")
    everything = 7  # read, write, execute
    size = ctypes.c_size_t(address + len(code) - first)
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(first), size, everything):
        raise RuntimeError("memory of CuPy's library cannot be written")
    ctypes.memmove(address, code, len(code))


def _sorting() -> ModuleType:
    """cupy.cuda.thrust, whose kernels are compiled into CuPy, by NumPy."""
    module = ModuleType("cupy.cuda.thrust")

    def at(address: int, dtype: Any, shape: Sequence[int]) -> Any:
        import cupy
        import numpy

        cupy.cuda.runtime.deviceSynchronize()
        size = math.prod(shape) * numpy.dtype(dtype).itemsize
        memory = (ctypes.c_char * size).from_address(address)
        return numpy.frombuffer(memory, dtype).reshape(shape)

    def sort(dtype: Any, data: int, keys: int, shape: Sequence[int]) -> None:
        at(data, dtype, shape).sort(-1, kind="stable")

    def argsort(dtype: Any, index: int, data: int, keys: int, shape: Sequence[int]) -> None:
        at(index, "int64", shape)[...] = at(data, dtype, shape).argsort(-1, kind="stable")

    vars(module).update(sort=sort, argsort=argsort, available=True)
    return module
