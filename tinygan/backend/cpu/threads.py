"""How many threads the kernels use, and how a kernel is launched.

A job is a kernel, its arguments and a number of chunks, which the threads of the pool share out
among themselves (see `pool`). A chunk's result does not depend on who computes it, so the result
of a job has the same bits for every number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from tinygan.backend.kernels import recording as recording

if TYPE_CHECKING:
    from tinygan.backend.cpu.pool import Pool


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
    if _pool is not None:
        _pool.limit(threads)


_pool: Pool | None = None  # is made when the first kernel is launched
_starting = threading.Lock()


def pool() -> Pool:
    """The pool of this process."""
    global _pool
    if _pool is None:
        from tinygan.backend.cpu.pool import Pool

        with _starting:
            if _pool is None:
                made = Pool()
                made.limit(_threads)
                _pool = made
    return _pool


def _forget_pool() -> None:
    """After a fork the child has none of the parent's threads."""
    global _pool, _starting
    _pool, _starting = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def run(kernel: Any, chunks: int, arguments: tuple[Any, ...], threads: int) -> None:
    """Have a compiled kernel compute all chunks, on at most so many threads.

    While a tape is recorded the launch is noted there instead.
    """
    if recording.tape is not None:
        recording.tape.note(kernel, chunks, arguments, threads)
    elif kernel((_pool or pool()).control, chunks, threads, *arguments):
        raise MemoryError(f"{kernel.__name__}: no memory for scratch arrays")


def run_each(function: Callable[[int], Any], chunks: int, threads: int) -> None:
    """Have `function(chunk)`, which is to let go of Python's lock, compute all chunks."""
    errors: list[BaseException] = []
    taken = count()

    def work() -> None:
        try:
            while not errors and (chunk := next(taken)) < chunks:
                function(chunk)
        except BaseException as error:
            errors.append(error)

    (_pool or pool()).call(work, chunks, threads)
    if errors:
        raise errors[0]
