"""`tinygan bench step`: whole training steps, beside those of other frameworks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tinygan.backend.errors import UserError, choose
from tinygan.cli.bench.ceilings import Pace
from tinygan.cli.bench.environment import QUIET, Others, chosen_devices, environment
from tinygan.cli.bench.measure import (
    AGREEMENTS,
    available,
    gains,
    measure,
    measure_on_gpu,
    ratios,
    variants,
)
from tinygan.cli.bench.workers import FRAMEWORKS
from tinygan.cli.bench.workloads import EXACT, WORKLOADS

MEBIBYTE = 1 << 20


def bench_steps(
    workloads: Sequence[str],
    compare: str,
    rounds: int,
    seconds: float,
    threads: Sequence[int],
    under_load: bool,
    devices: str,
    precision: str,
    json_path: Path | None,
    chart_path: Path | None,
) -> None:
    """Measure, print a table, and write what was asked for."""
    for name in workloads:
        choose("workload", name, WORKLOADS)
    asked = [name.strip() for name in compare.split(",") if name.strip()]
    for name in asked:
        choose("framework", name, FRAMEWORKS)
    if rounds < 1 or seconds <= 0:
        raise UserError(f"--rounds and --seconds must be positive, got {rounds} and {seconds}")
    frameworks = available(asked)
    chosen = chosen_devices(devices)
    choose("precision", precision, AGREEMENTS)
    if precision != EXACT and "cuda" not in chosen:
        raise UserError("--precision is for GPUs: there is none, or --devices leaves it out")
    console = Console()
    for name in sorted({*asked} - {*frameworks}):
        console.print(f"{name} is not installed here and is left out")
    report: dict[str, Any] = {"environment": environment(chosen), "results": []}
    _describe(console, report["environment"])
    others, pace = Others(), Pace()
    with console.status("starting") as status:

        def tell(what: str) -> None:
            pace.take()
            status.update(what)

        for name in workloads or WORKLOADS:
            for device in chosen:
                if device == "cpu":
                    result = measure(name, frameworks, rounds, seconds, threads, under_load, tell)
                else:
                    both = [
                        (f, v) for f in frameworks for v in variants(f, name, device, precision)
                    ]
                    result = measure_on_gpu(name, both, rounds, seconds, precision, tell)
                report["results"].append(result)
                if result["rows"]:
                    console.print(table(result))
                for variant, reason in result["failed"].items():
                    console.print(f"{variant} did not run: {reason}", markup=False)
    if len(chosen) > 1:
        report["gains"] = gains(report["results"])
        console.print(gain_table(report["gains"]))
    report["others"] = others.share()
    report["pace"] = pace.spread()
    share = report["others"]
    if share is not None:
        quiet = "quiet" if share <= QUIET else "not quiet: measure again"
        console.print(f"Others took {share:.1%} of the machine, which was {quiet}.")
    console.print(f"Between turns a core's own speed differed by up to x {report['pace']:.2f}.")
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1) + "\n")
    if chart_path is not None:
        from tinygan.cli.bench.chart import draw_steps

        draw_steps(report, chart_path)


def _describe(console: Console, environment: dict[str, Any]) -> None:
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    gpu = f"{environment['gpu']}; " if "gpu" in environment else ""
    console.print(f"{gpu}{environment['cpu']}, {environment['cores']} cores; {versions}")
    for name, value in environment["variables"].items():
        console.print(f"{name}={value}", markup=False)
    if environment["unset"]:
        console.print(f"unset while measuring: {', '.join(environment['unset'])}")


def table(result: dict[str, Any]) -> Table:
    """Times of a step, and how many times as long as ours it takes elsewhere."""
    name = result["workload"]
    where = "" if result["device"] == "cpu" else ", on the GPU"
    if result.get("precision", EXACT) != EXACT:
        where += f" in {result['precision']}"
    found = Table(title=f"{name}: {WORKLOADS[name].text}, batch {WORKLOADS[name].batch}{where}")
    counted = result["device"] != "cpu"
    loaded = "loaded_median" in result["rows"][0]
    found.add_column("")
    headings = [
        "kernels" if counted else "threads",
        "median ms",
        "minimum ms",
        "ratio of medians",
        "of minima",
        "peak MiB",
    ]
    for heading in [*headings, *(["under load"] if loaded else [])]:
        found.add_column(heading, justify="right")
    compared = ratios(result)
    for row in result["rows"]:
        medians, minima = compared.get(row["variant"], (None, None))
        first = row["variant"] == result["rows"][0]["variant"]
        unlike = "1" if first else "does not count: other losses"
        cells = [
            row["variant"],
            str((row["launches"] or {}).get("kernels", "")) if counted else str(row["threads"]),
            f"{1e3 * row['median']:.3f}",
            f"{1e3 * row['minimum']:.3f}",
            unlike if medians is None else f"{medians:.2f}",
            "1" if first else "" if minima is None else f"{minima:.2f}",
            f"{row['peak'] / MEBIBYTE:.0f}",
        ]
        if loaded:
            cells.append(f"x {row['loaded_median'] / row['median']:.2f}")
        found.add_row(*cells)
    return found


def gain_table(lines: Sequence[dict[str, Any]]) -> Table:
    """How much faster tinygan's recorded steps are on the GPU."""
    found = Table(title="tinygan's steps: CPU against GPU")
    for heading in ("step", "CPU ms", "GPU ms", "times as fast", "first losses differ by"):
        found.add_column(heading, justify="left" if heading == "step" else "right")
    for line in lines:
        found.add_row(
            line["workload"],
            f"{1e3 * line['cpu']:.3f}",
            f"{1e3 * line['cuda']:.3f}",
            f"{line['cpu'] / line['cuda']:.1f}",
            f"{line['difference']:.1e}",
        )
    return found
