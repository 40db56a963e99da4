"""The compiled kernels against their NumPy references, and PyTorch where it is installed.

    python benchmarks/kernels.py [--threads 1 4] [--repeats 30]

Sizes are those of the default DCGAN, batch 64. Each line lets the candidates take turns and keeps
the fastest time of each, so that other programs disturb them alike. NumPy's BLAS is on one thread,
as it is wherever the kernels are in use.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygan.backend.cpu import activations, matmul, threads, updates
from tinygan.ops import linalg, rectifiers
from tinygan.optim.rule import RULES

torch: Any = importlib.import_module("torch") if importlib.util.find_spec("torch") else None

Calls = dict[str, Callable[[], Any]]
BATCH = 64

random = np.random.default_rng(0)


def fastest(candidates: Calls, repeats: int) -> dict[str, float]:
    """The least seconds of each candidate, all of them taking turns."""
    best = dict.fromkeys(candidates, float("inf"))
    for repeat in range(repeats + 1):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            if repeat:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def images(c: int, h: int) -> np.ndarray:
    """(N, C, H, W) over N H W C memory."""
    return random.standard_normal((BATCH, h, h, c), np.float32).transpose(0, 3, 1, 2)


def both(reference: Any, kernel: Any, arguments: tuple[Any, ...], static: Any) -> Calls:
    return {
        "numpy": lambda: reference(np, *arguments, **static),
        "kernel": lambda: kernel(*arguments, **static),
    }


def others() -> Iterator[tuple[str, float, Calls]]:
    """Activations, products of matrices and updates: name, numbers or operations, candidates."""
    x, g = images(64, 14), images(64, 14)
    slope = {"negative_slope": 0.2}
    name = f"leaky_relu   {x.shape}"
    calls = both(rectifiers._leaky_relu.reference, activations.leaky_relu, (x,), slope)
    if torch is not None:
        tx = torch.from_numpy(np.ascontiguousarray(x))
        calls["torch"] = lambda: torch.nn.functional.leaky_relu(tx, 0.2)
    yield name, float(x.size), calls
    reference = rectifiers._leaky_relu_grad.reference
    yield (
        f"  its grad   {x.shape}",
        x.size,
        both(reference, activations.leaky_relu_grad, (g, x), slope),
    )
    z, w = (random.standard_normal(shape, np.float32) for shape in ((BATCH, 100), (6272, 100)))
    calls = both(linalg.linear.reference, matmul.linear, (z, w), {})
    if torch is not None:
        tz, tw = torch.from_numpy(z), torch.from_numpy(w)
        calls["torch"] = lambda: torch.nn.functional.linear(tz, tw)
    yield f"linear       {z.shape} -> 6272", 2.0 * z.size * len(w), calls
    p, d, m, v = (abs(random.standard_normal(1 << 20, np.float32)) for _ in range(4))
    rest = None, np.array(3, np.float32), np.array([1e-4, 0.5, 0.999, 1e-8, 0.0])
    static = {"decay": False, "decoupled": False, "maximize": False}
    update = RULES["adam"].on(**static)
    calls = both(RULES["adam"].reference, updates.adam, (p, d, m, v, *rest), static)
    calls["kernel"] = lambda: update([p], [d], [m], [v], [None], [rest[1]], rest[2])
    yield f"adam         {p.shape}", p.size, calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, threads.get_num_threads()])
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    core = os.environ.get("OPENBLAS_CORETYPE", "chosen by itself")
    print(f"load {os.getloadavg()[0]:.1f}, core type of OpenBLAS: {core}")
    for number in options.threads:
        threads.set_num_threads(number)
        if torch is not None:
            torch.set_num_threads(number)
        print(f"\n{number} threads: milliseconds (billions of operations or numbers per second)")
        for name, work, calls in others():
            line = f"{name:34s}"
            for candidate, seconds in fastest(calls, options.repeats).items():
                line += f"  {candidate} {1e3 * seconds:7.3f} ({work / seconds / 1e9:5.1f})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
