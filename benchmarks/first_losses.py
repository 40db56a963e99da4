"""How well float32 determines a training run: its first losses, computed in several ways.

python benchmarks/first_losses.py [--steps 50] [--device cuda] [WORKLOAD...]

Two players magnify what is rounded. For each workload and each way the largest relative difference
from the losses of float64 until the last step, and the first step at which it passes 1e-3: with
NumPy, with our kernels, on a GPU if asked for, and with PyTorch on one thread and on four where it
is installed. Then the same between two ways that compute alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from tinygan.backend import kernels
from tinygan.cli.bench import with_tinygan
from tinygan.cli.bench.measure import furthest
from tinygan.cli.bench.workloads import DOUBLE, EXACT, Place

NAMES = ("toy", "mlp", "dcgan28")
APART = 1e-3
Build = Callable[[str, str, Place], Callable[[int], Any]]


def losses(build: Build, name: str, variant: str, place: Place, steps: int) -> np.ndarray:
    """(steps, losses of a step)."""
    step = build(name, variant, place)
    return np.array([[float(x) for x in step(i)] for i in range(steps)])


def ways(name: str, device: str | None, steps: int) -> dict[str, np.ndarray]:
    """The losses by all that is there; those of float64 first."""

    def ours(variant: str, on: str = "cpu", precision: str = EXACT) -> np.ndarray:
        return losses(with_tinygan.build, name, variant, Place(on, 1, precision), steps)

    found = {}
    with patch.object(kernels, "enabled", False):
        found["float64"] = ours("tinygan eager", precision=DOUBLE)
        found["NumPy"] = ours("tinygan eager")
    found["kernels"] = ours("tinygan")
    if device:
        found[device] = ours("tinygan", device)
    if find_spec("torch"):
        from tinygan.cli.bench import with_torch

        for threads, text in ((1, "PyTorch"), (4, "PyTorch, 4 threads")):
            place = Place("cpu", threads, EXACT)
            found[text] = losses(with_torch.build, name, "torch eager", place, steps)
    return found


def described(apart: np.ndarray) -> str:
    passed = np.flatnonzero(apart > APART)
    when = f", {APART:g} passed at step {passed[0] + 1}" if passed.size else ""
    return f"{apart[-1]:.1e}{when}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", default=NAMES)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--device", help="a GPU to compare as well, such as cuda")
    options = parser.parse_args()
    table = Table("workload", "", "largest difference", box=None)
    for name in options.workloads:
        found = ways(name, options.device, options.steps)
        exact = found.pop("float64")
        for way, values in found.items():
            table.add_row(name, f"{way} from float64", described(furthest(values, exact)))
        alike = [("kernels", "NumPy"), (options.device, "NumPy"), ("PyTorch, 4 threads", "PyTorch")]
        for one, other in alike:
            if one in found and other in found:
                apart = furthest(found[one], found[other])
                table.add_row(name, f"{one} from {other}", described(apart))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
