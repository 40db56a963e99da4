"""What a measurement depends on: the machine, the versions, and who else was busy."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tinygan.backend import DeviceError, backend_for
from tinygan.backend.cpu.threads import usable_cores
from tinygan.backend.errors import choose

REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # chose slower kernels than users have
PREFIXES = ("OPENBLAS_", "OMP_", "MKL_", "KMP_", "GOTO_", "XLA_", "NUMBA_", "TINYGAN_", "TORCH")
PACKAGES = (
    "tinygan", "numpy", "numba", "torch", "jax", "jaxlib", "cupy-cuda12x", "cupy-cuda13x",
    "nvidia-cudnn-frontend", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13",
)  # fmt: skip
QUIET = 0.05  # share of the machine that others may have taken


def processor() -> str:
    """The name of the CPU, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def chosen_devices(text: str) -> list[str]:
    """The devices of a list with commas; with none, the CPU, and the GPU where there is one."""
    if text:
        names = list(dict.fromkeys(name.strip() for name in text.split(",")))
        for name in names:
            choose("device", name, {"cpu": None, "cuda": None})
            backend_for(name)
        return names
    try:
        backend_for("cuda")
    except DeviceError:
        return ["cpu"]
    return ["cpu", "cuda"]


def environment(devices: Sequence[str] = ("cpu",)) -> dict[str, Any]:
    """Machine, versions, and the variables that may change what is measured."""
    gpu: dict[str, Any] = {}
    if "cuda" in devices:
        from tinygan.cli.bench.cuda_ceilings import properties

        found = properties()
        gpu = {"gpu": found["name"], "gpu_properties": found}
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    variables = {k: v for k, v in sorted(os.environ.items()) if k.startswith(PREFIXES)}
    hidden = ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")  # places, which change nothing
    return {
        "cpu": processor(),
        "cores": usable_cores(),
        **gpu,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "variables": {k: v for k, v in variables.items() if k not in hidden},
        "unset": [name for name in REMOVED if name in os.environ],
    }


def without_removed() -> dict[str, str]:
    """The environment of a process in which something is measured."""
    return {k: v for k, v in os.environ.items() if k not in REMOVED}


class Others:
    """How much of the machine others take: `share()` of the time since it was made.

    Known on Linux only, else None. What this process and its finished children took is not theirs.
    """

    def __init__(self) -> None:
        self.start = self._used()

    def _used(self) -> tuple[float, float, float] | None:
        """Seconds: of all cores, busy, and ours among them."""
        try:
            fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        except OSError:
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        numbers = [int(field) / ticks for field in fields]
        times = os.times()
        ours = times.user + times.system + times.children_user + times.children_system
        return sum(numbers), sum(numbers) - numbers[3] - numbers[4], ours

    def share(self) -> float | None:
        now = self._used()
        if now is None or self.start is None:
            return None
        all_of_it, busy, ours = (b - a for a, b in zip(self.start, now, strict=True))
        return max(0.0, busy - ours) / max(all_of_it, 1e-9)
