"""Training steps of several frameworks, each in a process of its own, taken in turns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np

from tinygan.backend.cpu.threads import usable_cores
from tinygan.cli.bench.workers import FRAMEWORKS, START, Worker, WorkerError
from tinygan.cli.bench.workloads import EXACT, Place

ON_GPU = ("tinygan", "torch")
CHANNELS = ("dcgan28", "wgan-gp", "dcgan64")  # workloads that convolve
CALIBRATION = 0.5  # seconds with each number of threads
FAR = 1.75  # times the least: such a number of threads will not be the best in other minutes
# relative difference of the first losses above which a row does not count: on the CPU, and on a GPU
# by how products are rounded (PyTorch's autocast rounds what lies between them as well)
AGREEMENT = 1e-4
AGREEMENTS = {"float32": 1e-3, "tf32x3": 1e-3, "tf32": 1e-2, "bfloat16": 5e-2}


def available(names: Sequence[str]) -> list[str]:
    """The frameworks among `names` that are installed, tinygan first."""
    return ["tinygan", *[name for name in names if name != "tinygan" and find_spec(name)]]


def variants(
    framework: str, workload: str, device: str = "cpu", precision: str = EXACT
) -> list[str]:
    _, every = FRAMEWORKS[framework]
    if device == "cpu":
        every = tuple(v for v in every if "CUDA" not in v)
    elif framework not in ON_GPU:
        every = ()
    if device == "cpu" or precision not in (EXACT, "tf32") or not find_spec("cudnn"):
        every = tuple(v for v in every if "cuDNN" not in v)
    special = ("channels-last", "cuDNN")
    chosen = [v for v in every if workload in CHANNELS or not any(s in v for s in special)]
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
    """All variants of the frameworks on the CPU at their best numbers of threads, in turns."""
    workers: list[Worker] = []
    failed: dict[str, str] = {}
    try:
        for framework in frameworks:
            for variant in variants(framework, workload):
                tell(f"{workload}: {variant}")
                try:
                    workers += _rivals(framework, variant, workload, thread_counts(threads))
                except WorkerError as error:
                    failed[variant] = str(error)
        alone = _rounds(workers, rounds, seconds, tell, workload, failed)
        loaded = {}
        if under_load:
            with busy_core():
                what = f"{workload} under load"
                loaded = _rounds(_fastest(alone), rounds, seconds, tell, what, failed)
        best = [worker for worker in _fastest(alone) if worker in loaded or not under_load]
        rows = [_row(worker, alone, loaded, best[0].start["losses"]) for worker in best]
    finally:
        for worker in workers:
            worker.close()
    return {"workload": workload, "device": "cpu", "rows": rows, "failed": failed}


def measure_on_gpu(
    workload: str,
    names: Sequence[tuple[str, str]],
    rounds: int,
    seconds: float,
    precision: str,
    tell: Callable[[str], None],
    limit: float = START,
) -> dict[str, Any]:
    """Frameworks and their variants on the GPU, in turns; they are started all at once."""
    place = Place("cuda", 1, precision)
    started = [Worker(framework, variant, workload, place) for framework, variant in names]
    workers: list[Worker] = []
    failed: dict[str, str] = {}
    try:
        for worker in started:
            tell(f"{workload} on the GPU: {worker.variant}")
            try:
                workers.append(worker.ready(limit))
            except WorkerError as error:
                failed[worker.variant] = str(error)
        times = _rounds(workers, rounds, seconds, tell, f"{workload} on the GPU", failed)
        lasting = list(times)
        for worker in lasting:
            tell(f"{workload} on the GPU: launches, {worker.variant}")
            worker.count_launches()
        rows = [_row(worker, times, {}, lasting[0].start["losses"]) for worker in lasting]
    finally:
        for worker in started:
            worker.close()
    result = {"workload": workload, "device": "cuda", "precision": precision}
    return {**result, "rows": rows, "failed": failed}


def _rivals(framework: str, variant: str, workload: str, counts: Sequence[int]) -> list[Worker]:
    """A worker for every number of threads, but for those that are far from being the fastest."""
    workers: list[Worker] = []
    kept: list[Worker] = []
    try:
        for count in counts:
            place = Place("cpu", count)
            workers.append(Worker(framework, variant, workload, place).ready())
        times = [median(worker.run(CALIBRATION)) for worker in workers]
        pairs = zip(workers, times, strict=True)
        kept = [worker for worker, taken in pairs if taken <= FAR * min(times)]
        return kept
    finally:
        for worker in workers:
            if worker not in kept:
                worker.close()


def _rounds(
    workers: Sequence[Worker],
    rounds: int,
    seconds: float,
    tell: Callable[[str], None],
    what: str,
    failed: dict[str, str],
) -> dict[Worker, list[float]]:
    """The times of the workers that lasted; why the others did not goes into `failed`."""
    times: dict[Worker, list[float]] = {worker: [] for worker in workers}
    for number in range(rounds):
        for worker in list(times):
            tell(f"{what}: round {number + 1} of {rounds}, {worker.variant}")
            try:
                times[worker] += worker.run(seconds)
            except WorkerError as error:
                failed[worker.variant] = str(error)
                del times[worker]
    return times


def _fastest(times: dict[Worker, list[float]]) -> list[Worker]:
    """Of each variant the worker whose number of threads did best."""
    order = sorted(times, key=lambda worker: median(times[worker]))
    best = {worker.variant: worker for worker in reversed(order)}
    return [worker for worker in times if best[worker.variant] is worker]


def _row(
    worker: Worker,
    alone: dict[Worker, list[float]],
    loaded: dict[Worker, list[float]],
    ours: list[float],
) -> dict[str, Any]:
    times, losses, place = alone[worker], worker.start["losses"], worker.place
    allowed = AGREEMENT if place.device == "cpu" else AGREEMENTS[place.precision]
    agree = all(
        abs(a - b) <= allowed * max(abs(a), abs(b)) for a, b in zip(losses, ours, strict=True)
    )
    row = {
        "variant": worker.variant,
        "version": worker.start["version"],
        "threads": place.threads,
        "launches": worker.launches,
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
        row["loaded_median"] = median(loaded[worker])
        row["loaded_minimum"] = min(loaded[worker])
    return row


def furthest(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How far losses (steps, losses of a step) have been apart until each step, relatively."""
    apart = (np.abs(found - expected) / np.abs(expected)).max(axis=1)
    return np.maximum.accumulate(apart)


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
    ours = result["rows"][0] if result["rows"] else {"variant": ""}
    if ours["variant"] != "tinygan":
        return {}
    return {
        row["variant"]: (row["median"] / ours["median"], row["minimum"] / ours["minimum"])
        for row in result["rows"][1:]
        if row["agrees"]
    }


def gains(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of workloads measured on both devices: our compiled step's median on each.

    `difference` is the largest relative one between their first losses.
    """
    rows = {
        (result["workload"], result["device"]): row
        for result in results
        for row in result["rows"]
        if row["variant"] == "tinygan"
    }
    found = []
    for workload in dict.fromkeys(workload for workload, _ in rows):
        if (workload, "cpu") in rows and (workload, "cuda") in rows:
            cpu, cuda = rows[workload, "cpu"], rows[workload, "cuda"]
            pairs = zip(cpu["losses"], cuda["losses"], strict=True)
            difference = max(abs(a - b) / max(abs(a), abs(b), 1e-30) for a, b in pairs)
            line = {"workload": workload, "difference": difference}
            found.append({**line, "cpu": cpu["median"], "cuda": cuda["median"]})
    return found
