"""Convolution kernels against their NumPy reference, and PyTorch where it is installed.

    python benchmarks/kernels.py [--threads 1 4] [--repeats 30]

Each line alternates the candidates and takes the fastest time of each, so that another program
disturbs them alike. Milliseconds; batch 64, as in the default DCGAN.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.backend.cpu import convolution, threads
from tinygan.ops import conv_trio

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

CASES = [  # channels, size, output channels
    (1, 28, 64),
    (64, 14, 128),
    (3, 32, 64),
    (64, 16, 128),
    (128, 8, 256),
]
GEOMETRY: dict[str, Any] = {
    "stride": (2, 2),
    "padding": ((1, 1), (1, 1)),
    "dilation": (1, 1),
    "groups": 1,
}


def fastest(candidates: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The least seconds of each candidate, all of them taking turns."""
    best = dict.fromkeys(candidates, float("inf"))
    for repeat in range(repeats + 1):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            if repeat:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def images(random: np.random.Generator, n: int, c: int, h: int) -> np.ndarray:
    """(N, C, H, W) over N H W C memory."""
    return random.standard_normal((n, h, h, c), np.float32).transpose(0, 3, 1, 2)


def trio(c: int, h: int, o: int) -> dict[str, dict[str, Callable[[], Any]]]:
    random = np.random.default_rng(0)
    x, g = images(random, 64, c, h), images(random, 64, o, h // 2)
    w = random.standard_normal((o, c, 4, 4), np.float32)
    size, kernel = (h, h), (4, 4)
    calls: dict[str, dict[str, Callable[[], Any]]] = {}
    for name, op, arguments, static in (
        ("forward", "conv2d", (x, w), {}),
        ("input grad", "conv2d_input_grad", (g, w), {"size": size}),
        ("weight grad", "conv2d_weight_grad", (x, g), {"kernel": kernel}),
    ):
        static = {**static, **GEOMETRY}
        reference = getattr(conv_trio, f"_{op}").reference
        compiled = getattr(convolution, op)
        calls[name] = {
            "numpy": lambda f=reference, a=arguments, s=static: f(np, *a, **s),
            "kernel": lambda f=compiled, a=arguments, s=static: f(*a, **s),
        }
    if torch is not None:
        tx, tg, tw = (torch.from_numpy(np.ascontiguousarray(a)) for a in (x, g, w))
        f = torch.nn.functional
        calls["forward"]["torch"] = lambda: f.conv2d(tx, tw, stride=2, padding=1)
        calls["input grad"]["torch"] = lambda: f.conv_transpose2d(tg, tw, stride=2, padding=1)
        calls["weight grad"]["torch"] = lambda: torch.nn.grad.conv2d_weight(
            tx, tuple(tw.shape), tg, stride=2, padding=1
        )
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, threads.get_num_threads()])
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE')}")
    for number in options.threads:
        threads.set_num_threads(number)
        if torch is not None:
            torch.set_num_threads(number)
        print(f"\n{number} threads (NumPy's BLAS: as the environment says)")
        for c, h, o in CASES:
            work = 2 * 64 * (h // 2) ** 2 * c * o * 16
            for name, calls in trio(c, h, o).items():
                best = fastest(calls, options.repeats)
                line = f"{c:4d} -> {o:3d}  {h:2d}x{h:<2d}  {name:12s}"
                for candidate, seconds in best.items():
                    rate = work / seconds / 1e9
                    line += f"  {candidate} {1e3 * seconds:7.3f} ms ({rate:4.0f} GFLOP/s)"
                print(line, flush=True)


if __name__ == "__main__":
    main()
