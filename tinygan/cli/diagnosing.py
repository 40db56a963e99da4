"""`tinygan diagnose`: what the detectors say of a run, and what was seen when it was looked at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tinygan.backend.errors import UserError
from tinygan.baselines import BASELINES
from tinygan.train.detectors import Detectors, Event
from tinygan.train.run import Run, write_json

COLUMNS = 5  # looks that are shown, from the first to the last
UNITS = {"memory": 2**-20}
NAMES = {"memory": "memory, MiB"}


def diagnose(path: Path, out: Path | None) -> None:
    """Print the events, the looks and the layers of a run, and write them as JSON if asked."""
    run = Run.open(path)
    config = run.config()
    if config.model in BASELINES:
        raise UserError(f"{path} holds a fitted {config.model}: no game was played that could fail")
    records = run.history()
    if not records:
        raise UserError(f"{path} has no metrics yet; let it train some steps")
    console = Console()
    detectors = Detectors(config)
    events = [event for record in records for event in detectors.update(record)]
    _tell(console, records, events)
    looks = [
        (record["step"], record["diagnostics"]) for record in records if "diagnostics" in record
    ]
    if looks:
        console.print(looks_table(looks))
        console.print(layers_table(looks[-1][0], looks[-1][1]["layers"]))
    else:
        console.print(
            "the run was not looked at (diagnostics_every 0, or fewer steps than that): what the "
            "detectors say comes from its losses alone",
            highlight=False,
        )
    if out is not None:
        report = {
            "run": str(path),
            "steps": records[-1]["step"],
            "steps_per_second": speed(records),
            "events": [event._asdict() for event in events],
            "last_look": {"step": looks[-1][0], **looks[-1][1]} if looks else None,
        }
        write_json(out, report)


def speed(records: list[dict[str, Any]]) -> float | None:
    """Steps per second, without the longest hundredth of the waits (until it was resumed, say).

    None of a single step.
    """
    waits = np.sort(np.diff([record["time"] for record in records]))
    kept = waits[: len(waits) - len(waits) // 100]
    return None if not len(kept) else float(len(kept) / max(kept.sum(), 1e-9))


def _tell(console: Console, records: list[dict[str, Any]], events: list[Event]) -> None:
    rate = speed(records)
    console.print(
        f"{records[-1]['step']} steps" + ("" if rate is None else f", {rate:.1f} steps/s"),
        highlight=False,
    )
    for event in events:
        console.print(f"step {event.step}: {event.says}", highlight=False, soft_wrap=True)
    if not events:
        console.print("no detector spoke")


def looks_table(looks: list[tuple[int, dict[str, Any]]]) -> Table:
    """The figures of the whole, a line for each, from the first look to the last."""
    chosen = np.unique(np.linspace(0, len(looks) - 1, COLUMNS).astype(int))
    table = Table(box=None, header_style="bold")
    table.add_column("step", overflow="fold")
    for number in chosen:
        table.add_column(str(looks[number][0]), justify="right", no_wrap=True)
    names = [name for name, value in looks[-1][1].items() if not isinstance(value, dict)]
    for name in names:
        values = (looks[number][1].get(name) for number in chosen)
        table.add_row(NAMES.get(name, name), *(_number(x, UNITS.get(name, 1)) for x in values))
    return table


def layers_table(step: int, layers: dict[str, dict[str, float]]) -> Table:
    """A line for every layer and activation that a figure is known of."""
    names = list(dict.fromkeys(name for figures in layers.values() for name in figures))
    table = Table(box=None, header_style="bold")
    table.add_column(f"layer at step {step}", overflow="fold")  # and so no number is cut
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for layer in sorted(layers, key=_in_order):
        name = re.sub(r"(discriminator\.)+", "discriminator.", layer)  # what wraps what wraps it
        table.add_row(name, *(_number(layers[layer].get(name)) for name in names))
    return table


def _in_order(layer: str) -> list[tuple[bool, int, str]]:
    """Network, then path, with numbers in their order."""
    parts = layer.split(".")
    return [(p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts]


def _number(value: float | None, unit: float = 1) -> str:
    return "-" if value is None else f"{value * unit:.3g}"
