"""The run directory: all that is needed to resume a run, sample from it or plot it.

config.json      the choices, versions, and the checksum of the data
metrics.jsonl    one line per step
samples/         pictures of the same noise as training goes on
checkpoints/     step-NNNNNN.safetensors, written whole or not at all
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinygan.backend.errors import UserError
from tinygan.backend.files import replacing
from tinygan.data.origin import Origin, weights_checksum
from tinygan.nn import Module
from tinygan.ops.files import load, save
from tinygan.train.config import Config, config_from

KEPT = 2  # checkpoints: the newest, and one to fall back on


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Tell a failed write (a full disk, say) as what it is."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}{advice}") from error


@contextmanager
def fitting(path: Path | None) -> Iterator[None]:
    """Tell a state that does not fit the run's networks as what it is."""
    try:
        yield
    except (KeyError, RuntimeError, ValueError) as error:
        what = " ".join(str(error).split("\n\t")[:2])
        raise UserError(f"{path} is not a checkpoint of this run's model: {what}") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON as a whole or not at all."""
    with writing(path), replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def step_of(path: Path) -> int:
    """The step that a picture or a checkpoint is named by."""
    return int(path.stem.removeprefix("step-"))


def by_step(directory: Path, suffix: str) -> list[Path]:
    """What is named step-NNNNNN there; from a million on a name has more digits than before."""
    named = directory.glob(f"step-*{suffix}")
    return sorted((p for p in named if p.stem.removeprefix("step-").isdigit()), key=step_of)


class Run:
    """A run directory that exists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"

    @staticmethod
    def create(path: Path, config: Config, notes: dict[str, Any]) -> Run:
        """A new run in an empty or absent directory."""
        Run.expect_empty(path)
        run = Run(path)
        with writing(path):
            run.samples.mkdir(parents=True)
            run.checkpoints.mkdir()
        write_json(path / "config.json", {"config": config.as_dict(), **notes})
        return run

    @staticmethod
    def expect_empty(path: Path) -> None:
        """Refuse a directory for a new run that holds something."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = "holds another run" if (path / "config.json").exists() else "is not empty"
            raise UserError(
                f"--out {path} {what}; choose another directory, or continue that run with "
                f"--resume {path}"
            )

    @staticmethod
    def open(path: Path) -> Run:
        """A run that is there already."""
        if not (path / "config.json").is_file():
            raise UserError(f"{path} is not a run directory: there is no config.json in it")
        return Run(path)

    def notes(self) -> dict[str, Any]:
        path = self.path / "config.json"
        try:
            notes = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path}: {error}") from error
        if not isinstance(notes, dict) or not isinstance(notes.get("config"), dict):
            raise UserError(f"{path} holds no configuration of a run")
        return notes

    def config(self) -> Config:
        return config_from(self.notes()["config"], str(self.path / "config.json"))

    def expect_data(self, dataset: Any) -> None:
        """Refuse other data than the run was begun with; a run of old says nothing of labels."""
        now = dataset.checksums()
        before = {"labels": now.get("labels"), **self.notes()}
        for name, what in (("data", "the data {} has"), ("labels", "the labels of {} have")):
            if before.get(name) != now.get(name):
                raise UserError(
                    f"{what.format(self.config().data)} changed since {self.path} was begun: the "
                    f"checksum was {before.get(name)}, now it is {now.get(name)}"
                )

    def origin(self, seed: int, step: int, generator: Module) -> Origin:
        """What pictures of a generator's samples say of themselves.

        Equal runs have equal names: data, model, and the checksum of config.json.
        """
        config = self.config()
        choices = hashlib.sha256((self.path / "config.json").read_bytes()).hexdigest()
        name = f"{Path(config.data).stem}-{config.model} {choices[:16]}"
        return Origin(name, step, seed, weights_checksum(generator))

    # -- metrics ------------------------------------------------------------------------------

    def append(self, records: list[dict[str, Any]]) -> None:
        with writing(self.metrics), open(self.metrics, "a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    def history(self) -> list[dict[str, Any]]:
        """All metrics so far; a last line cut off by a crash is left out."""
        records = []
        if self.metrics.exists():
            for line in self.metrics.read_text().splitlines():
                try:
                    records.append(json.loads(line))
                except ValueError:
                    break
        return records

    def rewind(self, step: int) -> None:
        """Forget the metrics and samples after a step, which will be made again."""
        kept = [record for record in self.history() if record["step"] <= step]
        with writing(self.metrics), replacing(self.metrics) as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in kept))
        for picture in self.pictures():
            if step_of(picture) > step:
                picture.unlink()

    def pictures(self) -> list[Path]:
        """The samples, in the order of their steps."""
        return by_step(self.samples, ".png")

    # -- checkpoints --------------------------------------------------------------------------

    def checkpoint(self, state: dict[str, Any]) -> Path:
        """Save a state under its step, and drop the checkpoints that are no longer needed."""
        path = self.checkpoints / f"step-{state['step']:06d}.safetensors"
        kept = self.newest()
        advice = f"; make room and go on from {kept.name} with --resume {self.path}" if kept else ""
        with writing(path, advice):
            save(state, path)
        for old in self._saved()[:-KEPT]:
            old.unlink()
        return path

    def restore(self) -> dict[str, Any]:
        """The newest checkpoint's state."""
        path = self.newest()
        if path is None:
            raise UserError(f"{self.path} holds no checkpoint yet; start the run again")
        try:
            state: dict[str, Any] = load(path)
        except UserError as error:
            older = self._saved()[:-1]
            hint = f"; delete it to go on from {older[-1].name}" if older else ""
            raise UserError(f"{error}{hint}") from error
        return state

    def newest(self) -> Path | None:
        saved = self._saved()
        return saved[-1] if saved else None

    def _saved(self) -> list[Path]:
        return by_step(self.checkpoints, ".safetensors")
