"""One framework in a process of its own: it is told how long to run, and answers with times.

Run by `measure`: python -m tinygan.cli.bench.worker MODULE VARIANT WORKLOAD THREADS. Standard
input carries a number of seconds a line, standard output an answer in JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time


def memory() -> tuple[int, int]:
    """The memory of this process in bytes: now, and at most so far."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[1]) * resource.getpagesize()
    return now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(module: str, variant: str, workload: str, threads: int) -> None:
    if module == "with_jax":  # takes as many threads as there are cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the frameworks print is no answer
    framework = importlib.import_module(f"tinygan.cli.bench.{module}")
    imported, _ = memory()
    start = time.perf_counter()
    step = framework.build(workload, variant, threads)
    number = 0

    def timed() -> tuple[float, list[float]]:
        nonlocal number
        begin = time.perf_counter()
        losses = step(number)
        number += 1
        return time.perf_counter() - begin, losses

    _, losses = timed()
    first = time.perf_counter() - start
    for _ in range(4):  # what is compiled is compiled now
        timed()
    answer = {"losses": losses, "first": first, "version": framework.version()}
    print(json.dumps(answer), file=answers, flush=True)
    for line in sys.stdin:
        end = time.perf_counter() + float(line)
        times = [timed()[0]]
        while time.perf_counter() < end:
            times.append(timed()[0])
        _, most = memory()
        answer = {"times": times, "peak": most, "imported": imported}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
