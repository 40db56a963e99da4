"""`tinygan evaluate`: how good a run's samples are, beside what real ones get."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tinygan.autograd import Tensor
from tinygan.cli.classifying import known_or_trained
from tinygan.cli.datasets import load_data
from tinygan.cli.display import tell_of_compiling
from tinygan.cli.sampling import load_generator
from tinygan.data import DataError, Images, Points, held_out
from tinygan.metrics import (
    Classifier,
    Figure,
    classify,
    figures,
    most_samples,
    reals,
)
from tinygan.metrics.classifier import FEATURES
from tinygan.nn import Module
from tinygan.ops import Generator, as_tensor, cat, randn
from tinygan.train.config import Config
from tinygan.train.run import Run, write_json
from tinygan.train.state import draw

SAMPLES = 10_000
CHUNK = 500  # samples drawn at a time


def evaluate(
    path: Path,
    n: int | None,
    seed: int,
    data_dir: str | None,
    out: Path | None,
    data: str | None = None,
) -> None:
    """Print the figures of the newest checkpoint, and write them as JSON if asked.

    `data` says where the data lies if it has moved.
    """
    console = Console(markup=False)  # paths may have square brackets
    tell_of_compiling(console)
    run = Run.open(path)
    config = run.config(data)
    generator, step = load_generator(run, config)
    training, new = data_of(run, config, data_dir or config.data_dir, console)
    most = most_samples(training, new)
    count = min(SAMPLES, most) if n is None else n
    real = reals(training, new, count, seed)
    classifier, accuracy = _classifier(training, new, count, console)
    samples = sampled(generator, config.latent, count, seed, *classes_of(run, config, training))
    found: list[Figure] = []
    with console.status("measuring") as status:
        for figure in figures(samples, real, classifier, seed):
            found.append(figure)
            status.update(f"measured {figure.name}")
    console.print(table(found))
    against = "held-out data" if new is not None else "the other half of the data"
    console.print(
        f"{count} samples of step {step} and as many real ones, compared with {against}"
        + (f"; the classifier is right on {accuracy:.2%} of it" if accuracy is not None else ""),
        highlight=False,
    )
    if out is not None:
        report: dict[str, Any] = {
            "run": str(path),
            "data": config.data,
            "step": step,
            "samples": count,
            "seed": seed,
            "compared_with": against,
            "classifier_accuracy": accuracy,
            "figures": [as_record(figure) for figure in found],
        }
        write_json(out, report)


def classes_of(
    run: Run, config: Config, training: Images | Points
) -> tuple[int, np.ndarray | None]:
    """How many classes the generator is told of, and how often each is in the data, if it is."""
    told = config.conditional not in ("none", "codes")
    shares = np.bincount(training.labels) if told and training.labels is not None else None
    return run.notes().get("classes", 0), shares


def sampled(
    generator: Module,
    latent: int,
    count: int,
    seed: int,
    classes: int = 0,
    shares: np.ndarray | None = None,
) -> Tensor:
    """So many samples of the noise of a seed, of all classes equally many, or by their shares."""
    random = Generator().manual_seed(seed)
    labels = None
    if shares is not None:
        places = (np.arange(count) + 0.5) / count * shares.sum()
        labels = as_tensor(np.searchsorted(np.cumsum(shares), places, side="right"))
    elif classes:
        labels = as_tensor(np.arange(count) % classes)
    parts = []
    for start in range(0, count, CHUNK):
        noise = randn(min(CHUNK, count - start), latent, generator=random)
        own = None if labels is None else labels[start : start + len(noise)]
        parts.append(draw(generator, noise, classes, own))
    return cat(parts)


def data_of(
    run: Run, config: Config, data_dir: str | None, console: Console
) -> tuple[Images | Points, Images | Points | None]:
    """What the run was trained on, and data of the same kind that it was not."""
    training = load_data(config.data, data_dir, config.size, console)
    run.expect_data(training, config.data)
    try:
        return training, held_out(config.data, data_dir, size=config.size)
    except DataError as error:
        console.print(
            f"no held-out data, halves of the training data take its place: {error}",
            highlight=False,
            markup=False,
        )
        return training, None


def _classifier(
    training: Images | Points, new: Images | Points | None, count: int, console: Console
) -> tuple[Classifier | None, float | None]:
    """The classifier of labelled images, and its share of right answers on held-out ones."""
    if isinstance(training, Points):
        return None, None
    labelled = training.labels is not None and len(np.unique(training.labels)) > 1
    if not labelled or count <= FEATURES:
        few = f"{count} images are too few, {FEATURES + 1} would do"
        why = few if labelled else "the data has no labels"
        console.print(f"{why}: no classifier, and no figures that need one", highlight=False)
        return None, None
    classifier = known_or_trained(training, console)
    if not isinstance(new, Images) or new.labels is None:
        return classifier, None
    return classifier, float((classify(classifier, new)[1] == new.labels).mean())


def table(found: list[Figure]) -> Table:
    """A line for every figure."""
    lines = Table(box=None, header_style="bold")
    lines.add_column("figure", no_wrap=True)
    for heading in ("samples", "real", "better"):
        lines.add_column(heading, justify="right", no_wrap=True)
    lines.add_column("")
    for figure in found:
        better = "as real" if figure.better == "near" else figure.better
        lines.add_row(figure.name, number(figure.value), number(figure.floor), better, figure.note)
    return lines


def number(value: float) -> str:
    """Four digits, or a dash for what is no number."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def as_record(figure: Figure) -> dict[str, Any]:
    """The figure for JSON, which knows neither NaN nor infinity."""
    record: dict[str, Any] = dict(vars(figure))
    for name in ("value", "floor"):
        if not math.isfinite(record[name]):
            record[name] = None
    return record
