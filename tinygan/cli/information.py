"""`tinygan info`: the machine as tinygan sees it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from rich.console import Console

from tinygan.backend import DeviceError, backend_for, cuda, kernels
from tinygan.backend.cpu.threads import usable_cores
from tinygan.backend.cuda import devices
from tinygan.backend.cuda.precision import allow_tf32

PACKAGES = ("tinygan", "numpy", "numba", "llvmlite", "pillow", "safetensors", "matplotlib")


def info() -> None:
    """Print devices, threads, versions and BLAS."""
    console = Console()

    def line(name: str, value: object) -> None:
        console.print(f"{name:>12}  {value}", markup=False, highlight=False, soft_wrap=True)

    line("python", f"{platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        try:
            line(package, version(package))
        except PackageNotFoundError:
            line(package, "not installed")
    line("cpu", f"{usable_cores()} of {os.cpu_count()} cores usable")
    line("blas", blas())
    for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
                     "TINYGAN_KERNELS", "TINYGAN_NUM_THREADS"):  # fmt: skip
        if variable in os.environ:
            line("environment", f"{variable}={os.environ[variable]}")
    line("kernels", "numba" if kernels.enabled else "reference (NumPy)")
    for dtype, times in products().items():
        line("matmul", f"{dtype}: {times}")
    for name, value in cuda_devices():
        line(name, value)


def cuda_devices() -> list[tuple[str, str]]:
    """The GPUs with their memory, the versions of driver and CUDA; or why there is none."""
    try:
        backend_for("cuda")
    except DeviceError as error:
        return [("cuda", str(error))]
    lines = []
    for number in range(max(1, cuda.device_count())):
        major, minor = cuda.get_device_capability(number)
        lines.append((f"cuda:{number}", f"{cuda.get_device_name(number)}, sm_{major}{minor}"))
    free, total = cuda.mem_get_info()
    lines.append(("memory", f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"))
    versions = f"{devices.runtime_version()}, driver for up to {devices.driver_version()}"
    allowed = {False: "off: float32 is exact", True: "allowed", "x3": "x3: in three products"}
    return [*lines, ("cuda", versions), ("tf32", allowed[allow_tf32()])]


def products() -> dict[str, str]:
    """By type: who multiplies matrices of each kind, our kernel or BLAS, and what was measured."""
    if not kernels.enabled:
        return {}
    from tinygan.backend.cpu import choice, matmul

    result = {}
    for dtype in ("float32", "float64"):
        parts = []
        for name, times in choice.table(dtype, matmul._own, matmul._by_blas).items():
            m, k, n = choice.KINDS[name]
            chosen = (
                "BLAS" if choice.by_blas(dtype, m, k, n, matmul._own, matmul._by_blas) else "own"
            )
            own, theirs = (2e-9 * m * k * n / times[way] for way in ("own", "blas"))
            parts.append(f"{name} {chosen} ({own:.0f} GFLOP/s, BLAS {theirs:.0f})")
        result[dtype] = "; ".join(parts)
    return result


def blas() -> str:
    """The BLAS that NumPy was built with, as NumPy tells."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{built.get('name')} {built.get('version')}"
