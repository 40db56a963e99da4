"""What the machine could do: multiply-adds from registers, and numbers through memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, generated, take
from tinygan.backend.cpu.emit import Writer, word

CHAINS = 12  # independent sums: enough for two units with a latency of four, in 16 registers
TURNS = 1 << 14
LARGE = 1 << 24  # float32 in an array that no cache holds
SMALL = 1 << 14  # in one that the second cache holds
PIECE = 1 << 14


class Ceilings(NamedTuple):
    """Per second: operations, bytes from memory, bytes from the caches; what those hold."""

    flops: float
    memory: float
    cache: float
    cached: float = 4 * LARGE

    def of(self, flops: float, nbytes: float) -> tuple[float, str]:
        """The ceiling for a call of so many operations on so many bytes, and its unit."""
        if flops:
            return self.flops, "GFLOP/s"
        return (self.memory if nbytes > self.cached else self.cache), "GB/s"


@generated
def _multiply_add(context: Any, turns: Any, out: Any) -> Any:
    """CHAINS vectors of sums, `turns` times each; stored at an address so that they are needed."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        turns, out = arguments
        write = Writer(builder)
        pointer = write.floats(out)
        one = ir.Constant(write.vector, [1.0] * write.lanes)
        factor = write.broadcast(pointer)

        def body(i: Any, sums: list[Any]) -> list[Any]:
            return [write.multiply_add(total, factor, one) for total in sums]

        sums = write.repeat(turns, [factor] * CHAINS, body)
        # started apart, or they would be one
        for i, total in enumerate(sums):
            write.store(total, write.at(pointer, word(i * write.lanes)))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@compiled
def _peak(counters, turns, out):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        _multiply_add(turns, out[chunk].ctypes.data)
    return finish(counters, done)


@compiled
def _triad(counters, a, b, c, passes):
    """a = b + 2 c, piece by piece, each piece so many times."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start = chunk * PIECE
        xs, ys, zs = a[start : start + PIECE], b[start : start + PIECE], c[start : start + PIECE]
        for _ in range(passes):
            for i in range(xs.size):
                xs[i] = ys[i] + np.float32(2) * zs[i]
    return finish(counters, done)


def fastest(call: Callable[[], Any], seconds: float) -> float:
    """The shortest time of a call within so many seconds."""
    call()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


class Pace:
    """How even a core's own speed is: virtual cores share theirs with strangers, unseen from here.

    Each `take()` times the same multiply-adds on one thread; `spread()` is the slowest over the
    fastest.
    """

    def __init__(self) -> None:
        from tinygan.backend.cpu.compile import LANES

        self.out = np.full((1, CHAINS * LANES), 0.5, np.float32)
        self.times: list[float] = []

    def take(self) -> None:
        call = partial(threads.run, _peak, 1, (TURNS, self.out), 1)
        self.times.append(fastest(call, 2e-4))

    def spread(self) -> float:
        return max(self.times) / min(self.times)


def measure_ceilings(seconds: float = 0.5) -> Ceilings:
    """The CPU's, on as many threads as the kernels use."""
    number = threads.get_num_threads()
    chunks = 4 * number
    from tinygan.backend.cpu.compile import LANES

    out = np.full((chunks, CHAINS * LANES), 0.5, np.float32)
    flops = 2 * chunks * TURNS * CHAINS * LANES
    peak = flops / fastest(lambda: threads.run(_peak, chunks, (TURNS, out), number), seconds)
    a, b, c = (np.ones(LARGE, np.float32) for _ in range(3))
    pieces = LARGE // PIECE
    memory = (
        12 * LARGE / fastest(lambda: threads.run(_triad, pieces, (a, b, c, 1), number), seconds)
    )
    passes, few = 64, 4 * number
    parts = tuple(x[: few * PIECE] for x in (a, b, c))
    time_of = fastest(lambda: threads.run(_triad, few, (*parts, passes), number), seconds)
    return Ceilings(peak, memory, 12 * few * PIECE * passes / time_of)
