"""How often the invisible mark is found, and how often where there is none.

    python benchmarks/mark.py --data mnist --data my/sprites --run runs/glyphs-dcgan \
        --markdown benchmarks/results/mark.md

Pictures of each kind that the program writes, single images and grids, are made from every data
set's images and every run's samples. Each is marked; with and without its mark it is resized and
saved as JPEG. Found means that the stated chance is at most 1e-6; in brackets, at most 1e-3.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tinygan.backend import host_array
from tinygan.cli.evaluating import sampled
from tinygan.cli.sampling import load_generator
from tinygan.data import Images, load, make_grid, to_uint8
from tinygan.data import mark as marks
from tinygan.data.dataset import to_float
from tinygan.ops import as_tensor
from tinygan.train import Run

CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as written": lambda x: x,
    "JPEG 75": lambda x: marks.jpeg(x, 75),
    "JPEG 50": lambda x: marks.jpeg(x, 50),
    "x 0.5": lambda x: marks.resized(x, 0.5),
    "x 0.75": lambda x: marks.resized(x, 0.75),
    "x 1.5": lambda x: marks.resized(x, 1.5),
    "x 2": lambda x: marks.resized(x, 2),
    "x 0.5, JPEG 75": lambda x: marks.jpeg(marks.resized(x, 0.5), 75),
    "x 2, JPEG 75": lambda x: marks.jpeg(marks.resized(x, 2), 75),
    "x 2, JPEG 50": lambda x: marks.jpeg(marks.resized(x, 2), 50),
}
KINDS = {"one image": (1, 1), "grid 4 x 4": (4, 4), "grid 8 x 8": (8, 8), "grid 10 x 10": (10, 10)}


def sources(options: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    """A name, and uint8 images N H W C."""
    for name in options.data:
        data = load(name, options.data_dir, size=options.size)
        assert isinstance(data, Images)
        yield f"{data.name or name}, real", data.images
    for path in options.run:
        run = Run.open(path)
        config = run.config()
        generator, _ = load_generator(run, config)
        classes = run.notes().get("classes", 0)
        samples = sampled(generator, config.latent, options.images, 0, classes)
        yield f"{Path(config.data).stem}, generated", to_uint8(samples)


def pictures(images: np.ndarray, kind: str, count: int) -> Iterator[np.ndarray]:
    """As the program writes them; images are drawn anew for each picture."""
    rows, columns = KINDS[kind]
    random = np.random.default_rng(0)
    for _ in range(count):
        chosen = images[random.choice(len(images), rows * columns, replace=False)]
        x = as_tensor(to_float(chosen).transpose(0, 3, 1, 2))
        grid = make_grid(x, columns, pad_value=-1.0)
        yield to_uint8(host_array(grid.array))


def share(chances: list[float]) -> str:
    """The share found, and likely where that is another."""
    sure, likely = (np.mean(np.array(chances) <= level) for level in (marks.SURE, marks.LIKELY))
    text = f"{sure:.1%}".replace(".0%", "%")
    return text if sure == likely else f"{text} ({likely:.1%})".replace(".0%", "%")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", action="append", default=[], help="a data set or folder")
    arguments.add_argument("--data-dir", help="where downloaded data sets lie")
    arguments.add_argument("--run", action="append", default=[], type=Path, help="a run directory")
    arguments.add_argument("--size", type=int, help="side of the real images")
    arguments.add_argument("--images", type=int, default=2000, help="samples of each run")
    arguments.add_argument("--count", type=int, default=200, help="pictures of each kind")
    arguments.add_argument("--markdown", type=Path, help="the file to write")
    options = arguments.parse_args()
    if not options.data and not options.run:
        arguments.error("no pictures to mark: give --data or --run")
    lines = ["| pictures | side | PSNR | " + " | ".join(CHANGES) + " |"]
    lines.append("|---" * (3 + len(CHANGES)) + "|")
    false: dict[str, list[float]] = {}
    for name, images in sources(options):
        for kind in KINDS:
            found: dict[str, list[float]] = {change: [] for change in CHANGES}
            quality = []
            for x in pictures(images, kind, options.count):
                y = marks.marked(x)
                quality.append(marks.psnr(x, y))
                for change, changed in CHANGES.items():
                    found[change].append(marks.found([changed(y)]).chance)
                    false.setdefault(change, []).append(marks.found([changed(x)]).chance)
            cells = [share(chances) for chances in found.values()]
            head = [f"{name}, {kind}", str(x.shape[1]), f"{np.mean(quality):.1f} dB"]
            lines.append("| " + " | ".join([*head, *cells]) + " |")
            print(lines[-1], flush=True)
    total = len(false["as written"])
    lines += ["", f"Found where there is none, of {total} pictures for each change:", ""]
    lines += ["| change | chance at most 1e-6 | at most 1e-3 | at most 0.05 |", "|---|---|---|---|"]
    for change, chances in false.items():
        counts = [int((np.array(chances) <= level).sum()) for level in (1e-6, 1e-3, 0.05)]
        lines.append(f"| {change} | " + " | ".join(map(str, counts)) + " |")
    text = (
        f"# The invisible mark\n\nMarked pictures found, {options.count} of each kind, by "
        "`python benchmarks/mark.py`: with a stated chance of a false alarm of at most 1e-6, in "
        "brackets of at most 1e-3.\n\n" + "\n".join(lines) + "\n"
    )
    print(text)
    if options.markdown is not None:
        options.markdown.write_text(text)


if __name__ == "__main__":
    main()
