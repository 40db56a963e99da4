"""Devices for the tests: the CPU, and CUDA, which is a strict stand-in where there is no GPU."""

from __future__ import annotations

import os
from pathlib import Path

# one thread a process: the tests run side by side (OMP: PyTorch, in the comparisons)
for variable in ("TINYGAN_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import strict_cupy  # noqa: E402
from hypothesis import settings  # noqa: E402

import tinygan  # noqa: E402
from tinygan.backend import DeviceError, backend_for, register  # noqa: E402

settings.register_profile("tinygan", deadline=None)  # what runs first compiles its kernels
settings.load_profile("tinygan")

try:
    backend_for("cuda")
    HAS_GPU = True
except DeviceError:
    register(strict_cupy.backend())
    HAS_GPU = False


@pytest.fixture(autouse=True)
def seed(request: pytest.FixtureRequest) -> None:
    """A test draws the same numbers whichever came before it, its module's `random` ones too."""
    tinygan.manual_seed(0)
    random = getattr(request.module, "random", None)
    if isinstance(random, np.random.Generator):
        random.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Each device in turn."""
    return str(request.param)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory, and no collections of the user's."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.delenv("TINYGAN_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    from tinygan.backend.files import cache_directory

    return cache_directory()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """A GPU that a kernel has stopped fails everything after it: such a worker is replaced."""
    if HAS_GPU and "PYTEST_XDIST_WORKER" in os.environ:
        try:
            backend_for("cuda").xp.cuda.runtime.deviceSynchronize()
        except Exception:
            os._exit(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("gpu") and not HAS_GPU:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
