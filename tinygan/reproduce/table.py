"""The results as rows of text: what was published, and below it what came out here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygan.reproduce.results import Document, summary

PERFECT = "perfect sampler"


def headings(document: Document) -> list[str]:
    """Of the columns of `rows`."""
    names = [quantity["name"] for quantity in document["quantities"]]
    return ["", "from", *names, "seeds", "steps", "a trial"]


def rows(document: Document) -> list[list[str]]:
    """For every variant the published row, where there is one, and ours, where it was run."""
    quantities = document["quantities"]
    lines = []
    for variant in document["variants"]:
        name, published = variant["name"], variant["published"]
        if published:
            cells = [written(q, *published.get(q["name"], (math.nan, None))) for q in quantities]
            lines.append([name, variant["table"], *cells, "", "", ""])
        trials = [trial for trial in document["trials"] if trial["variant"] == name]
        if trials:
            cells = [over_seeds(document, name, q, len(trials)) for q in quantities]
            steps = " to ".join(f"{n:,}" for n in sorted({t["steps"] for t in trials}))
            time = duration(float(np.mean([trial["seconds"] for trial in trials])))
            first = "" if published else name
            lines.append([first, "ours", *cells, str(len(trials)), steps, time])
    if any(quantity["perfect"] is not None for quantity in quantities):
        cells = ["" if q["perfect"] is None else written(q, q["perfect"], None) for q in quantities]
        lines.append([PERFECT, "", *cells, "", "", ""])
    return lines


def over_seeds(document: Document, variant: str, quantity: Mapping[str, Any], trials: int) -> str:
    """The mean, and of how many seeds it is where some of them have no number."""
    mean, error, count = summary(document, variant, quantity["name"])
    cell = written(quantity, mean, error)
    return cell if count in (0, trials) else f"{cell} ({count} of {trials})"


def written(quantity: Mapping[str, Any], mean: float, error: float | None) -> str:
    """mean ± standard error, or a dash for no number."""
    if math.isnan(mean):
        return "-"
    form = quantity["form"]
    return f"{mean:{form}}" + ("" if error is None else f" ± {error:{form}}")


def duration(seconds: float) -> str:
    """As a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def total(document: Document) -> str:
    """How long all trials took together."""
    return duration(sum(trial["seconds"] for trial in document["trials"]))


def notes(document: Document) -> list[tuple[str, str]]:
    """The variants that were run and say something of themselves, and what."""
    ran = {trial["variant"] for trial in document["trials"]}
    return [(v["name"], v["note"]) for v in document["variants"] if v["note"] and v["name"] in ran]


def machines(document: Document) -> list[str]:
    """A line for every machine and set of versions that trials were run with."""
    used = sorted({trial["environment"] for trial in document["trials"]})
    lines = []
    for number in used:
        machine = document["environments"][number]
        versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
        gpu = f"{machine['gpu']} beside " if machine.get("gpu") else ""
        lines.append(
            f"{gpu}{machine['cores']} cores of {machine['cpu']} ({machine['system']}), {versions}"
        )
    return lines
