"""What a GPU does at best: products of large matrices, and copies of large arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np

from tinygan.backend import backend_for
from tinygan.backend.cuda import devices, elementwise, product
from tinygan.backend.cuda.precision import Allowed, allow_tf32
from tinygan.cli.bench.ceilings import Ceilings
from tinygan.cli.bench.clocks import measured

SIDE = 32  # of the matrices, for each multiprocessor
CACHES = 8  # how many caches would hold the large arrays
SECONDS = 0.3


def properties() -> dict[str, Any]:
    """The device as CUDA describes it."""
    runtime = backend_for("cuda").xp.cuda.runtime
    found = runtime.getDeviceProperties(runtime.getDevice())
    return {
        "name": found["name"].decode(),
        "capability": f"{found['major']}.{found['minor']}",
        "multiprocessors": found["multiProcessorCount"],
        "memory": found["totalGlobalMem"],
        "cache": found["l2CacheSize"],
        "driver": devices.driver_version(),
        "runtime": devices.runtime_version(),
    }


def measure_cuda_ceilings(seconds: float = SECONDS) -> tuple[Ceilings, dict[str, float | None]]:
    """The ceilings in float32, and each thing that was measured for them, per second.

    Operations are those of the faster of two products, ours and cuBLAS's. TF32 is no ceiling of
    what computes in float32; cuBLAS's is None where it cannot be switched on.
    """
    backend = backend_for("cuda")
    xp, device = backend.xp, properties()
    side = -(-SIDE * device["multiprocessors"] // 128) * 128
    random = np.random.default_rng(0)
    a, b = (
        backend.from_host(random.standard_normal((side, side)).astype(np.float32)) for _ in range(2)
    )
    c = xp.empty((side, side), np.float32)

    def rate(work: float, run: Callable[[], Any]) -> float:
        return work / median(measured(run, "cuda", seconds).device)

    flops = 2.0 * side**3
    own = rate(flops, lambda: product.matmul(a, b, out=c))
    cublas = rate(flops, lambda: xp.matmul(a, b, out=c))
    with tf32("x3"):
        own_tf32x3 = rate(flops, lambda: product.matmul(a, b, out=c))
    with tf32(True) as switched:
        own_tf32 = rate(flops, lambda: product.matmul(a, b, out=c))
        cublas_tf32 = rate(flops, lambda: xp.matmul(a, b, out=c)) if switched else None
    large = CACHES * device["cache"] // 4
    x, y, z = (xp.ones(large, np.float32) for _ in range(3))
    few = device["cache"] // 32  # three fit, even if an H100's two halves hold each
    copied = rate(8.0 * large, lambda: xp.copyto(y, x))
    added = rate(12.0 * large, lambda: elementwise.add(x, y, out=z))
    within = rate(12.0 * few, lambda: elementwise.add(x[:few], y[:few], out=z[:few]))
    details: dict[str, float | None] = {
        "product": own,
        "cublas": cublas,
        "product_tf32x3": own_tf32x3,
        "product_tf32": own_tf32,
        "cublas_tf32": cublas_tf32,
        "copy": copied,
        "add": added,
        "add_in_cache": within,
    }
    return Ceilings(max(own, cublas), max(copied, added), within, device["cache"]), details


@contextmanager
def tf32(way: Allowed) -> Iterator[bool]:
    """Products at TF32: ours, and cuBLAS's where this CuPy has the switch."""
    allowed = allow_tf32()
    allow_tf32(way)
    try:
        from cupy._core import _routines_linalg as linalg

        before = linalg.get_compute_type("f")
        linalg.set_compute_type("f", linalg.COMPUTE_TYPE_TF32)
        switched = True
    except (ImportError, AttributeError):
        switched = False
    try:
        yield switched
    finally:
        allow_tf32(allowed)
        if switched:
            linalg.set_compute_type("f", before)
