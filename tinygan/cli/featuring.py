"""`tinygan features`: what the classifier of a data set sees, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tinygan.autograd import Tensor, no_grad
from tinygan.backend import host_array
from tinygan.backend.errors import UserError
from tinygan.cli.classifying import known_or_trained
from tinygan.cli.datasets import load_data
from tinygan.cli.display import tell_of_compiling
from tinygan.data import Images, save_figure
from tinygan.data.pictures import expect_picture
from tinygan.metrics import Classifier, classify
from tinygan.metrics.classifier import labels_of
from tinygan.metrics.matrices import principal
from tinygan.nn import Conv2d, ReLU

SHOWN = 2000  # images in the projection
EXAMPLES, MAPS = 3, 16  # images whose activations are drawn, and how many of each layer


def features(
    name: str, data_dir: Path | None, size: int | None, out: Path, background: str
) -> None:
    """Draw the classifier's filters, its activations and its features of the data."""
    console = Console(markup=False)  # paths may have square brackets
    tell_of_compiling(console)
    expect_picture(out)
    where = None if data_dir is None else str(data_dir)
    dataset = load_data(name, where, size, console, background)
    if not isinstance(dataset, Images):
        raise UserError(f"{name} has points; features are shown of images with classes")
    classifier, labels = known_or_trained(dataset, console), labels_of(dataset)
    order = np.random.Generator(np.random.Philox(0)).permutation(len(dataset))[:SHOWN]
    some = Images(dataset.images[order], labels[order], classes=dataset.classes)
    found, classes = classify(classifier, some)
    places, shares = principal(found, 2)
    draw(classifier, some, places, shares, out)
    right = float((classes == some.labels).mean())
    console.print(
        f"{len(some)} images, {right:.1%} of them classified rightly; two directions hold "
        f"{shares.sum():.0%} of the variance of {found.shape[1]} features: {out}",
        highlight=False,
        soft_wrap=True,
    )


def activations(classifier: Classifier, image: Tensor) -> list[np.ndarray]:
    """What each convolution passes on of an image (1, C, S, S): (channels, side, side) each."""
    passed = []
    with no_grad():
        x = image
        for layer in classifier.hidden:
            x = layer(x)
            if isinstance(layer, ReLU) and x.ndim == 4:
                passed.append(host_array(x.array)[0])
    return passed


def draw(
    classifier: Classifier, data: Images, places: np.ndarray, shares: np.ndarray, out: Path
) -> None:
    """The filters and activations on the left, the features as points on the right."""
    from matplotlib.figure import Figure

    assert data.labels is not None
    figure = Figure(figsize=(15, 7.5), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.1, 1))
    left, right = parts
    first = next(layer for layer in classifier.hidden if isinstance(layer, Conv2d))
    filters = host_array(first.weight.detach().array)
    rows = [("filters", filters.mean(axis=1), "gray")]
    chosen = [int(np.flatnonzero(data.labels == c)[0]) for c in np.unique(data.labels)[:EXAMPLES]]
    for i in chosen:
        image = data.batch(np.array([i]))[0]
        for depth, maps in enumerate(activations(classifier, image), 1):
            rows.append((f"{_name(data, i)}, layer {depth}", maps, "magma"))
    panels = left.subplots(len(rows), 1)
    for axes, (title, maps, colours) in zip(panels, rows, strict=True):
        axes.imshow(_strip(maps[:MAPS]), cmap=colours, aspect="equal", interpolation="nearest")
        axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    left.suptitle(f"filters of the first layer; what {MAPS} channels of each layer pass on")
    axes = right.subplots()
    kinds = np.unique(data.labels)
    for c, colour in zip(kinds, palette(len(kinds)), strict=True):
        inside = data.labels == c
        axes.scatter(*places[inside].T, s=5, color=colour, alpha=0.5, linewidths=0)
        axes.text(
            *np.median(places[inside], axis=0),
            data.classes[c] if data.classes else str(c),
            fontsize=13,
            weight="bold",
            ha="center",
            bbox={"facecolor": "white", "edgecolor": colour, "alpha": 0.8, "pad": 2},
        )
    axes.set_xlabel(f"first principal direction, {shares[0]:.0%} of the variance")
    axes.set_ylabel(f"second, {shares[1]:.0%}")
    axes.set_title(f"features of {len(data)} images by class")
    save_figure(figure, out, dpi=100)


def palette(count: int) -> np.ndarray:
    """So many different colours (count, 4)."""
    from matplotlib import colormaps

    if count <= 10:
        return colormaps["tab10"](np.arange(count))
    return colormaps["turbo"](np.linspace(0, 1, count))


def _name(data: Images, i: int) -> str:
    assert data.labels is not None
    label = int(data.labels[i])
    return data.classes[label] if data.classes else str(label)


def _strip(maps: np.ndarray) -> np.ndarray:
    """Maps (n, S, S), each brought to 0..1, side by side with a gap between them."""
    low = maps.min(axis=(1, 2), keepdims=True)
    reach = np.maximum(maps.max(axis=(1, 2), keepdims=True) - low, 1e-8)
    wide: Any = np.pad((maps - low) / reach, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)
    return np.concatenate(list(wide), axis=1)
