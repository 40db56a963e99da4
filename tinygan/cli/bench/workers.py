"""Processes in which one framework each takes its steps; between their turns they sleep."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Any

from tinygan.cli.bench.environment import without_removed
from tinygan.cli.bench.workloads import Place

FRAMEWORKS = {
    "tinygan": ("with_tinygan", ("tinygan", "tinygan eager", "tinygan by cuDNN")),
    "torch": (
        "with_torch",
        (
            "torch eager",
            "torch eager channels-last",
            "torch.compile",
            "torch.compile step",
            "torch CUDA graph",
            "torch CUDA graph channels-last",
        ),
    ),
    "jax": ("with_jax", ("jax jit",)),
}
START = 180.0  # seconds until a worker must be ready
PATIENCE = 60.0  # seconds beyond those that it was told to run after which it has to have answered


class WorkerError(RuntimeError):
    """A worker that ended; the message holds the last line it wrote."""


def _file() -> IO[str]:
    """What a process writes into, and nobody reads until it has ended: a pipe would fill up."""
    return tempfile.TemporaryFile("w+")


class Worker:
    """A framework's process, asleep unless it is its turn; `ready()` before anything else."""

    def __init__(self, framework: str, variant: str, workload: str, place: Place) -> None:
        module, _ = FRAMEWORKS[framework]
        self.variant, self.place = variant, place
        self.began = time.monotonic()
        where = json.dumps(place._asdict())
        arguments = ["-m", "tinygan.cli.bench.worker", module, variant, workload, where]
        self.errors = _file()
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=without_removed(),
        )
        self.start: dict[str, Any] = {}
        self.launches: dict[str, int] | None = None
        self.peak = 0
        self.imported = 0

    def ready(self, limit: float = START) -> Worker:
        """Wait until it has taken its first steps, at most so many seconds from its beginning."""
        seconds = self.began + limit - time.monotonic()
        self.start = self._answer(seconds, f"not ready after {limit:.0f} seconds")
        self._sleep()
        return self

    def _answer(self, seconds: float, otherwise: str) -> Any:
        """What it writes within so many seconds; then it is ended, and an error says otherwise."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(0.0, seconds))[0]:
            self.process.kill()
            self.close()
            raise WorkerError(f"{self.variant}: {otherwise}")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["it ended"])[-1]  # not its places
            self.close()
            raise WorkerError(f"{self.variant}, {self.place.threads} threads: {last}")
        return json.loads(line)

    def _sleep(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def run(self, seconds: float) -> list[float]:
        """The times of steps during so many seconds."""
        answer = self._asked(seconds, seconds + PATIENCE)
        self.peak, self.imported = answer["peak"], answer["imported"]
        times: list[float] = answer["times"]
        return times

    def count_launches(self) -> None:
        """Have it count what its steps launch: after the last run, as watching slows them down."""
        with suppress(WorkerError):
            self.launches = self._asked("launches", PATIENCE)

    def _asked(self, question: object, limit: float) -> Any:
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        with suppress(BrokenPipeError):  # it has ended, and its last words say why
            print(question, file=self.process.stdin, flush=True)
        answer = self._answer(limit, f"no answer after {limit:.0f} seconds")
        self._sleep()
        return answer

    def close(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()
