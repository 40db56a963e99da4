"""Every family of generators on the same data, by the same commands, judged by the same figures.

    python benchmarks/families.py --data-dir DIR
    python benchmarks/families.py --data mnist --model markov --data-dir DIR    # only this again

Each model is trained or fitted by `tinygan train`, judged by `tinygan evaluate` on as many samples
as there are held-out images, at most 10,000, and drawn by `tinygan sample`. What is kept lies in
benchmarks/results: families.json, families.md, and pictures in families/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tinygan.cli.sampling import load_generator
from tinygan.ops import Generator, randn
from tinygan.train.run import Run
from tinygan.train.state import draw

RESULTS = Path(__file__).parent / "results"
DATA = ("glyphs", "mnist")
MODELS: dict[str, list[str]] = {
    "markov": [],
    "texture": [],
    "quilting": [],
    "template": [],
    "mlp": ["--steps", "6000", "--ema", "0.999"],
    "dcgan": ["--steps", "2000", "--ema", "0.995"],
}
FIGURES = {  # what the table shows, and by how many digits
    "Frechet distance": 2,
    "kernel distance": 3,
    "precision": 3,
    "recall": 3,
    "density": 3,
    "coverage": 3,
    "class KL": 3,
    "sliced Wasserstein": 4,
    "nearest training image": 2,
    "nearer than held-out": 3,
}
SHOWN, TIMED = "64", 1000  # samples in a picture, and drawn to take the time


def measured(data: str, model: str, data_dir: str | None) -> dict[str, Any]:
    """Train or fit, judge and draw one model."""
    where = ["--data-dir", data_dir] if data_dir else []
    with tempfile.TemporaryDirectory() as folder:
        run, report = Path(folder) / "run", Path(folder) / "figures.json"
        options = ["--data", data, "--model", model, *MODELS[model], *where, "--out", str(run)]
        begun = time.perf_counter()
        tinygan("train", *options)
        seconds = time.perf_counter() - begun
        tinygan("evaluate", str(run), *where, "--json", str(report))
        generator, _ = load_generator(Run.open(run), Run.open(run).config())
        noise = randn(TIMED, Run.open(run).config().latent, generator=Generator().manual_seed(0))
        draw(generator, noise[:10])
        begun = time.perf_counter()
        draw(generator, noise)
        drawing = time.perf_counter() - begun
        tinygan("sample", str(run), "-n", SHOWN, "--out", str(picture_of(data, model)))
        bytes_kept = max((run / "checkpoints").iterdir()).stat().st_size
        return {
            "data": data,
            "model": model,
            "options": MODELS[model],
            "train_seconds": round(seconds, 1),
            "milliseconds_per_sample": round(1e3 * drawing / TIMED, 2),
            "megabytes": round(bytes_kept / 2**20, 1),
            **{k: v for k, v in json.loads(report.read_text()).items() if k not in ("run", "data")},
        }


def picture_of(data: str, model: str) -> Path:
    return RESULTS / "families" / f"{data}-{model}.png"


def tinygan(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "tinygan", *arguments], check=True)


def table(results: list[dict[str, Any]]) -> str:
    """A table for each set of data, models in rows."""
    gans = ", ".join(f"`{m} {' '.join(o)}`" for m, o in MODELS.items() if o)
    lines = [
        "# A GAN, and what it has to beat",
        "",
        "Written by `python benchmarks/families.py`: `tinygan train --model M`, then `tinygan",
        "evaluate`, on the samples of one seed. The first row is the floor: as many real images.",
        "The GANs are the defaults with " + gans + ".",
        "Times are those of one thread of a machine that others used too, which made them longer.",
        "",
    ]
    for data in dict.fromkeys(result["data"] for result in results):
        rows = [result for result in results if result["data"] == data]
        accuracy, count = rows[0]["classifier_accuracy"], rows[0]["samples"]
        lines += [
            f"## {data}",
            "",
            f"{count} samples and as many held-out images, by the features of a classifier that is "
            f"right on {accuracy:.2%} of them.",
            "",
            "| model | " + " | ".join(FIGURES) + " | s to train | ms a sample | MB kept |",
            "|---" * (len(FIGURES) + 4) + "|",
        ]
        floors = {figure["name"]: figure["floor"] for figure in rows[0]["figures"]}
        real = [f"{floors[name]:.{digits}f}" for name, digits in FIGURES.items()]
        lines.append("| real images | " + " | ".join(real) + " | | | |")
        for row in rows:
            values = {figure["name"]: figure["value"] for figure in row["figures"]}
            shown = [f"{values[name]:.{digits}f}" for name, digits in FIGURES.items()]
            costs = [row["train_seconds"], row["milliseconds_per_sample"], row["megabytes"]]
            lines.append(f"| {row['model']} | " + " | ".join([*shown, *map(str, costs)]) + " |")
        lines.append("")
        names = [row["model"] for row in rows]
        pictures = [f"![{m}]({picture_of(data, m).relative_to(RESULTS)})" for m in names]
        for line in (names, ["---"] * len(names), pictures):
            lines.append("| " + " | ".join(line) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", help="where downloaded data sets lie")
    arguments.add_argument("--data", action="append", choices=DATA, help="only these")
    arguments.add_argument("--model", action="append", choices=MODELS, help="only these")
    options = arguments.parse_args()
    kept = RESULTS / "families.json"
    (RESULTS / "families").mkdir(exist_ok=True)
    results = json.loads(kept.read_text()) if kept.exists() else []
    for data in options.data or DATA:
        for model in options.model or MODELS:
            new = measured(data, model, options.data_dir)
            results = [r for r in results if (r["data"], r["model"]) != (data, model)]
            results.append(new)
            results.sort(key=lambda r: (DATA.index(r["data"]), list(MODELS).index(r["model"])))
            kept.write_text(json.dumps(results, indent=1) + "\n")
            (RESULTS / "families.md").write_text(table(results))


if __name__ == "__main__":
    main()
