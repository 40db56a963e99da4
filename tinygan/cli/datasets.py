"""`tinygan data`, and the data set of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tinygan.data import Origin, load, save_picture


def load_data(name: str, data_dir: str | None, size: int | None, console: Console) -> Any:
    """A data set by name or path, downloads shown as a bar."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
    ) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        return load(name, data_dir=data_dir, size=size, progress=show)


def describe(name: str, data_dir: Path | None, size: int | None, out: Path | None) -> None:
    """Print what a data set is, and write a contact sheet of its first samples if asked."""
    console = Console()
    dataset = load_data(name, None if data_dir is None else str(data_dir), size, console)
    for key, value in dataset.describe().items():
        console.print(f"{key:>10}  {value}", highlight=False, soft_wrap=True)
    if out is not None:
        from tinygan.ops import stack
        from tinygan.train.pictures import picture

        count = min(len(dataset), 2000 if getattr(dataset, "points", None) is not None else 100)
        samples = stack([dataset[i][0] for i in range(count)])
        origin = Origin(content=f"the first {count} of the data {dataset.name}")
        save_picture(picture(samples, columns=10), out, origin=origin)
        console.print(f"{'sheet':>10}  {out}", highlight=False)
