"""Training steps of several frameworks, each in a process of its own, taken in turns."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from statistics import median
from typing import Any

from tinygan.backend.cpu.threads import usable_cores
from tinygan.cli.bench.environment import without_removed

FRAMEWORKS = {
    "tinygan": ("with_tinygan", ("tinygan", "tinygan eager")),
    "torch": (
        "with_torch",
        ("torch eager", "torch eager channels-last", "torch.compile", "torch.compile step"),
    ),
    "jax": ("with_jax", ("jax jit",)),
}
CHANNELS = ("dcgan28", "wgan-gp", "dcgan64")  # workloads that have a memory order to choose
CALIBRATION = 1.0  # seconds for each number of threads
AGREEMENT = 1e-4  # relative difference of the first losses above which a row does not count


class WorkerError(RuntimeError):
    """A worker that ended; the message holds the last line it wrote."""


class Worker:
    """A framework's process, asleep unless it is its turn."""

    def __init__(self, framework: str, variant: str, workload: str, threads: int) -> None:
        module, _ = FRAMEWORKS[framework]
        self.variant, self.threads = variant, threads
        arguments = ["-m", "tinygan.cli.bench.worker", module, variant, workload, str(threads)]
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=without_removed(),
        )
        self.start = self._answer()
        self.peak = 0
        self.imported = 0
        self._sleep()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            last = (errors.strip().splitlines() or ["it ended"])[-1]  # without its places
            raise WorkerError(f"{self.variant}, {self.threads} threads: {last}")
        return json.loads(line)

    def _sleep(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def run(self, seconds: float) -> list[float]:
        """The times of steps during so many seconds."""
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        print(seconds, file=self.process.stdin, flush=True)
        answer = self._answer()
        self._sleep()
        self.peak, self.imported = answer["peak"], answer["imported"]
        times: list[float] = answer["times"]
        return times

    def close(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def available(names: Sequence[str]) -> list[str]:
    """The frameworks among `names` that are installed, tinygan first."""
    return ["tinygan", *[name for name in names if name != "tinygan" and find_spec(name)]]


def variants(framework: str, workload: str) -> list[str]:
    _, every = FRAMEWORKS[framework]
    chosen = [v for v in every if "channels-last" not in v or workload in CHANNELS]
    return [v for v in chosen if v != "torch.compile" or workload != "wgan-gp"]


def thread_counts(asked: Sequence[int]) -> list[int]:
    """1, 2 and all cores, or what was asked for."""
    cores = usable_cores()
    return sorted(set(asked) or {1, min(2, cores), cores})


def measure(
    workload: str,
    frameworks: Sequence[str],
    rounds: int,
    seconds: float,
    threads: Sequence[int],
    under_load: bool,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All variants of the frameworks at their best numbers of threads, in turns."""
    workers: list[Worker] = []
    failed: dict[str, str] = {}
    try:
        for framework in frameworks:
            for variant in variants(framework, workload):
                tell(f"{workload}: {variant}")
                try:
                    workers.append(_best(framework, variant, workload, thread_counts(threads)))
                except WorkerError as error:
                    failed[variant] = str(error)
        alone = _rounds(workers, rounds, seconds, tell, workload)
        loaded = {}
        if under_load:
            with busy_core():
                loaded = _rounds(workers, rounds, seconds, tell, f"{workload} under load")
        rows = [_row(worker, alone, loaded, workers[0].start["losses"]) for worker in workers]
    finally:
        for worker in workers:
            worker.close()
    return {"workload": workload, "rows": rows, "failed": failed}


def _best(framework: str, variant: str, workload: str, counts: Sequence[int]) -> Worker:
    """The worker with the number of threads that is fastest now."""
    best: tuple[float, Worker] | None = None
    for count in counts:
        worker = Worker(framework, variant, workload, count)
        time = median(worker.run(CALIBRATION)) if len(counts) > 1 else 0.0
        if best is not None and best[0] <= time:
            worker.close()
            continue
        if best is not None:
            best[1].close()
        best = time, worker
    assert best is not None
    return best[1]


def _rounds(
    workers: Sequence[Worker],
    rounds: int,
    seconds: float,
    tell: Callable[[str], None],
    what: str,
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {worker.variant: [] for worker in workers}
    for number in range(rounds):
        for worker in workers:
            tell(f"{what}: round {number + 1} of {rounds}, {worker.variant}")
            times[worker.variant] += worker.run(seconds)
    return times


def _row(
    worker: Worker, alone: dict[str, list[float]], loaded: dict[str, list[float]], ours: list[float]
) -> dict[str, Any]:
    times, losses = alone[worker.variant], worker.start["losses"]
    agree = all(
        abs(a - b) <= AGREEMENT * max(abs(a), abs(b)) for a, b in zip(losses, ours, strict=True)
    )
    row = {
        "variant": worker.variant,
        "version": worker.start["version"],
        "threads": worker.threads,
        "steps": len(times),
        "median": median(times),
        "minimum": min(times),
        "first": worker.start["first"],
        "losses": losses,
        "agrees": agree,
        "peak": worker.peak,
        "peak_without_import": worker.peak - worker.imported,
    }
    if loaded:
        row["loaded_median"] = median(loaded[worker.variant])
        row["loaded_minimum"] = min(loaded[worker.variant])
    return row


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def ratios(result: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """For every other variant: its time over our compiled step's, of medians and of minima."""
    ours = result["rows"][0]
    return {
        row["variant"]: (row["median"] / ours["median"], row["minimum"] / ours["minimum"])
        for row in result["rows"][1:]
        if row["agrees"]
    }
