"""The pictures of an experiment: ours beside what was published, and samples."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygan.data import save_figure
from tinygan.reproduce.results import Document, summary, values_of
from tinygan.train.pictures import picture

PUBLISHED, OURS = "#c44e52", "#4c72b0"
WIDE = 4  # most panels of samples in a row


def draw_figures(document: Document, path: Path) -> None:
    """Every quantity in a panel: the published mean above ours, each with its standard error."""
    ran = {trial["variant"] for trial in document["trials"]}
    variants = [v for v in document["variants"] if v["published"] or v["name"] in ran]
    quantities = document["quantities"]
    size = (1.6 + 2.7 * len(quantities), 1.3 + 0.42 * len(variants))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(quantities), sharey=True, squeeze=False)[0]
    for axes, quantity in zip(panels, quantities, strict=True):
        for line, variant in enumerate(variants):
            _draw_line(axes, line, document, variant, quantity["name"])
        if quantity["perfect"] is not None:
            axes.axvline(quantity["perfect"], color="black", linewidth=0.8, linestyle=":")
        axes.set_title(quantity["name"], fontsize=9)
        axes.grid(axis="x", alpha=0.3)
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    panels[0].set_yticks(range(len(variants)), [variant["name"] for variant in variants])
    panels[0].set_ylim(len(variants) - 0.5, -0.5)
    red = any(variant["published"] for variant in variants)
    dotted = any(quantity["perfect"] is not None for quantity in quantities)
    label = "red: published   " * red + "blue: ours, each seed small   bars: standard errors"
    figure.supxlabel(label + "   dotted: a perfect sampler" * dotted, fontsize=8)
    figure.suptitle(document["title"], fontsize=10)
    save_figure(figure, path)


def _draw_line(
    axes: Any, line: int, document: Document, variant: Mapping[str, Any], quantity: str
) -> None:
    mean, error = variant["published"].get(quantity, (math.nan, None))
    if not math.isnan(mean):
        axes.errorbar(mean, line - 0.15, xerr=error, fmt="o", color=PUBLISHED, markersize=5)
    values = values_of(document, variant["name"], quantity)
    if values:
        mean, error, _ = summary(document, variant["name"], quantity)
        axes.plot(values, [line + 0.15] * len(values), "o", color=OURS, alpha=0.35, markersize=3)
        axes.errorbar(mean, line + 0.15, xerr=error, fmt="o", color=OURS, markersize=5)


def draw_samples(
    document: Document,
    samples: Mapping[str, np.ndarray],
    panel: Callable[[Any, np.ndarray], None] | None,
    path: Path,
) -> None:
    """The samples of each variant's first trial, side by side."""
    names = [v["name"] for v in document["variants"] if v["name"] in samples]
    lines = -(-len(names) // WIDE)
    columns = -(-len(names) // lines)
    figure = Figure(figsize=(3 * columns, 0.4 + 3.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        axes.set_title(name, fontsize=9)
        (panel or draw_panel)(axes, samples[name])
    figure.suptitle(textwrap.fill(document["title"], 40 * columns), fontsize=10)
    save_figure(figure, path)


def draw_panel(axes: Any, samples: np.ndarray) -> None:
    """Points N 2 as dots, images N C H W in [-1, 1] as a grid."""
    if samples.ndim == 2:
        axes.plot(samples[:, 0], samples[:, 1], ".", color=OURS, markersize=2, alpha=0.4)
        axes.set_aspect("equal")
        axes.tick_params(labelsize=7)
        return
    from tinygan.ops import as_tensor

    axes.imshow(picture(as_tensor(samples.astype(np.float32))), interpolation="nearest")
    axes.set_axis_off()
