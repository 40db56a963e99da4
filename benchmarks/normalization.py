"""Batch normalisation and random numbers: kernels, NumPy reference, and PyTorch if installed.

    python benchmarks/normalization.py [--threads 1 4] [--repeats 30]

Milliseconds, the fastest of the repeats, the candidates taking turns. Training on channels-last
images, forward, and forward with backward; then a million float32 numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernels import fastest, images

import tinygan
from tinygan.backend import kernels as switch
from tinygan.backend.cpu import threads
from tinygan.nn import functional as F

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

CASES = [(64, 128, 7), (64, 64, 14), (64, 128, 16)]  # images, channels, size
MILLION = 1 << 20

Candidates = dict[str, Callable[[], Any]]


def by_reference(call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> None:
        switch.enabled = False
        try:
            call()
        finally:
            switch.enabled = True

    return run


def batch_norm(n: int, c: int, size: int) -> dict[str, Candidates]:
    random = np.random.default_rng(0)
    x = tinygan.Tensor(images(random, n, c, size)).requires_grad_()
    g = tinygan.Tensor(images(random, n, c, size))
    affine = [tinygan.ones(c, requires_grad=True), tinygan.zeros(c, requires_grad=True)]
    moments = tinygan.zeros(c), tinygan.ones(c)

    @tinygan.no_grad
    def forward() -> None:
        F.batch_norm(x, *moments, *affine, training=True)

    def both() -> None:
        y = F.batch_norm(x, *moments, *affine, training=True)
        tinygan.autograd.grad(y, (x, *affine), g)

    result: dict[str, Candidates] = {
        "forward": {"kernel": forward, "reference": by_reference(forward)},
        "with backward": {"kernel": both, "reference": by_reference(both)},
    }
    if torch is not None:
        last = torch.channels_last
        tx = torch.tensor(x.detach().numpy()).to(memory_format=last).requires_grad_()
        tg = torch.tensor(g.numpy()).to(memory_format=last)
        weights = [torch.ones(c, requires_grad=True), torch.zeros(c, requires_grad=True)]
        running = torch.zeros(c), torch.ones(c)

        def theirs() -> Any:
            return torch.nn.functional.batch_norm(tx, *running, *weights, training=True)

        result["forward"]["torch"] = torch.no_grad()(theirs)
        result["with backward"]["torch"] = lambda: torch.autograd.grad(theirs(), (tx, *weights), tg)
    return result


def numbers() -> dict[str, Candidates]:
    result: dict[str, Candidates] = {}
    for name in ("rand", "randn"):
        call = partial(getattr(tinygan, name), MILLION)
        result[name] = {"kernel": call, "reference": by_reference(call)}
        if torch is not None:
            result[name]["torch"] = partial(getattr(torch, name), MILLION)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    for number in options.threads:
        threads.set_num_threads(number)
        if torch is not None:
            torch.set_num_threads(number)
        lines = {
            f"batch_norm {case} {k}": v for case in CASES for k, v in batch_norm(*case).items()
        }
        lines |= {f"{MILLION} {k}": v for k, v in numbers().items()}
        for name, candidates in lines.items():
            times = fastest(candidates, options.repeats)
            figures = "  ".join(f"{k} {1e3 * t:7.3f}" for k, t in times.items())
            print(f"{number} thread{'s' * (number > 1)}  {name:40s} {figures}", flush=True)


if __name__ == "__main__":
    main()
