"""What it costs to bring numbers to a GPU and back, from ordinary memory and from pinned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

from tinygan.backend import backend_for
from tinygan.cli.bench.clocks import finish

SIZES = tuple(1 << power for power in range(10, 29, 3))  # bytes
REPEATS = 9


def measure_transfers(sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Seconds by the host's clock until a copy is there, for each size, way and kind of memory.

    Ordinary memory may be moved by the system, so the driver copies it to memory that may not.
    """
    cuda = backend_for("cuda").xp.cuda
    rows = []
    for nbytes in sizes:
        count = nbytes // 4
        pinned = np.frombuffer(cuda.alloc_pinned_memory(nbytes), np.float32, count)
        array = backend_for("cuda").xp.zeros(count, np.float32)
        for memory, host in (("ordinary", np.ones(count, np.float32)), ("pinned", pinned)):
            ways = {"to device": lambda: array.set(host), "to host": lambda: array.get(out=host)}  # noqa: B023
            for way, run in ways.items():
                seconds = _seconds(run)
                row = {"bytes": nbytes, "way": way, "memory": memory, "median": seconds}
                rows.append({**row, "rate": nbytes / seconds})
    return rows


def _seconds(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS + 1):
        finish()
        start = time.perf_counter()
        run()
        finish()
        times.append(time.perf_counter() - start)
    return median(times[1:])
