"""The pool of threads, and how kernels are compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygan.backend import progress
from tinygan.backend.cpu import compile as compiling
from tinygan.backend.cpu import threads


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def total(number: int) -> list[int]:
    """Which of 40 chunks were computed, by so many threads."""
    seen: list[int] = []
    threads.run_each(seen.append, 40, number)
    return sorted(seen)


def test_every_chunk_is_computed_once() -> None:
    threads.set_num_threads(8)
    for number in (1, 2, 8):
        for _ in range(50):
            assert total(number) == list(range(40))
    threads.run_each(lambda chunk: pytest.fail(), 0, 4)


def test_the_number_of_threads() -> None:
    threads.set_num_threads(3)
    assert threads.get_num_threads() == 3
    for wrong in (0, -1, 2.0, "2"):
        with pytest.raises(ValueError, match="positive integer"):
            threads.set_num_threads(wrong)  # type: ignore[arg-type]
    assert threads.get_num_threads() == 3


def test_the_number_of_threads_comes_from_the_environment(monkeypatch: Any) -> None:
    monkeypatch.setenv("TINYGAN_NUM_THREADS", "5")
    assert threads._default_threads() == 5
    for nonsense in ("", "0", "many"):
        monkeypatch.setenv("TINYGAN_NUM_THREADS", nonsense)
        assert threads._default_threads() == threads.usable_cores()


def test_nobody_waits_for_a_thread_that_comes_late() -> None:
    """The chunks are done by those who are there, while another job has the pool."""
    threads.set_num_threads(3)
    release = threading.Event()
    started = threading.Semaphore(0)

    def occupy(chunk: int) -> None:
        started.release()
        release.wait(5)

    other = threading.Thread(target=threads.run_each, args=(occupy, 3, 3))
    other.start()
    for _ in range(3):
        assert started.acquire(timeout=5)
    assert total(3) == list(range(40)) and not release.is_set()
    release.set()
    other.join()
    assert total(3) == list(range(40))


def test_many_callers_at_once() -> None:
    threads.set_num_threads(4)
    seen: list[list[int]] = []

    def call() -> None:
        for _ in range(50):
            seen.append(total(4))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert seen == [list(range(40))] * 200


def test_threads_without_work_sleep() -> None:
    threads.set_num_threads(4)
    total(4)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.02


@pytest.mark.parametrize("number", [2, 4])
def test_without_a_futex(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operating system has none, Python's conditions put threads to sleep."""
    from tinygan.backend.cpu import pool as pools

    monkeypatch.setattr(pools, "CALLS", {})
    pool = pools.Pool()
    pool.limit(number)
    monkeypatch.setattr(threads, "_pool", pool)
    for pause in (0, 0.01):
        for _ in range(20):
            assert total(number) == list(range(40))
            time.sleep(pause)


def test_an_interrupted_caller_waits_for_the_others() -> None:
    """Nobody may write to its arrays any more once the caller has lost them."""
    threads.set_num_threads(3)
    inside: list[int] = []
    caller = threading.current_thread()

    def interrupted(chunk: int) -> None:
        if threading.current_thread() is caller:
            while not inside:
                time.sleep(0.001)
            raise KeyboardInterrupt
        inside.append(chunk)
        time.sleep(0.05)
        inside.remove(chunk)

    with pytest.raises(KeyboardInterrupt):
        threads.run_each(interrupted, 3, 3)
    assert not inside
    assert total(3) == list(range(40))


def test_an_error_in_another_thread_reaches_the_caller() -> None:
    threads.set_num_threads(2)
    caller = threading.current_thread()
    failed = threading.Event()

    def fail(chunk: int) -> None:
        if threading.current_thread() is caller:
            failed.wait(5)
        else:
            failed.set()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        threads.run_each(fail, 2, 2)


@pytest.mark.parametrize(
    ("features", "lanes"), [("", 4), ("+avx2,+fma", 8), ("+avx2,-fma", 4), ("+avx2,+avx512f", 16)]
)
def test_the_vectors_are_those_that_one_compiles_for(
    features: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling.settings, "CPU_FEATURES", features)
    assert compiling._vector_lanes() == lanes


def test_the_pool_works_after_a_fork() -> None:
    threads.set_num_threads(3)
    assert total(3) == list(range(40))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child = os.fork()
    if not child:
        os._exit(0 if total(3) == list(range(40)) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_importing_the_threads_loads_no_compiler() -> None:
    script = "import sys, tinygan, tinygan.backend.cpu.threads; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_compiling_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_directory", None)
    heard: list[tuple[str, float | None]] = []
    monkeypatch.setattr(progress, "_listeners", [])
    progress.on_compile(lambda name, seconds: heard.append((name, seconds)))

    def _doubled(counters: Any, x: Any) -> Any:
        done = 0
        while True:
            chunk = compiling.take(counters)
            if chunk < 0:
                break
            done += 1
            x[chunk] *= 2
        return compiling.finish(counters, done)

    _doubled.__module__ = "tinygan.somewhere"
    kernel = compiling.compiled(_doubled)
    x = np.ones(100)
    for _ in range(2):
        threads.run(kernel, 100, (x,), 1)
    assert (x == 4).all()
    (first, start), (second, end) = heard
    assert first == second == "doubled" and start is None and end is not None and end > 0


def test_the_cache_is_where_one_can_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiling.settings, "CACHE_DIR", str(tmp_path))
    old = tmp_path / "kernels-of-long-ago"
    old.mkdir()
    os.utime(old, (0, 0))
    folder = compiling._cache_directory()
    assert folder is not None and Path(folder).parent == tmp_path
    assert not old.exists()
    (tmp_path / "file").touch()
    monkeypatch.setattr(compiling.settings, "CACHE_DIR", str(tmp_path / "file"))
    assert compiling._cache_directory() is None
