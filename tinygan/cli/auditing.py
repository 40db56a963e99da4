"""`tinygan audit`: which of a run's samples copy training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tinygan.backend.errors import UserError
from tinygan.cli.datasets import load_data
from tinygan.cli.display import tell_of_compiling
from tinygan.cli.evaluating import classes_of, data_of, sampled
from tinygan.cli.sampling import load_generator
from tinygan.data import Images, save_figure, to_uint8
from tinygan.data.pictures import expect_picture
from tinygan.metrics.copies import Copies, copies
from tinygan.metrics.matrices import spread
from tinygan.train.run import Run, write_json

HELD_OUT = 5000  # held-out images, or fewer where there are fewer
SHOWN = 16  # pairs of each kind
SUSPICIOUS = 1e-3
DRAWN = 0.6  # P(nearer) from which all samples together look drawn to training images


def audit(
    path: Path,
    n: int,
    seed: int,
    data_dir: str | None,
    others: str | None,
    out: Path,
    json: Path | None,
    data: str | None = None,
) -> int:
    """Print what was found and draw it; 1 if there are more copies than chance explains."""
    console = Console(highlight=False, soft_wrap=True)
    tell_of_compiling(console)
    run = Run.open(path)
    config = run.config(data)
    expect_picture(out)
    generator, step = load_generator(run, config)
    training, new = data_of(run, config, data_dir or config.data_dir, console)
    if not isinstance(training, Images):
        raise UserError(f"{path} was trained on points; copies are looked for among images")
    classes = classes_of(run, config, training)
    fake = to_uint8(sampled(generator, config.latent, n, seed, *classes))
    if others is not None:
        new = load_data(others, data_dir or config.data_dir, config.size, console)
        if new.shape != training.shape:
            raise UserError(
                f"--others {others}: images of shape {new.shape}, and {config.data} has "
                f"{training.shape}"
            )
    held_out = new.images[spread(len(new), HELD_OUT)] if isinstance(new, Images) else None
    with console.status(f"comparing with {len(training)} training images"):
        found = copies(fake, training.images, held_out)
    compared = "held-out" if held_out is not None else "training (each without itself)"
    report = _report(found, n, step, len(training), compared)
    for line in _told(report):
        console.print(line)
    real = (training.images if held_out is None else held_out)[found.others]
    figure = picture(found, fake, real, training.images, compared)
    save_figure(figure, out, origin=run.origin(seed, step, generator))
    console.print(f"pairs and distances: {out}", markup=False)
    if json is not None:
        write_json(json, {"run": str(path), "data": config.data, "seed": seed, **report})
    return int(report["suspicious"])


def _report(found: Copies, n: int, step: int, training: int, compared: str) -> dict[str, Any]:
    fake, real = found.fake, found.real
    return {
        "step": step,
        "samples": n,
        "training_images": training,
        "compared_with": f"{len(real.distances)} {compared} images",
        "median_distance": [float(np.median(x.distances)) / 255 for x in (fake, real)],
        "median_relative_distance": [float(np.median(x.relative)) for x in (fake, real)],
        "exact_copies": int((fake.distances == 0).sum()),
        "neighbours": fake.neighbours,
        "threshold": found.threshold,
        "near": len(found.near),
        "certain": found.certain,
        "expected": found.expected * n,
        "chance": found.chance,
        "nearer": found.nearer,
        "suspicious": found.certain > 0 or found.chance < SUSPICIOUS,
        "nearest": [
            {
                "sample": int(i),
                "training_image": int(fake.indices[i]),
                "distance": float(fake.distances[i]) / 255,
                "relative_distance": float(fake.relative[i]),
            }
            for i in np.argsort(fake.relative, kind="stable")[:SHOWN]
        ],
    }


def _told(report: dict[str, Any]) -> list[str]:
    fake, real = report["median_distance"]
    fake_relative, real_relative = report["median_relative_distance"]
    neighbours = f"nearest {report['neighbours']}"
    share = f"{report['expected'] / report['samples']:.0%} of the others"
    lines = [
        f"{report['samples']} samples of step {report['step']} and {report['compared_with']} "
        f"against {report['training_images']} training images",
        f"  distance to the nearest one, median      samples {fake:.3f}  others {real:.3f}",
        f"  as a share of that to the {neighbours:<14} samples {fake_relative:.3f}  "
        f"others {real_relative:.3f}",
        f"  share of the others that are less near   samples {report['nearer']:.2f}  "
        "by chance 0.50",
        f"  not half as far as the nearest other     samples {report['certain']}, "
        f"{report['exact_copies']} of them exact copies",
        f"  nearer than all but {share:<20} samples {report['near']}  "
        f"by chance {report['expected']:.3g}",
    ]
    if report["suspicious"]:
        lines.append(
            f"[bold]copies:[/] so many near samples are there by chance with probability "
            f"{report['chance']:.1g}; {report['certain']} are copies beyond doubt"
        )
    elif report["nearer"] >= DRAWN:
        lines.append(
            "[bold]no single copies, but samples as a whole are nearer to training images than new "
            "images are:[/] the generator begins to learn them by heart, or draws simple kinds too "
            "often"
        )
    else:
        lines.append(
            f"[bold]no sign of copying:[/] so many near ones are there by chance with probability "
            f"{report['chance']:.2g}"
        )
    return lines


def picture(
    found: Copies, fake: np.ndarray, real: np.ndarray, training: np.ndarray, compared: str
) -> Any:
    """The nearest pairs of samples and of others, and the distributions of both distances."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    parts = figure.add_gridspec(3, 2, height_ratios=[1, 1, 2.2])
    for row, (nearness, images, name) in enumerate(
        ((found.fake, fake, "samples"), (found.real, real, f"{compared} images"))
    ):
        axes = figure.add_subplot(parts[row, :])
        order = np.argsort(nearness.relative, kind="stable")[:SHOWN]
        axes.imshow(
            _pairs(images[order], training[nearness.indices[order]]), cmap="gray", vmin=0, vmax=255
        )
        first, last = nearness.relative[order[[0, -1]]]
        axes.set_title(
            f"the {len(order)} nearest {name}, each left of its training image: "
            f"relative distance {first:.2f} to {last:.2f}",
            fontsize=9,
        )
        axes.axis("off")
    for column, (attribute, label, scale) in enumerate(
        (
            ("distances", "distance to the nearest training image", 255),
            ("relative", f"divided by the mean of the {found.fake.neighbours} nearest", 1),
        )
    ):
        axes = figure.add_subplot(parts[2, column])
        values = [getattr(x, attribute) / scale for x in (found.fake, found.real)]
        bins = np.linspace(0, float(max(x.max() for x in values)) or 1.0, 50).tolist()
        for x, name, colour in zip(values, ("samples", compared), ("C1", "C0"), strict=True):
            weights = np.full(len(x), 1 / len(x))
            axes.hist(x, bins, weights=weights, alpha=0.55, color=colour, label=name)
        if attribute == "relative":
            axes.axvline(
                found.threshold, color="black", linewidth=1, label=f"nearest {found.expected:.0%}"
            )
        axes.set_xlabel(label)
        axes.set_ylabel("share of the images")
        axes.legend(fontsize=8)
    return figure


def _pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pairs N H W C side by side, eight in a row, on white."""
    count, height, width, channels = left.shape
    columns, gap = min(8, count), 3
    rows = -(-count // columns)
    tile = (height + gap, 2 * width + 1 + 2 * gap)
    canvas = np.full((rows * tile[0] + gap, columns * tile[1] + gap, channels), 255, np.uint8)
    for k in range(count):
        top, at = k // columns * tile[0] + gap, k % columns * tile[1] + gap
        canvas[top : top + height, at : at + width] = left[k]
        canvas[top : top + height, at + width + 1 : at + 2 * width + 1] = right[k]
    return canvas
