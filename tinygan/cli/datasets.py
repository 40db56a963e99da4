"""`tinygan data`: what a data set is made of; and the data set of a training run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tinygan.backend.errors import UserError
from tinygan.backend.files import replacing
from tinygan.data import Images, Origin, Points, load, save_picture
from tinygan.data.folder import read_folder
from tinygan.data.named import known_as
from tinygan.data.perceptual import alike, looks_of
from tinygan.data.pictures import expect_picture
from tinygan.data.survey import Survey, survey
from tinygan.train.run import writing

SHOWN = 5  # of a list, the others are counted
SHEET, CLOUD = 100, 2000  # images, or points, on a contact sheet


def load_data(
    name: str, data_dir: str | None, size: int | None, console: Console, background: str = "black"
) -> Any:
    """A data set by name or path, downloads shown as a bar."""
    with _bar(console) as show:
        return load(name, data_dir=data_dir, size=size, background=background, progress=show)


def describe(
    name: str,
    data_dir: Path | None,
    size: int | None,
    out: Path | None,
    collect: Path | None,
    background: str,
) -> None:
    """Print what a data set is, write its distinct images and a contact sheet if asked."""
    console = Console()
    folder = Path(name).expanduser()
    if out is not None:
        expect_picture(out)
    if collect is not None:
        _expect_archive(collect, folder)
    found = None
    dataset: Images | Points
    if folder.is_dir() and known_as(name) is None:
        with _bar(console) as show:
            found = survey(folder, background=background, progress=show)
        if not found.paths:
            raise UserError(f"{folder}: none of {len(found.broken)} pictures can be read")
        paths = found.paths if collect is None else found.distinct
        dataset = read_folder(folder, size=size, background=background, paths=paths)
    else:
        where = None if data_dir is None else str(data_dir)
        dataset = load_data(name, where, size, console, background)
    facts = {key: value for key, value in dataset.describe().items() if value is not None}
    if found is not None:
        facts |= _of_files(found, folder)
    elif isinstance(dataset, Images):
        with console.status("looking for images that look alike"):
            groups = alike(looks_of(dataset.images))
        facts |= _of_groups([[str(i) for i in group] for group in groups])
        if collect is not None:
            dataset = _without(dataset, {i for group in groups for i in group[1:]})
    facts |= _of_classes(dataset)
    if collect is not None:
        facts["collected"] = _collected(dataset, collect)
    if out is not None:
        _draw_sheet(dataset, out)
        facts["sheet"] = out
    for key, value in facts.items():
        for line in value if key in LISTS else [_text(key, value)]:
            console.print(f"{key:>10}  {line}", highlight=False, markup=False, soft_wrap=True)
            key = ""


LISTS = ("broken", "alike")


def _text(key: str, value: Any) -> str:
    """A fact on one line."""
    between = " x " if key == "size" else ", "
    return between.join(map(str, value)) if isinstance(value, list) else str(value)


def _of_files(found: Survey, folder: Path) -> dict[str, Any]:
    """What a folder's files are."""
    broken = [f"{path.relative_to(folder)}: {why}" for path, why in found.broken]
    groups = [[str(path.relative_to(folder)) for path in group] for group in found.groups]
    sizes = Counter({f"{width} x {height}": n for (width, height), n in found.sizes.items()})
    return {
        "files": len(found.paths) + len(broken),
        "formats": _counted(found.formats),
        "sizes": _counted(sizes),
        "broken": [str(len(broken)), *_first(broken)],
        **_of_groups(groups),
    }


def _of_groups(groups: list[list[str]]) -> dict[str, Any]:
    """How many images look like an earlier one, and which."""
    more = sum(len(group) - 1 for group in groups)
    told = f"{more} look like another, in {len(groups)} groups" if groups else "0"
    return {"alike": [told, *_first([" = ".join(_first(group)) for group in groups])]}


def _of_classes(dataset: Images | Points) -> dict[str, Any]:
    if dataset.labels is None:
        return {}
    names = dataset.classes or [str(i) for i in range(int(dataset.labels.max()) + 1)]
    numbers = np.bincount(dataset.labels, minlength=len(names))
    return {"of each": ", ".join(f"{n} {name}" for name, n in zip(names, numbers, strict=True))}


def _counted(counts: Counter[str]) -> str:
    return ", ".join(_first([f"{n} {name}" for name, n in counts.most_common()]))


def _first(texts: list[str]) -> list[str]:
    """The first ones, and how many there are besides."""
    more = len(texts) - SHOWN
    return [*texts[:SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _without(dataset: Images, dropped: set[int]) -> Images:
    kept = np.array([i for i in range(len(dataset)) if i not in dropped])
    labels = None if dataset.labels is None else dataset.labels[kept]
    images = dataset.images[kept]
    return Images(images, labels, classes=dataset.classes, name=dataset.name, source=dataset.source)


def _expect_archive(path: Path, given: Path) -> None:
    """Refuse a name that what is collected should not be written to."""
    if path.suffix != ".npz":
        raise UserError(f"--collect {path}: expected the name of an .npz file")
    if path.exists() and given.exists() and path.samefile(given):
        raise UserError(f"--collect {path}: this is the data itself; give another name")


def _collected(dataset: Images | Points, path: Path) -> str:
    """Write the images, labels and classes as one .npz file."""
    if not isinstance(dataset, Images):
        raise UserError(f"--collect {path}: {dataset.name} has points, and images are collected")
    arrays: dict[str, Any] = {"images": dataset.images}
    if dataset.labels is not None:
        arrays["labels"] = dataset.labels
    if dataset.classes is not None:
        arrays["classes"] = np.array(dataset.classes)
    with writing(path), replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    height, width, _ = dataset.images.shape[1:]
    return f"{len(dataset)} images of {height} x {width} in {path}"


def _draw_sheet(dataset: Images | Points, out: Path) -> None:
    """A picture of samples from the beginning to the end, and so of all classes."""
    from tinygan.metrics.matrices import spread
    from tinygan.ops import stack
    from tinygan.train.pictures import picture

    chosen = spread(len(dataset), CLOUD if isinstance(dataset, Points) else SHEET)
    samples = stack([dataset[int(i)][0] for i in chosen])
    origin = Origin(content=f"{len(chosen)} of the data {dataset.name}")
    save_picture(picture(samples, columns=10), out, origin=origin)


@contextmanager
def _bar(console: Console) -> Iterator[Any]:
    """What shows how far something has come: (what, done, total)."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # else it leaves an empty line
    ) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield show
