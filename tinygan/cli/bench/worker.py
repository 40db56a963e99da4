"""One framework in a process of its own: it is told how long to run, and answers with times.

Run by `measure`: python -m tinygan.cli.bench.worker MODULE VARIANT WORKLOAD PLACE, where PLACE is
JSON. Standard input carries a number of seconds a line, or `launches`; standard output an answer in
JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from typing import Any

from tinygan.cli.bench.workloads import Place

TOGETHER = 0.01  # seconds of steps after which a GPU's losses are read
MOST = 20  # of them


def memory() -> tuple[int, int]:
    """The memory of this process in bytes: now, and at most so far."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[1]) * resource.getpagesize()
    return now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Steps:
    """Steps, one after the other, and what each takes.

    Reading losses waits for the device. So on a GPU some steps are timed together, up to the losses
    of the last, as a training loop that reads them now and then; on the CPU each is on its own.
    """

    def __init__(self, step: Any, device: str) -> None:
        self.step, self.device = step, device
        self.number, self.together = 0, 1

    def timed(self) -> tuple[float, list[float]]:
        """Seconds for one of them, and the last losses."""
        begin = time.perf_counter()
        for _ in range(self.together):
            losses = self.step(self.number)
            self.number += 1
        values = [float(x) for x in losses]
        seconds = (time.perf_counter() - begin) / self.together
        if self.device != "cpu":
            self.together = max(1, min(int(TOGETHER / seconds), MOST))
        return seconds, values


def main(module: str, variant: str, workload: str, place: Place) -> None:
    if module == "with_jax":  # takes as many threads as there are cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: place.threads])
        os.environ["JAX_PLATFORMS"] = "cpu"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the frameworks print is no answer
    framework = importlib.import_module(f"tinygan.cli.bench.{module}")
    imported, _ = memory()
    start = time.perf_counter()
    steps = Steps(framework.build(workload, variant, place), place.device)
    _, losses = steps.timed()
    first = time.perf_counter() - start
    steps.together = 1
    for _ in range(4):  # what is compiled is compiled now
        steps.timed()
    answer = {"losses": losses, "first": first, "version": framework.version()}
    print(json.dumps(answer), file=answers, flush=True)
    for line in sys.stdin:
        if line.strip() == "launches":
            print(json.dumps(framework.launches(steps.step)), file=answers, flush=True)
            continue
        end = time.perf_counter() + float(line)
        times = [steps.timed()[0]]
        while time.perf_counter() < end:
            times.append(steps.timed()[0])
        _, most = memory()
        answer = {"times": times, "peak": most, "imported": imported}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Place(**json.loads(sys.argv[4])))
