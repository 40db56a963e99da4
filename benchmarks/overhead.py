"""What tinygan costs before it computes: import time, microseconds per operation, installed size.

Run: python benchmarks/overhead.py
Where PyTorch is installed in the same environment, its figures stand beside, taken in turns.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any

import numpy as np

import tinygan

HAS_TORCH = find_spec("torch") is not None


def import_time(module: str) -> float:
    """Seconds from the start of a fresh interpreter to its end, less those of an empty one."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return min(run(f"import {module}") for _ in range(7)) - min(run("pass") for _ in range(7))


def microseconds(calls: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """Minimum and median cost of each call, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(15):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(2000):
                call()
            times[name].append((time.perf_counter() - start) / 2000 * 1e6)
    return {name: (min(t), statistics.median(t)) for name, t in times.items()}


def operations(library: Any, x: Any, w: Any) -> dict[str, Callable[[], Any]]:
    """The same calls for tinygan and PyTorch, on tensors that require a gradient."""
    return {
        "x + x": lambda: x + x,
        "x * x": lambda: x * x,
        "x * 0.5": lambda: x * 0.5,
        "tanh": lambda: library.tanh(x),
        "sum": lambda: x.sum(),
        "x @ w": lambda: x @ w,
    }


def closure(name: str) -> set[str]:
    """The distributions that installing one brings, by their requirements without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # a requirement of another platform
        found.add(name)
        waiting += [re.split(r"[^\w.-]", r)[0] for r in requires if "extra ==" not in r]
    return found


def megabytes(names: set[str]) -> float:
    """The size of the files that these distributions installed."""
    total = 0
    for name in names:
        for file in distribution(name).files or ():
            path = file.locate()
            total += path.stat().st_size if path.is_file() else 0  # type: ignore[attr-defined]
    return total / 1e6


def main() -> None:
    print("import, seconds (least of 7 fresh processes, less an empty interpreter)")
    for module in ["numpy", "tinygan"] + ["torch"] * HAS_TORCH:
        print(f"  {module:10} {import_time(module):.3f}")

    print("one operation on 3 numbers, recorded for its gradient, microseconds: least, median")
    data = np.ones(3, np.float32)
    square = np.ones((3, 3), np.float32)
    x, w = tinygan.tensor(data).requires_grad_(), tinygan.tensor(square)
    calls = {("tinygan", k): f for k, f in operations(tinygan, x, w).items()}
    if HAS_TORCH:
        import torch

        y, v = torch.tensor(data).requires_grad_(), torch.tensor(square)
        calls |= {("torch", k): f for k, f in operations(torch, y, v).items()}
    for (library, name), (least, median) in microseconds(calls).items():
        print(f"  {library:8} {name:8} {least:6.2f} {median:6.2f}")

    print("installed, megabytes, with everything that comes along")
    for name in ["tinygan"] + ["torch"] * HAS_TORCH:
        print(f"  {name:10} {megabytes(closure(name)):.0f}")


if __name__ == "__main__":
    main()
