"""What the detectors of failing training say of planted failures and of healthy runs, and the cost.

    python benchmarks/detectors.py run --data-dir DIR      # one case after the other
    python benchmarks/detectors.py cost                    # on an idle machine
    python benchmarks/detectors.py                         # the Markdown from both

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
from planted import CASES, COSTS, Case, steps

from tinygan.cli.bench.environment import environment
from tinygan.data import load
from tinygan.train import Config, Detectors, Training
from tinygan.train.detectors import DETECTORS
from tinygan.train.metrics import Metrics

RESULTS = Path(__file__).parent / "results"
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
    after = {seed: [e for e in events if e["step"] > case.at] for seed, events in found.items()}
    delays = [
        min(e["step"] - case.at for e in events if e["detector"] in case.expected)
        for events in after.values()
        if any(e["detector"] in case.expected for e in events)
    ]
    names = [e["detector"] for events in after.values() for e in events]
    early = [e["detector"] for events in found.values() for e in events if e["step"] <= case.at]
    return {
        "runs": len(found),
        "caught": len(delays),
        "delays": sorted(delays),
        "by": {name: names.count(name) for name in DETECTORS if name in names},
        "false": {name: early.count(name) for name in DETECTORS if name in early},
    }


def page() -> str:
    """The tables in Markdown."""
    kept, costs = json.loads(RUNS.read_text()), json.loads(COST.read_text())
    lines = ["# Detectors of failing training", "", "## Planted failures", ""]
    lines += [
        "| failure | run | planted at step | caught | delay in steps, median (least to most) "
        "| who spoke | spoke before |",
        "|---|---|---|---|---|---|---|",
    ]
    found = {case.name: summary(case, kept["runs"].get(case.name, {})) for case in CASES}
    for case in CASES:
        if case.plant is None and not case.expected:
            continue
        row = found[case.name]
        delays = row["delays"]
        delay = f"{statistics.median(delays):.0f} ({delays[0]} to {delays[-1]})" if delays else "-"
        lines.append(
            f"| {case.failure} | {case.name} | {case.at} | {row['caught']} of {row['runs']} "
            f"| {delay} | {_counts(row['by'])} | {_counts(row['false'])} |"
        )
    lines += [
        "",
        "## Healthy runs",
        "",
        "| run | steps | runs | false alarms |",
        "|---|---|---|---|",
    ]
    for case in CASES:
        if case.plant is None and not case.expected:
            row = found[case.name]
            lines.append(
                f"| {case.name} | {case.config.steps} | {row['runs']} | {_counts(row['by'])} |"
            )
    lines += ["", "## Cost", "", f"A look every {Config().diagnostics_every} steps.", ""]
    lines += [
        "| step | ms | looked at, ms | detectors, us | share of the time |",
        "|---|---|---|---|---|",
    ]
    for name, row in costs["steps"].items():
        lines.append(
            f"| {name} | {1e3 * row['step']:.2f} | {1e3 * row['looked']:.2f} "
            f"| {1e6 * row['detectors']:.1f} | {row['share']:.1%} |"
        )
    machine = costs["environment"]
    lines += [
        "",
        f"Measured on {machine['cores']} cores of an {machine['cpu']}. What each case is stands in "
        "`benchmarks/planted.py`, the rules of the detectors in `tinygan/train/detectors.py`; "
        "`python benchmarks/detectors.py` makes this page.",
    ]
    return "\n".join(lines) + "\n"


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
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
