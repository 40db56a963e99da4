"""`tinygan bench ops`: every operation by every kernel, beside what the machine could do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tinygan.autograd import REGISTRY
from tinygan.backend.cpu.threads import get_num_threads
from tinygan.backend.errors import choose
from tinygan.cli.bench.calls import SIZES, Kept, calls
from tinygan.cli.bench.ceilings import Ceilings, measure_ceilings
from tinygan.cli.bench.environment import QUIET, Others, chosen_devices, environment
from tinygan.cli.bench.op_times import Row, crossings, measure_call


def bench_ops(
    op: str | None, size: str | None, devices: str, json_path: Path | None, chart: Path | None
) -> None:
    """Measure, print a table, and write what was asked for."""
    console = Console()
    if op is not None:
        choose("operation", op, REGISTRY)
    if size is not None:
        choose("size", size, SIZES)
    chosen = chosen_devices(devices)
    others = Others()
    report: dict[str, Any] = {
        "environment": environment(chosen),
        "threads": get_num_threads(),
        "ceilings": {},
        "rows": [],
        "failed": {},
    }
    ceilings = {}
    with console.status("measuring the ceilings"):
        for device in chosen:
            ceilings[device], report["ceilings"][device] = _ceilings(device)
    for device, found in ceilings.items():
        where = f"{get_num_threads()} threads" if device == "cpu" else report["environment"]["gpu"]
        console.print(
            f"Ceilings on {where}: {found.flops / 1e9:.0f} GFLOP/s, "
            f"{found.memory / 1e9:.0f} GB/s from memory, {found.cache / 1e9:.0f} from caches",
            highlight=False,
        )
    with console.status("") as status:
        for name in (size,) if size else SIZES:
            kept = calls(name)
            for key in sorted(kept if op is None else {op} & set(kept)):
                for device in chosen:
                    status.update(f"{key}, {name}, {device}")
                    rows, failed = attempted(kept[key], name, ceilings[device], device)
                    report["rows"] += rows
                    report["failed"].update(failed)
    console.print(table(report["rows"]))
    for what, reason in report["failed"].items():
        console.print(f"{what} did not run: {reason}", markup=False)
    if "cuda" in chosen:
        from tinygan.cli.bench.transfers import measure_transfers

        report["transfers"] = measure_transfers()
        console.print(transfer_table(report["transfers"]))
    if len(chosen) > 1:
        report["crossings"] = crossings(report["rows"])
        console.print(crossing_table(report["crossings"]))
    report["others"] = others.share()
    if report["others"] is not None:
        quiet = "quiet" if report["others"] <= QUIET else "not quiet: measure again"
        console.print(f"Others took {report['others']:.1%} of the machine, which was {quiet}.")
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1) + "\n")
    if chart is not None:
        from tinygan.cli.bench.chart import draw_crossings, draw_ops

        (draw_crossings if len(chosen) > 1 else draw_ops)(report, chart)


def _ceilings(device: str) -> tuple[Ceilings, dict[str, Any]]:
    if device == "cpu":
        found = measure_ceilings()
        return found, found._asdict()
    from tinygan.cli.bench.cuda_ceilings import measure_cuda_ceilings

    found, details = measure_cuda_ceilings()
    return found, {**found._asdict(), **details}


def attempted(
    call: Kept, size: str, ceilings: Ceilings, device: str
) -> tuple[list[Row], dict[str, str]]:
    """The rows of a call; where a GPU's library refuses it, why, and no end to the others."""
    try:
        return measure_call(call, size, ceilings, device), {}
    except Exception as error:
        if device == "cpu":
            raise
        return [], {f"{call.op.name}, {size}, {device}": f"{type(error).__name__}: {error}"}


def table(rows: list[Row]) -> Table:
    """A line for every call, device and kernel."""
    found = Table()
    compared = len({row["device"] for row in rows}) > 1
    for heading in ("operation", "size", "shapes", *(["device"] if compared else []), "kernel"):
        found.add_column(heading, no_wrap=heading != "shapes")
    for heading in ("median us", "spread us", "rate", "of ceiling", "faster"):
        found.add_column(heading, justify="right")
    slow: dict[tuple[str, str, str], float] = {}
    for row in rows:
        key = row["op"], row["size"], row["device"]
        base = slow.setdefault(key, row["median"])
        found.add_row(
            row["op"] if row["kernel"] == "reference" else "",
            row["size"],
            row["shapes"],
            *([row["device"]] if compared else []),
            row["kernel"],
            f"{1e6 * row['median']:.1f}",
            f"{1e6 * row['spread']:.1f}",
            f"{row['rate'] / 1e9:.1f} {row['unit']}",
            f"{row['share']:.0%}",
            "" if row["kernel"] == "reference" else f"x {base / row['median']:.1f}",
        )
    return found


def transfer_table(rows: list[Row]) -> Table:
    """What it costs to move numbers across, a line for every size."""
    found = Table(title="Transfers: microseconds (GB/s)")
    ways = list(dict.fromkeys((row["way"], row["memory"]) for row in rows))
    for heading in ("bytes", *(f"{way}, {memory}" for way, memory in ways)):
        found.add_column(heading, justify="right")
    cells = {(row["bytes"], row["way"], row["memory"]): row for row in rows}
    for nbytes in dict.fromkeys(row["bytes"] for row in rows):
        each = [cells[nbytes, *way] for way in ways]
        texts = [f"{1e6 * row['median']:.1f} ({row['rate'] / 1e9:.1f})" for row in each]
        found.add_row(str(nbytes), *texts)
    return found


def crossing_table(lines: Sequence[Row]) -> Table:
    """From how many numbers on the GPU is the faster one, a line for every operation."""
    found = Table(title="How many times as fast the GPU is, recorded; and from how many numbers on")
    sizes = [size for size in SIZES if any(size in line["recorded"] for line in lines)]
    found.add_column("operation")
    for heading in (*sizes, "recorded", "one by one from Python"):
        found.add_column(heading, justify="right")
    for line in sorted(lines, key=lambda line: line["recorded_from"] or float("inf")):
        times = [
            f"{line['recorded'][size]:.2g}" if size in line["recorded"] else "" for size in sizes
        ]
        starts = (str(line[f"{way}_from"] or "never") for way in ("recorded", "eager"))
        found.add_row(line["op"], *times, *starts)
    return found
