"""What the detectors of failing training say of planted failures and of healthy runs, and the cost.

    python benchmarks/detectors.py run --data-dir DIR      # one case after the other
    python benchmarks/detectors.py cost                    # on an idle machine
    python benchmarks/detectors.py                         # the page and the README's table

`run` writes benchmarks/results/detectors.json after every run, and goes on from what is there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from planted import CASES, COSTS, FAILING, HEALTHY, Case, steps

from tinygan.cli.bench.environment import environment
from tinygan.data import load
from tinygan.train import Config, Detectors, Training
from tinygan.train.detectors import DETECTORS
from tinygan.train.metrics import Metrics

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- from benchmarks/detectors.py -->\n", "<!-- to here -->\n"
RUNS, COST, PAGE = (RESULTS / f"detectors{end}" for end in (".json", "-cost.json", ".md"))


def run(cases: Iterable[Case], data_dir: str | None, out: Path) -> None:
    """The events of every case and seed."""
    kept: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"runs": {}}
    kept["environment"] = environment()
    for case in cases:
        found = kept["runs"].setdefault(case.name, {})
        for seed in range(case.seeds):
            if str(seed) in found:
                continue
            detectors = Detectors(case.config)
            records = steps(case, seed, data_dir)
            events = [e._asdict() for record in records for e in detectors.update(record)]
            found[str(seed)] = events
            print(case.name, seed, [(e["detector"], e["step"]) for e in events], flush=True)
            out.write_text(json.dumps(kept, indent=1) + "\n")


# -- what it costs ----------------------------------------------------------------------------


def cost(count: int = 80) -> None:
    """Times of a step, of one that is looked at, and of the detectors: the least of many each.

    Of a look it is also the time to bring its figures to the host that counts.
    """
    report: dict[str, Any] = {"environment": environment(), "steps": {}}
    every = Config().diagnostics_every
    for name, config in COSTS.items():
        dataset = load(config.data, size=config.size)
        plain, looked = (
            Training(replace(config, diagnostics_every=often), dataset, "cpu") for often in (0, 1)
        )
        times: dict[str, list[float]] = {"step": [], "looked": []}
        fetched: dict[str, list[float]] = {"step": [], "looked": []}
        records: list[dict[str, Any]] = []
        for turn in range(count):
            for key, training in (("step", plain), ("looked", looked)):
                start = time.perf_counter()
                made = training.advance()
                middle = time.perf_counter()
                records = Metrics([made]).arrived()
                if turn > 2:  # the first ones compile and record
                    times[key].append(middle - start)
                    fetched[key].append(time.perf_counter() - middle)
        least = {key: min(values) for key, values in times.items()}
        least["looked"] += min(fetched["looked"]) - min(fetched["step"])
        stream = []
        for step in range(1, 1001):
            stream.append({"step": step, **records[0]})
            if step % every:
                stream[-1].pop("diagnostics")
        least["detectors"] = min(_read(config, stream) for _ in range(10)) / len(stream)
        extra = (least["looked"] - least["step"]) / every + least["detectors"]
        report["steps"][name] = {**least, "every": every, "share": extra / least["step"]}
        print(name, report["steps"][name], flush=True)
    COST.write_text(json.dumps(report, indent=1) + "\n")


def _read(config: Config, stream: list[dict[str, Any]]) -> float:
    """Seconds that the detectors take for a stream."""
    detectors = Detectors(config)
    start = time.perf_counter()
    for record in stream:
        detectors.update(record)
    return time.perf_counter() - start


# -- the page ---------------------------------------------------------------------------------


def summary(case: Case, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Caught in how many runs, the delays in steps, and what spoke where nothing should."""
    after = {seed: [e for e in events if e["step"] > case.begun] for seed, events in found.items()}
    delays = [
        min(e["step"] - case.begun for e in events if e["detector"] in case.expected)
        for events in after.values()
        if any(e["detector"] in case.expected for e in events)
    ]
    names = [e["detector"] for events in after.values() for e in events]
    early = [e["detector"] for events in found.values() for e in events if e["step"] <= case.begun]
    return {
        "runs": len(found),
        "caught": len(delays),
        "delays": sorted(delays),
        "by": {name: names.count(name) for name in DETECTORS if name in names},
        "false": {name: early.count(name) for name in DETECTORS if name in early},
    }


def table(kept: dict[str, Any]) -> list[str]:
    """A line for every planted failure."""
    lines = [
        "| failure | run | begins at step | told in | delay in steps, median (least to most) "
        "| who spoke after it | before it |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in FAILING:
        row = summary(case, kept["runs"].get(case.name, {}))
        delays = row["delays"]
        delay = f"{statistics.median(delays):.0f} ({delays[0]} to {delays[-1]})" if delays else "-"
        lines.append(
            f"| {case.failure} | {case.name} | {case.begun} "
            f"| {row['caught']} of {row['runs']} runs | {delay} "
            f"| {_counts(row['by'])} | {_counts(row['false'])} |"
        )
    return lines


def alarms(kept: dict[str, Any]) -> list[str]:
    """A line for every healthy run."""
    lines = ["| run | steps | runs | false alarms |", "|---|---|---|---|"]
    for case in HEALTHY:
        row = summary(case, kept["runs"].get(case.name, {}))
        false = _counts(row["by"])
        lines.append(f"| {case.name} | {case.config.steps} | {row['runs']} | {false} |")
    return lines


def costs_table(costs: dict[str, Any]) -> list[str]:
    """What looking every so many steps takes, as a share of a step."""
    lines = ["| step | ms | looked at, ms | detectors, us | share of the time |"]
    lines += ["|---|---|---|---|---|"]
    for name, row in costs["steps"].items():
        lines.append(
            f"| {name} | {1e3 * row['step']:.2f} | {1e3 * row['looked']:.2f} "
            f"| {1e6 * row['detectors']:.1f} | {row['share']:.1%} |"
        )
    return lines


HOW_THEY_WERE_SET = [
    "Bounds were set on some of the runs that they are judged by: those of `jump` on seed 0 of",
    "`mnist-fast-d` and `glyphs-fast-d`, those of `oscillation` on runs like `ring-momentum`. A",
    "Wasserstein critic without any bound on the ring, which was expected to diverge, was told as",
    "`collapse` and `oscillation` and never as `divergence`; it is not in the table.",
]


def page(kept: dict[str, Any], costs: dict[str, Any]) -> str:
    """All tables in Markdown."""
    machine, every = costs["environment"], Config().diagnostics_every
    lines = ["# Detectors of failing training", "", "## Planted failures", "", *table(kept)]
    lines += ["", f"A look every {every} steps. A failure counts as told when a detector speaks "]
    lines[-1] += "that may name it (`expected` in `benchmarks/planted.py`)."
    lines += ["", *HOW_THEY_WERE_SET]
    lines += ["", "## Healthy runs", "", *alarms(kept), "", "## Cost", "", *costs_table(costs), ""]
    lines.append(
        f"On one thread of a shared {machine['cpu']}, the least of many times each while others "
        "took the rest of the machine. `python benchmarks/detectors.py` makes this page."
    )
    return "\n".join(lines) + "\n"


def short(kept: dict[str, Any], costs: dict[str, Any]) -> str:
    """The README's table: a line for every kind of failure."""
    lines = ["| failure | told in | delay in steps |", "|---|---|---|"]
    for failure in dict.fromkeys(case.failure for case in FAILING):
        rows = [
            summary(case, kept["runs"].get(case.name, {}))
            for case in FAILING
            if case.failure == failure
        ]
        delays = sorted(delay for row in rows for delay in row["delays"])
        told, runs = (sum(row[key] for row in rows) for key in ("caught", "runs"))
        delay = f"{delays[0]} to {delays[-1]}" if delays else "-"
        lines.append(f"| {failure} | {told} of {runs} runs | {delay} |")
    healthy = [summary(case, kept["runs"].get(case.name, {})) for case in HEALTHY]
    count = sum(sum(row["by"].values()) for row in healthy)
    share = max(row["share"] for row in costs["steps"].values())
    lines += [
        "",
        f"False alarms in {sum(row['runs'] for row in healthy)} healthy runs of {len(HEALTHY)} "
        f"kinds: {count}. Looks and detectors take up to {share:.1%} of the time of training. "
        "More in [`detectors.md`](benchmarks/results/detectors.md).",
    ]
    return "\n".join(lines) + "\n"


def rewritten(readme: str, kept: dict[str, Any], costs: dict[str, Any]) -> str:
    """The README with the table as the kept results have it."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"README.md: expected the lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}{short(kept, costs)}{end}{after}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["run", "cost", "page"], default="page")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, default=RUNS)
    parser.add_argument("--case", action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    if options.what == "run":
        chosen = [case for case in CASES if not options.case or case.name in options.case]
        run(chosen, options.data_dir, options.out)
    elif options.what == "cost":
        cost()
    else:
        results = json.loads(RUNS.read_text()), json.loads(COST.read_text())
        PAGE.write_text(page(*results))
        README.write_text(rewritten(README.read_text(), *results))


if __name__ == "__main__":
    main()
