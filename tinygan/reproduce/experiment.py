"""What an experiment is: rows of a published table, and how each of them is run again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

Progress = Callable[[int, int], None]

_progress: list[Progress] = []


@dataclass(frozen=True)
class Quantity:
    """A figure of the table: how it is written, and what a perfect generator gets of it."""

    name: str
    better: str  # "higher", "lower", or "near": as published
    form: str = ".2f"
    perfect: float | None = None


@dataclass(frozen=True)
class Variant:
    """A row: what a trial depends on, and what was published of it.

    `settings` go into the results, and only trials of equal settings are taken for this row's;
    `quick` are those that a quick trial changes. `published` has a mean, and a standard error
    where one was given, for each quantity that `table` shows. `note` says in what a row that is
    nobody's differs from the others. `seeds`, if given, is how many this row is run with.
    """

    settings: Mapping[str, Any]
    published: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    table: str = ""
    note: str = ""
    quick: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None

    def chosen(self, quick: bool) -> dict[str, Any]:
        """The settings of a trial."""
        return {**self.settings, **(self.quick if quick else {})}


class Trial(NamedTuple):
    """What one seed of a variant gave.

    `figures` has a number for every quantity, NaN where there is none. `samples` are for the
    picture: N 2 points, N C H W images in [-1, 1], or what the experiment's `panel` draws.
    """

    figures: dict[str, float]
    samples: np.ndarray
    seconds: float
    steps: int


class Run(Protocol):
    """Makes one trial, in a process of its own; it says how far it is by `told`."""

    def __call__(
        self, variant: Variant, seed: int, quick: bool, device: str, data_dir: str | None
    ) -> Trial: ...


@dataclass(frozen=True)
class Experiment:
    """Rows of a published table and how to make them again.

    `source` names the publication, `criterion` says how samples are judged, `setup` what is
    trained on what, `differences` where that is not the publication's. `prepare(device, data_dir)`
    is called once before the trials: it fetches data or trains a classifier that they share.
    `panel(axes, samples)` draws a variant's samples; without it points and images are drawn.
    """

    name: str
    title: str
    source: str
    criterion: str
    setup: str
    differences: str
    quantities: tuple[Quantity, ...]
    variants: Mapping[str, Variant]
    run: Run
    seeds: int = 3
    quick_seeds: int = 1
    prepare: Callable[[str, str | None], None] | None = None
    panel: Callable[[Any, np.ndarray], None] | None = None

    def seeds_of(self, name: str, quick: bool) -> int:
        """How many seeds a variant is run with unless that is said."""
        return self.quick_seeds if quick else self.variants[name].seeds or self.seeds


def told(steps: Iterable[int], total: int, every: int = 50) -> Iterator[int]:
    """The steps, of which there are `total`; who listens is told of every so manieth."""
    for done, step in enumerate(steps):
        if done % every == 0:
            for listener in _progress:
                listener(done, total)
        yield step


def listen(listener: Progress) -> None:
    """Have `listener(done, total)` called as a trial of this process goes on."""
    _progress.append(listener)
