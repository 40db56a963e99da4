"""The charts of `tinygan bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib.ticker import NullFormatter

from tinygan.cli.bench.measure import ratios
from tinygan.data import save_figure

COLOURS = {
    "torch eager": "#c44e52",
    "torch eager channels-last": "#dd8452",
    "torch.compile": "#8172b3",
    "torch.compile step": "#937860",
    "torch CUDA graph": "#da8bc3",
    "torch CUDA graph channels-last": "#ccb974",
    "jax jit": "#4c72b0",
    "tinygan eager": "#55a868",
    "tinygan by cuDNN": "#8c8c8c",
}


def draw_steps(report: dict[str, Any], path: Path) -> None:
    """How many times as long as tinygan's step the others' take, a line per workload."""
    results = report["results"]
    gpu = {result["device"] for result in results} - {"cpu"}
    names = [f"{r['workload']}{' on the GPU' if r['device'] != 'cpu' else ''}" for r in results]
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
    axes.set_yticks(range(len(results)), names[::-1])
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("time of a step, as a multiple of tinygan's compiled step (medians)")
    cpu, cores = report["environment"]["cpu"], report["environment"]["cores"]
    beside = f"{report['environment']['gpu']} and " if gpu else ""
    axes.set_title(f"Training steps on {beside}{cores} cores of {cpu}", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save_figure(figure, path, dpi=130)


def draw_ops(report: dict[str, Any], path: Path) -> None:
    """The share of its ceiling that each operation's kernel reaches at the largest size."""
    best: dict[str, dict[str, Any]] = {}
    sizes = [row["size"] for row in report["rows"]]
    rows = [row for row in report["rows"] if row["size"] == sizes[-1]]
    for row in rows:
        if row["op"] not in best or row["kernel"] != "reference":
            best[row["op"]] = row
    base = {row["op"]: row["share"] for row in rows if row["kernel"] == "reference"}
    ordered = sorted(best.values(), key=lambda row: row["share"])
    figure = matplotlib.figure.Figure(figsize=(8, 1 + 0.16 * len(ordered)), layout="constrained")
    axes = figure.subplots()
    for line, row in enumerate(ordered):
        axes.plot([base[row["op"]], row["share"]], [line, line], color="#bbbbbb", linewidth=1)
        axes.plot(base[row["op"]], line, "o", color="#c44e52", markersize=3)
        if row["kernel"] != "reference":
            axes.plot(row["share"], line, "o", color="#4c72b0", markersize=4)
    axes.set_yticks(range(len(ordered)), [row["op"] for row in ordered], fontsize=6)
    axes.set_xscale("log")
    axes.set_ylim(-1, len(ordered))
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("share of the ceiling; red: the reference, blue: our kernel")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save_figure(figure, path, dpi=130)


def draw_crossings(report: dict[str, Any], path: Path) -> None:
    """How many times as fast the GPU is at each size, a line for every operation."""
    lines = sorted(report["crossings"], key=lambda line: -(line["recorded_from"] or float("inf")))
    shades = {"tiny": "#c6dbef", "small": "#9ecae1", "medium": "#4292c6", "large": "#08519c"}
    figure = matplotlib.figure.Figure(figsize=(9, 1.2 + 0.16 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for height, line in enumerate(lines):
        ratios = line["recorded"]
        axes.plot([min(ratios.values()), max(ratios.values())], [height] * 2, color="#dddddd", lw=1)
        for size, ratio in ratios.items():
            axes.plot(ratio, height, "o", color=shades[size], markersize=4)
        start = line["recorded_from"]
        note = "never" if start is None else f"from {start:,}"
        axes.annotate(
            note, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=6
        )
    axes.set_yticks(range(len(lines)), [line["op"] for line in lines], fontsize=6)
    axes.set_xscale("log")
    axes.set_ylim(-1, len(lines))
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel(
        "time on the CPU over time on the GPU, from tiny (light) to large (dark) arrays; "
        "right: the numbers from which on the GPU wins",
        fontsize=7,
    )
    machine = report["environment"]
    axes.set_title(f"{machine['gpu']} and {machine['cores']} cores of {machine['cpu']}", fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save_figure(figure, path, dpi=130)
