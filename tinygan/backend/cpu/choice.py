"""Who multiplies matrices here: our kernel, or NumPy's BLAS where that is faster.

Products are of three kinds: with few rows (a batch through a layer), with a short sum (the gradient
of the layer's weights), and others. Both ways are timed once for each kind, on this machine, when
the first large product of a type is computed; what was found is kept on disk, because another
choice would be other bits. BLAS has to be a good deal faster: its calls go through Python, and
break a recorded step in two.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from tinygan.backend.cpu import blas, threads
from tinygan.backend.cpu.compile import LANES
from tinygan.backend.files import cache_directory, replacing

LARGE = 1 << 22  # multiplications from which the choice is asked for
FEW = 128  # rows, or terms of a sum
MARGIN = 0.8  # BLAS is chosen if its time is below this share of ours
KINDS = {"few rows": (64, 784, 1024), "short sums": (1024, 64, 784), "others": (512, 512, 512)}
REPEATS = 15

Table = dict[str, dict[str, float]]
Product = Callable[[Any, Any], Any]


def kind(m: int, k: int) -> str:
    return "few rows" if m <= FEW else "short sums" if k <= FEW else "others"


def by_blas(dtype: Any, m: int, k: int, n: int, own: Product, other: Product) -> bool:
    """Whether BLAS computes (m, k) @ (k, n) of this type; both ways are timed if need be."""
    if not blas.OURS or m * k * n < LARGE:
        return False
    times = table(np.dtype(dtype).name, own, other)[kind(m, k)]
    return times["blas"] < MARGIN * times["own"]


@lru_cache(maxsize=4)
def table(dtype: str, own: Product, other: Product) -> Table:
    """Seconds of each way for the product of each kind; from the disk, or measured now."""
    path = cache_directory() / f"matmul-{dtype}-{_machine()}.json"
    try:
        known: Table = json.loads(path.read_text())
    except (OSError, ValueError):
        known = _measured(dtype, own, other)
        with suppress(OSError):  # else the next process measures again
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write_text(json.dumps(known, indent=1) + "\n")
    return known


def _machine() -> str:
    """What the times depend on, but for our sources: a better kernel alone changes no bits."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    variables = [os.environ.get(name) for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")]
    what = (LANES, threads.usable_cores(), built.get("version"), np.__version__, *variables)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]


def _measured(dtype: str, own: Product, other: Product) -> Table:
    """Both ways in turns, on one thread: what other programs do disturbs that least."""
    recorded, threads.recording.tape = threads.recording.tape, None
    number = threads.get_num_threads()
    threads.set_num_threads(1)
    result: Table = {}
    try:
        random = np.random.default_rng(0)
        for name, (m, k, n) in KINDS.items():
            x, w = random.random((m, k)).astype(dtype), random.random((k, n)).astype(dtype)
            times = {"own": np.inf, "blas": np.inf}
            for _ in range(REPEATS):
                for way, product in (("own", own), ("blas", other)):
                    start = time.perf_counter()
                    product(x, w)
                    times[way] = min(times[way], time.perf_counter() - start)
            result[name] = times
    finally:
        threads.recording.tape = recorded
        threads.set_num_threads(number)
    return result
