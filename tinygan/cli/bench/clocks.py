"""How long calls take: by the host's clock, or by events on a GPU that is given work in advance."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend import backend_for
from tinygan.backend.cuda.source import OPTIONS

REPEATS = 5  # at least
ROW = 1e-3  # seconds of the host's for the calls between two events
MOST = 50  # of them
LONG = 0.01  # seconds of the device's that are enough for them
CLOCKS = 2e9  # of a GPU in a second, at most
HOLD = """
__global__ void hold(long long clocks) {
    long long start = clock64();
    while (clock64() - start < clocks) {}
}
"""


class Times(NamedTuple):
    """Of a call: seconds that the device took, each time, and that the host took to start it."""

    device: list[float]
    host: float


def measured(run: Callable[[], Any], device: str, seconds: float) -> Times:
    """The times of a call during so many seconds."""
    return _by_host(run, seconds) if device == "cpu" else _by_events(run, seconds)


def _by_host(run: Callable[[], Any], seconds: float) -> Times:
    run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < REPEATS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return Times(times, sorted(times)[len(times) // 2])


def _by_events(run: Callable[[], Any], seconds: float) -> Times:
    """On the current stream: calls in a row between two events, that wait behind a busy kernel.

    So the host is always ahead, and the events tell what the device takes, not what launches cost.
    """
    cuda = backend_for("cuda").xp.cuda
    for _ in range(2):
        run()  # what is compiled is compiled now
    finish()
    host = _to_start(run)
    number = int(min(max(ROW / host, 1), MOST))
    clocks = np.int64(2 * number * host * CLOCKS)
    first, last = cuda.Event(), cuda.Event()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < REPEATS:
        _hold()((1,), (1,), (clocks,))
        first.record()
        for _ in range(number):
            run()
        last.record()
        finish()
        times.append(1e-3 * cuda.get_elapsed_time(first, last) / number)
        number = int(min(number, max(LONG / times[-1], 1)))
    return Times(times, host)


def _to_start(run: Callable[[], Any]) -> float:
    """What a call costs the host, which does not wait for the device."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    finish()
    return min(times)


def finish() -> None:
    """Wait for the GPU."""
    backend_for("cuda").xp.cuda.get_current_stream().synchronize()


@cache
def _hold() -> Any:
    module = backend_for("cuda").xp.RawModule(
        code=HOLD, options=OPTIONS, name_expressions=("hold",)
    )
    return module.get_function("hold")
