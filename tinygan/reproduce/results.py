"""The results of an experiment as a JSON document, which grows by a trial at a time.

The document is complete in itself: table, chart and page are made from it alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend.errors import UserError
from tinygan.backend.files import load_arrays, save_arrays
from tinygan.reproduce.experiment import Experiment, Trial
from tinygan.train.run import write_json, writing

Document = dict[str, Any]


class Results:
    """`NAME.json` in a directory, with the samples of each variant's first trial beside it.

    Quick results have names of their own. Trials that are there already are taken over if their
    settings are those of today; others are kept under "earlier" and count no more.
    """

    def __init__(
        self, experiment: Experiment, quick: bool, directory: Path, environment: Mapping[str, Any]
    ) -> None:
        self.experiment, self.quick = experiment, quick
        self.stem = directory / (f"{experiment.name}-quick" if quick else experiment.name)
        self.path = Path(f"{self.stem}.json")
        self.pictured = Path(f"{self.stem}-samples.safetensors")
        before = self._before()
        found = [*before.get("trials", []), *before.get("earlier", [])]
        known = [trial for trial in found if self._is_of_today(trial)]
        self.document: Document = {
            **described(experiment),
            "quick": quick,
            "environments": before.get("environments", []),
            "trials": known,
            "earlier": [trial for trial in found if trial not in known],
        }
        environments = self.document["environments"]
        if environment not in environments:
            environments.append(dict(environment))
        self.machine = environments.index(environment)
        self.samples: dict[str, np.ndarray] = {}
        if known and self.pictured.is_file():
            firsts = {trial["variant"] for trial in known if trial["seed"] == 0}
            arrays, _ = load_arrays(self.pictured)
            self.samples = {name: x for name, x in arrays.items() if name in firsts}

    def _before(self) -> Document:
        if not self.path.exists():
            return {}
        try:
            before = json.loads(self.path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {self.path}: {error}; move it away") from error
        if not isinstance(before, dict) or before.get("experiment") != self.experiment.name:
            raise UserError(
                f"{self.path} holds no results of {self.experiment.name}; choose another --out"
            )
        return before

    def _is_of_today(self, trial: Mapping[str, Any]) -> bool:
        variant = self.experiment.variants.get(trial["variant"])
        if variant is None:
            return False
        settings = json.loads(json.dumps(variant.chosen(self.quick)))
        return bool(trial["settings"] == settings)

    def missing(self, wanted: Mapping[str, int]) -> list[tuple[str, int]]:
        """The trials (variant, seed) that are not there, for so many seeds 0, 1, ... of each."""
        there = {(trial["variant"], trial["seed"]) for trial in self.document["trials"]}
        most = max(wanted.values(), default=0)
        everything = [(v, seed) for seed in range(most) for v in wanted if seed < wanted[v]]
        return [trial for trial in everything if trial not in there]

    def add(self, name: str, seed: int, trial: Trial, device: str) -> None:
        """Take in a trial, and write the file."""
        names = {quantity.name for quantity in self.experiment.quantities}
        if set(trial.figures) != names:
            raise ValueError(
                f"{self.experiment.name}, {name}: a trial has the figures "
                f"{sorted(trial.figures)}, expected {sorted(names)}"
            )
        self.document["trials"].append(
            {
                "variant": name,
                "seed": seed,
                "settings": self.experiment.variants[name].chosen(self.quick),
                "figures": {k: as_json(float(x)) for k, x in trial.figures.items()},
                "steps": trial.steps,
                "seconds": round(trial.seconds, 1),
                "device": device,
                "environment": self.machine,
            }
        )
        order = list(self.experiment.variants)
        self.document["trials"].sort(key=lambda t: (order.index(t["variant"]), t["seed"]))
        if seed == 0:
            self.samples[name] = trial.samples
            with writing(self.pictured):
                save_arrays(self.samples, self.pictured, {})
        self.write()

    def write(self) -> None:
        """Write the file, with what the experiment says of itself today."""
        write_json(self.path, self.document)


def described(experiment: Experiment) -> Document:
    """What the results say of the experiment itself."""
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "criterion": experiment.criterion,
        "setup": experiment.setup,
        "differences": experiment.differences,
        "quantities": [vars(quantity) for quantity in experiment.quantities],
        "variants": [
            {
                "name": name,
                "note": variant.note,
                "table": variant.table,
                "published": {k: list(x) for k, x in variant.published.items()},
            }
            for name, variant in experiment.variants.items()
        ],
    }


def as_json(value: float) -> float | None:
    """The number, or None for what JSON has no word for."""
    return value if math.isfinite(value) else None


def summary(document: Document, variant: str, quantity: str) -> tuple[float, float | None, int]:
    """Mean and standard error over the seeds, and how many have a number; NaN if none has.

    The standard error is the sample's standard deviation over the root of its size, None of one.
    """
    values = values_of(document, variant, quantity)
    if not values:
        return math.nan, None, 0
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return float(np.mean(values)), error, len(values)


def values_of(document: Document, variant: str, quantity: str) -> list[float]:
    """The numbers of all seeds."""
    found = [t["figures"][quantity] for t in document["trials"] if t["variant"] == variant]
    return [x for x in found if x is not None]
