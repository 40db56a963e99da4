"""`tinygan bench ops`: every operation by every kernel, beside what the machine could do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tinygan.autograd import REGISTRY
from tinygan.backend import kernels
from tinygan.backend.cpu.threads import get_num_threads
from tinygan.backend.errors import choose
from tinygan.cli.bench.calls import SIZES, Kept, calls
from tinygan.cli.bench.ceilings import Ceilings, measure_ceilings
from tinygan.cli.bench.environment import QUIET, Others, environment

SECONDS = 0.15  # for each call, at least
REPEATS = 5


def bench_ops(op: str | None, size: str | None, json_path: Path | None, chart: Path | None) -> None:
    """Measure, print a table, and write what was asked for."""
    console = Console()
    if op is not None:
        choose("operation", op, REGISTRY)
    if size is not None:
        choose("size", size, SIZES)
    others = Others()
    with console.status("measuring the ceilings"):
        ceilings = measure_ceilings()
    console.print(
        f"Ceilings on {get_num_threads()} threads: {ceilings.flops / 1e9:.0f} GFLOP/s, "
        f"{ceilings.memory / 1e9:.0f} GB/s from memory, {ceilings.cache / 1e9:.0f} from caches"
    )
    rows: list[dict[str, Any]] = []
    with console.status("") as status:
        for name in (size,) if size else SIZES:
            kept = calls(name)
            for key in sorted(kept if op is None else {op} & set(kept)):
                status.update(f"{key}, {name}")
                rows += measure_call(kept[key], name, ceilings)
    console.print(table(rows))
    report: dict[str, Any] = {
        "environment": environment(),
        "threads": get_num_threads(),
        "ceilings": ceilings._asdict(),
        "rows": rows,
        "others": others.share(),
    }
    if report["others"] is not None:
        quiet = "quiet" if report["others"] <= QUIET else "not quiet: measure again"
        console.print(f"Others took {report['others']:.1%} of the machine, which was {quiet}.")
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1) + "\n")
    if chart is not None:
        from tinygan.cli.bench.chart import draw_ops

        draw_ops(report, chart)


def measure_call(call: Kept, size: str, ceilings: Ceilings) -> list[dict[str, Any]]:
    """A row for each kernel that takes the call."""
    ways = {"reference": _by_reference(call)}
    kernel = call.op.kernels.find("cpu") if kernels.enabled else None
    out = None if call.op.changes_inputs else np.empty_like(call.result)  # as in a recorded step
    if kernel is not None and kernel(*call.arrays, **call.static, out=out) is not NotImplemented:
        ways["cpu"] = lambda: kernel(*call.arrays, **call.static, out=out)
    ceiling, unit = ceilings.of(call.flops, call.nbytes)
    rows = []
    for way, run in ways.items():
        times = _times(run)
        low, median, high = quantiles(times, n=4)
        rate = (call.flops or call.nbytes) / median
        row = {
            "op": call.op.name,
            "size": size,
            "shapes": call.shape,
            "kernel": way,
            "median": median,
            "spread": high - low,
            "rate": rate,
            "unit": unit,
            "share": rate / ceiling,
        }
        rows.append(row)
    return rows


def _by_reference(call: Kept) -> Callable[[], Any]:
    def run() -> Any:
        with np.errstate(all="ignore"):
            return call.op.reference(np, *call.arrays, **call.static)

    return run


def _times(run: Callable[[], Any]) -> list[float]:
    run()
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < REPEATS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def table(rows: list[dict[str, Any]]) -> Table:
    """A line for every call and kernel."""
    found = Table()
    for heading in ("operation", "size", "shapes", "kernel"):
        found.add_column(heading, no_wrap=heading != "shapes")
    for heading in ("median us", "spread us", "rate", "of ceiling", "faster"):
        found.add_column(heading, justify="right")
    slow: dict[tuple[str, str], float] = {}
    for row in rows:
        key = row["op"], row["size"]
        base = slow.setdefault(key, row["median"])
        found.add_row(
            row["op"] if row["kernel"] == "reference" else "",
            row["size"],
            row["shapes"],
            row["kernel"],
            f"{1e6 * row['median']:.1f}",
            f"{1e6 * row['spread']:.1f}",
            f"{row['rate'] / 1e9:.1f} {row['unit']}",
            f"{row['share']:.0%}",
            "" if row["kernel"] == "reference" else f"x {base / row['median']:.1f}",
        )
    return found
