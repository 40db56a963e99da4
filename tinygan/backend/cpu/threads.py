"""How many threads the kernels use, and the one pool that they share.

A kernel is compiled code that runs without Python's lock. Every thread that takes part in a job
calls it once, and inside it takes chunk after chunk from a shared counter, so that a thread whose
core is busy elsewhere takes fewer chunks, or none: nobody waits for it. Threads without work sleep;
nothing spins. A chunk's result does not depend on who computes it, so the result of a job has the
same bits for every number of threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from itertools import count
from queue import SimpleQueue
from typing import Any

import numpy as np

Kernel = Callable[..., bool]


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_threads() -> int:
    asked = os.environ.get("TINYGAN_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else usable_cores()


_threads = _default_threads()


def get_num_threads() -> int:
    """How many threads a kernel may use: the usable cores, or TINYGAN_NUM_THREADS."""
    return _threads


def set_num_threads(threads: int) -> None:
    """Let kernels use this many threads; results do not depend on it."""
    global _threads
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, got {threads!r}")
    _threads = threads


class Job:
    """A kernel, its arguments and the counters from which its chunks are taken."""

    __slots__ = ("arguments", "counters", "error", "finished", "guard", "inside", "kernel")

    def __init__(self, kernel: Kernel, chunks: int, arguments: tuple[Any, ...]) -> None:
        self.kernel = kernel
        self.counters = np.array([0, 0, chunks])  # taken, done, all
        self.arguments: tuple[Any, ...] | None = arguments
        self.error: BaseException | None = None
        self.inside = 0  # threads of the pool that are in the kernel
        self.guard = threading.Lock()
        self.finished = threading.Lock()
        self.finished.acquire()

    def work(self) -> None:
        """Take part; who completes the last chunk wakes up the thread that waits."""
        with self.guard:
            arguments = self.arguments
            if arguments is None:  # came too late: all is done
                return
            self.inside += 1
        last = False
        try:
            last = self.kernel(self.counters, *arguments)
        except BaseException as error:
            self.error = error
            last = True
        finally:
            with self.guard:
                self.inside -= 1
                if last and self.finished.locked():
                    self.finished.release()

    def close(self) -> None:
        """Let nobody else in, and wait for those inside: they write to the caller's memory."""
        with self.guard:
            self.arguments = None
        while self.inside:
            time.sleep(1e-4)


class Pool:
    """Sleeping threads and the queue of jobs that wakes them."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Job] = SimpleQueue()
        self.workers: list[threading.Thread] = []
        self.growing = threading.Lock()

    def grow(self, workers: int) -> None:
        with self.growing:
            while len(self.workers) < workers:
                name = f"tinygan-{len(self.workers) + 1}"
                worker = threading.Thread(target=self._serve, name=name, daemon=True)
                worker.start()
                self.workers.append(worker)

    def _serve(self) -> None:
        get = self.queue.get
        while True:
            get().work()


_pool = Pool()


def _forget_pool() -> None:
    """After a fork the child has none of the parent's threads."""
    global _pool
    _pool = Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def run(kernel: Kernel, chunks: int, arguments: tuple[Any, ...], threads: int) -> None:
    """Have `kernel(counters, *arguments)` compute all chunks, on at most so many threads."""
    helpers = min(threads, chunks, _threads) - 1
    if helpers < 1:
        kernel(np.array([0, 0, chunks]), *arguments)
        return
    pool = _pool
    if len(pool.workers) < helpers:
        pool.grow(helpers)
    job = Job(kernel, chunks, arguments)
    for _ in range(helpers):
        pool.queue.put(job)
    try:
        if not kernel(job.counters, *arguments):
            job.finished.acquire()
        if job.error is not None:
            raise job.error
    except BaseException:
        job.close()
        raise
    job.arguments = None


def run_each(function: Callable[[int], Any], chunks: int, threads: int) -> None:
    """Have `function(chunk)`, which is to let go of Python's lock, compute all chunks."""
    run(_each, chunks, (function, count(), count()), threads)


def _each(
    counters: np.ndarray, function: Callable[[int], Any], taken: count[int], done: count[int]
) -> bool:
    chunks, last = int(counters[2]), False
    while (chunk := next(taken)) < chunks:
        function(chunk)
        last = next(done) == chunks - 1
    return last
