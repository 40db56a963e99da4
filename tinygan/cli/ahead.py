"""Compiling ahead: the kernels of a usual GAN, in several processes at once.

Numba compiles one kernel after the other. Where nothing is in the cache yet, a process per core
takes jobs from a list, each a call that needs some kernels, and leaves them on the disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tinygan
from tinygan import nn, optim
from tinygan.autograd import REGISTRY
from tinygan.backend import kernels
from tinygan.backend.cpu import threads
from tinygan.backend.progress import announce

MARK = "compiled-ahead"
GEOMETRY = {"stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}


@contextmanager
def compiling_ahead() -> Iterator[None]:
    """Fill the cache if it is empty, until the end of the block; what goes wrong is left to later.

    No effect without kernels, without a place to write, with one thread, or where it was begun
    before.
    """
    number = threads.get_num_threads()
    if not kernels.enabled or number == 1:
        yield
        return
    from tinygan.backend.cpu import compile as compiling

    try:
        (Path(compiling._directory or os.devnull) / MARK).touch(exist_ok=False)
    except OSError:
        yield
        return
    announce("a GAN's", None)
    with tempfile.TemporaryDirectory() as taken:
        command = [sys.executable, "-m", "tinygan.cli.ahead", taken]
        silent: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        processes = [subprocess.Popen(command, **silent) for _ in range(min(number, len(JOBS)))]
        try:
            yield
        finally:
            for process in processes:
                process.wait()


def _images(channels: int, side: int) -> np.ndarray:
    return np.ones((8, side, side, channels), np.float32).transpose(0, 3, 1, 2)


def _filters(first: int, second: int) -> np.ndarray:
    return np.ones((first, second, 4, 4), np.float32)


def _kernel(op: str, *arrays: object, **static: object) -> None:
    kernel = REGISTRY[op].kernels.find("cpu")
    if kernel is not None:
        kernel(*arrays, **static, out=None)


def _forward() -> None:
    _kernel("conv2d", _images(32, 16), _filters(64, 32), None, **GEOMETRY)


def _one_output() -> None:
    static = {**GEOMETRY, "size": (32, 32)}
    _kernel("conv2d_input_grad", _images(32, 16), _filters(32, 1), None, **static)


def _weight_gradient() -> None:
    static = {**GEOMETRY, "kernel": (4, 4)}
    _kernel("conv2d_weight_grad", _images(32, 16), _images(64, 8), **static)


def _dense() -> None:
    x = tinygan.ones(64, 100, requires_grad=True)
    nn.functional.linear(x, tinygan.ones(50, 100), tinygan.ones(50)).sum().backward()


def _normalise() -> None:
    x, v = np.ones((700, 64), np.float32), np.ones(64, np.float32)
    moments, running = np.ones((2, 64), np.float32), np.ones(64, np.float32)
    _kernel("batch_norm", x, v, v, moments, eps=1e-5, training=True)
    _kernel("batch_norm_sums", x, x, moments, eps=1e-5)
    _kernel("move_running", moments, running, running.copy(), momentum=0.1, count=9)


def _normalise_back() -> None:
    x, v, moments = (np.ones(shape, np.float32) for shape in ((700, 64), 64, (2, 64)))
    _kernel("batch_moments", x)
    _kernel("batch_norm_input_grad", x, x, v, moments, moments, eps=1e-5)


def _reduce() -> None:
    for size in (10, 100_000):
        x = tinygan.ones(size, 8)
        x.sum(), x.sum(0), x.mean()


def _draw() -> None:
    tinygan.randn(8, 8)


def _draw_uniform() -> None:
    nn.init.uniform_(tinygan.ones(70, 70))


def _copy() -> None:
    for dtype in (np.float32, np.int64):
        tinygan.from_numpy(_images(32, 16).astype(dtype)).contiguous()


def _map() -> None:
    @tinygan.compile
    def step(x: tinygan.Tensor) -> None:
        y = nn.functional.leaky_relu(x, 0.2).tanh() + nn.functional.softplus(-x).relu()
        z = (y.sigmoid() * x - x / 2).mean().sqrt()
        (z + nn.functional.binary_cross_entropy_with_logits(x, x)).backward()

    x = tinygan.ones(300, 300, requires_grad=True)
    for _ in range(3):  # recorded and replayed
        step(x)


def _update() -> None:
    layer = nn.Linear(9, 9)
    optimizer = optim.Adam(layer.parameters())
    average = optim.EMA(layer)
    layer(tinygan.ones(2, 9)).sum().backward()
    optimizer.step()
    average.update()


# the longest first, so that none is left to the end, and what several need in good time
JOBS: list[Callable[[], None]] = [
    _map, _forward, _one_output, _dense, _weight_gradient, _copy, _normalise, _normalise_back,
    _draw, _reduce, _update, _draw_uniform,
]  # fmt: skip


def compile_part(rank: int, ranks: int) -> None:
    """Do this rank's share of the jobs, the others doing theirs."""
    for job in JOBS[rank::ranks]:
        job()


def main(taken: str) -> None:
    """Do the jobs that no other process has taken."""
    threads.set_num_threads(1)
    for job in JOBS:
        try:
            (Path(taken) / job.__name__).touch(exist_ok=False)
        except FileExistsError:
            continue
        job()


if __name__ == "__main__":
    main(sys.argv[1])
