"""The times of an operation by each of its kernels, and where one device overtakes another."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import quantiles
from typing import Any

import numpy as np

from tinygan.backend import backend_for
from tinygan.cli.bench.calls import Kept
from tinygan.cli.bench.ceilings import Ceilings
from tinygan.cli.bench.clocks import measured

SECONDS = 0.15  # for each call, at least

Row = dict[str, Any]


def measure_call(
    call: Kept,
    size: str,
    ceilings: Ceilings,
    device: str = "cpu",
    seconds: float = SECONDS,
    chosen: slice = slice(None),
) -> list[Row]:
    """A row for each kernel that takes the call: seconds, and the share of the ceiling.

    The reference comes first, the device's own kernel, if there is one, last: `chosen` are some of
    them.

    `host` is what the call costs the host: on a GPU the host goes on while the device computes,
    and of calls made one by one the slower of the two tells how fast they follow each other.
    """
    ceiling, unit = ceilings.of(call.flops, call.nbytes)
    rows = []
    for way, run in list(_ways(call, device).items())[chosen]:
        times, host = measured(run, device, seconds)
        low, median, high = quantiles(times, n=4)
        rate = (call.flops or call.nbytes) / median
        row = {
            "op": call.op.name,
            "size": size,
            "shapes": call.shape,
            "numbers": call.numbers,
            "device": device,
            "kernel": way,
            "median": median,
            "spread": high - low,
            "host": host,
            "rate": rate,
            "unit": unit,
            "share": rate / ceiling,
        }
        rows.append(row)
    return rows


def _ways(call: Kept, device: str) -> dict[str, Callable[[], Any]]:
    """The call by the reference, and by the device's kernel if it takes it."""
    backend = backend_for(device)
    moved = {id(a): backend.from_host(a) for a in call.arrays if isinstance(a, np.ndarray)}
    arrays = [moved.get(id(a), a) for a in call.arrays]

    def reference() -> Any:
        with np.errstate(all="ignore"):
            return call.op.reference(backend.xp, *arrays, **call.static)

    ways = {"reference": reference}
    kernel = call.op.kernels.find(backend.name)
    # as in a recorded step
    out = None if call.op.changes_inputs else backend.xp.empty_like(backend.from_host(call.result))
    if kernel is not None and kernel(*arrays, **call.static, out=out) is not NotImplemented:
        ways[device] = lambda: kernel(*arrays, **call.static, out=out)
    return ways


def crossings(rows: list[Row]) -> list[Row]:
    """For every operation how many times as fast as the CPU the GPU is, by size, and from where on.

    `recorded` compares what the devices take, `eager` counts what launches cost the host as well.
    `recorded_from`, `eager_from`: the numbers in the largest array from which on the GPU is faster,
    None if it is not at the largest size. Between two sizes the logarithm is interpolated; where it
    wins at the smallest size, smaller ones may win too.
    """
    best: dict[str, dict[str, dict[str, float]]] = {}
    numbers: dict[str, dict[str, int]] = {}
    for row in rows:
        size = row["size"]
        numbers.setdefault(row["op"], {})[size] = row["numbers"]
        seconds = {"recorded": row["median"], "eager": max(row["median"], row["host"])}
        if row["device"] == "cpu":
            seconds = {"cpu": row["median"]}
        for way, time in seconds.items():
            known = best.setdefault(row["op"], {}).setdefault(way, {})
            known[size] = min(time, known.get(size, math.inf))
    found = []
    for op, times in best.items():
        both = [size for size in times.get("cpu", {}) if size in times.get("recorded", {})]
        both.sort(key=numbers[op].__getitem__)
        if both:
            line: Row = {"op": op, "numbers": {size: numbers[op][size] for size in both}}
            for way in ("recorded", "eager"):
                line[way] = {size: times["cpu"][size] / times[way][size] for size in both}
                line[f"{way}_from"] = _crossing(
                    [(numbers[op][size], line[way][size]) for size in both]
                )
            found.append(line)
    return found


def _crossing(ratios: list[tuple[int, float]]) -> int | None:
    """From where on all ratios are above 1."""
    if ratios[-1][1] <= 1:
        return None
    for (m, a), (n, b) in reversed(list(pairwise(ratios))):
        if a <= 1:
            part = math.log(a) / (math.log(a) - math.log(b))
            return round(math.exp(math.log(m) + part * (math.log(n) - math.log(m))))
    return ratios[0][0]
