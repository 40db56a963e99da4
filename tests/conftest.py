"""Devices for the tests: the CPU, and CUDA, which is a strict stand-in where there is no GPU."""

from __future__ import annotations

import pytest
import strict_cupy

from tinygan.backend import DeviceError, backend_for, register

try:
    backend_for("cuda")
    HAS_GPU = True
except DeviceError:
    register(strict_cupy.backend())
    HAS_GPU = False


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Each device in turn."""
    return str(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("gpu") and not HAS_GPU:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
