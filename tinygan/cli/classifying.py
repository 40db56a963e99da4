"""The classifier of a data set, for the commands that need one."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from tinygan.data import Images
from tinygan.metrics import Classifier, classifier_for
from tinygan.metrics.classifier import cached_at


def known_or_trained(dataset: Images, console: Console) -> Classifier:
    """The classifier that is kept, or one trained now, which is shown and told."""
    known = cached_at(dataset).is_file()
    with Progress(console=console, transient=True) as progress:
        task = None

        def show(done: int, steps: int) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task(
                    f"training a classifier of {escape(dataset.name)}", total=steps
                )
            progress.update(task, completed=done)

        classifier = classifier_for(dataset, progress=show)
    if not known:
        console.print(
            f"trained a classifier of {dataset.name}, kept as {cached_at(dataset)}",
            highlight=False,
            soft_wrap=True,
        )
    return classifier
