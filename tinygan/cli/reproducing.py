"""`tinygan reproduce`: the trials of an experiment, their table, and the files they leave."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tinygan.backend import backend_for
from tinygan.backend.cpu.threads import usable_cores
from tinygan.backend.errors import UserError, choose
from tinygan.cli.ahead import compiling_ahead
from tinygan.cli.bench.environment import environment
from tinygan.cli.display import tell_of_compiling
from tinygan.reproduce import EXPERIMENTS, Experiment, experiment
from tinygan.reproduce.chart import draw_figures, draw_samples
from tinygan.reproduce.results import Document, Results
from tinygan.reproduce.runner import Event, trials
from tinygan.reproduce.table import headings, machines, notes, rows, total
from tinygan.train.run import writing

Key = tuple[str, int]
OTHERS = ("torch", "jax", "jaxlib")  # have no part in it
WIDTH = 140  # where the table goes to a file


def reproduce(
    name: str,
    seeds: int | None,
    quick: bool,
    variants: list[str],
    jobs: int | None,
    device: str,
    data_dir: str | None,
    directory: Path,
) -> None:
    """Run the trials that are not there yet, print the table, and write JSON and pictures."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, WIDTH))
    chosen = experiment(name)
    backend_for(device)
    for variant in variants:
        choose(f"variant of {name}", variant, chosen.variants)
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    results = Results(chosen, quick, directory, _machine(device))
    wanted = {
        variant: seeds or chosen.seeds_of(variant, quick) for variant in variants or chosen.variants
    }
    todo = results.missing(wanted)
    told = len(results.document["trials"])
    if told and todo:
        console.print(f"{told} trials are there already, {len(todo)} to go", highlight=False)
    if todo:
        _run(chosen, quick, device, data_dir, results, todo, jobs or usable_cores(), console)
    show(results.document, console)
    _write(chosen, results)
    written = f"written: {results.stem}.json, .png, -samples.png"
    console.print(written, highlight=False, markup=False)


def _machine(device: str) -> dict[str, Any]:
    """What the results depend on beside the settings; nothing of where things lie."""
    found = environment((device,))
    found["versions"] = {k: v for k, v in found["versions"].items() if k not in OTHERS}
    return {k: found[k] for k in ("cpu", "cores", "gpu", "system", "versions") if k in found}


def _run(
    chosen: Experiment,
    quick: bool,
    device: str,
    data_dir: str | None,
    results: Results,
    todo: list[Key],
    jobs: int,
    console: Console,
) -> None:
    """Run them; each is written as soon as it is there, so Ctrl-C loses only those that run."""
    if chosen.prepare is not None:
        tell_of_compiling(console)
        chosen.prepare(device, data_dir)
    try:
        module = EXPERIMENTS[chosen.name]
        events = trials(module, todo, quick, device, data_dir, min(jobs, len(todo)))
        with closing(events), compiling_ahead():
            _watch(events, results, len(todo), device, console)
    except KeyboardInterrupt:
        raise UserError(
            f"stopped; {len(results.document['trials'])} trials are kept in {results.path}, and "
            "the same command goes on from there"
        ) from None


def _watch(
    events: Iterable[Event], results: Results, count: int, device: str, console: Console
) -> None:
    """A bar for all of them, one for each that runs, and a line for each that is done."""
    compiled = False
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        whole = progress.add_task(f"0 of {count} trials", total=float(count))
        bars: dict[Key, Any] = {}
        parts: dict[Key, float] = {}
        for kind, key, value in events:
            label = f"{key[0]}, seed {key[1]}"
            if kind == "compiling" and not compiled:
                compiled = True
                console.print("compiling kernels for this machine (once, then cached)")
            if kind == "progress":
                if key not in bars:
                    bars[key] = progress.add_task(label)
                done, steps = value
                progress.update(bars[key], completed=done, total=steps)
                parts[key] = done / steps
            if kind == "done":
                results.add(*key, value, device)
                if key in bars:
                    progress.remove_task(bars[key])
                parts[key] = 1.0
                finished = sum(part == 1 for part in parts.values())
                progress.update(whole, description=f"{finished} of {count} trials")
                found = "  ".join(f"{k} {x:.4g}" for k, x in value.figures.items())
                rate = f"{value.steps / max(value.seconds, 1e-9):.0f} steps/s"
                console.print(f"{label}: {found}  ({rate})", highlight=False, soft_wrap=True)
            progress.update(whole, completed=sum(parts.values()))


def show(document: Document, console: Console) -> None:
    """Title, table, criterion, set-up, differences, time, machine."""
    table = Table(title=f"{document['title']} ({document['source']})", box=None)
    for column, heading in enumerate(headings(document)):
        table.add_column(heading, justify="left" if column < 2 else "right", overflow="fold")
    for row in rows(document):
        table.add_row(*row)
    console.print(table)
    parts = [
        ("criterion", document["criterion"]),
        ("set-up", document["setup"]),
        ("differences", document["differences"]),
        *notes(document),
        ("time", f"{total(document)}, the sum of all trials, each on a thread"),
        *[("machine", line) for line in machines(document)],
    ]
    for name, text in parts:
        console.print(f"[bold]{name}[/bold]: {text}", highlight=False)
    if document["quick"]:
        console.print("This was the quick form, which shows that it runs, and little else.")


def _write(chosen: Experiment, results: Results) -> None:
    """The JSON, also where only its texts are new, and the pictures."""
    with writing(results.stem):
        results.write()
        draw_figures(results.document, Path(f"{results.stem}.png"))
        if results.samples:
            path = Path(f"{results.stem}-samples.png")
            draw_samples(results.document, results.samples, chosen.panel, path)
