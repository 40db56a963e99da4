"""The charts of `tinygan bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib.ticker import NullFormatter

from tinygan.cli.bench.measure import ratios

COLOURS = {
    "torch eager": "#c44e52",
    "torch eager channels-last": "#dd8452",
    "torch.compile": "#8172b3",
    "torch.compile step": "#937860",
    "jax jit": "#4c72b0",
    "tinygan eager": "#55a868",
}


def draw_steps(report: dict[str, Any], path: Path) -> None:
    """How many times as long as tinygan's step the others' take, a line per workload."""
    results = report["results"]
    figure = matplotlib.figure.Figure(figsize=(9, 1.2 + 0.8 * len(results)), layout="constrained")
    axes = figure.subplots()
    for line, result in enumerate(reversed(results)):
        for place, (variant, (median, _)) in enumerate(sorted(ratios(result).items())):
            height = line + 0.3 - 0.12 * place
            axes.plot(median, height, "o", color=COLOURS[variant], clip_on=False)
            axes.annotate(
                f"{variant} {median:.2g}",
                (median, height),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=COLOURS[variant],
            )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(results)), [r["workload"] for r in reversed(results)])
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("time of a step, as a multiple of tinygan's compiled step (medians)")
    cpu, cores = report["environment"]["cpu"], report["environment"]["cores"]
    axes.set_title(f"Training steps on {cores} cores of {cpu}", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=130)
