"""The run directory: all that is needed to resume a run, sample from it or plot it.

config.json      the choices, those that were changed when it was resumed, versions, checksums of
                 the data
metrics.jsonl    one line per step
samples/         pictures of the same noise as training goes on
checkpoints/     step-NNNNNN.safetensors, written whole or not at all
"""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from tinygan.backend.errors import UserError
from tinygan.backend.files import replacing
from tinygan.data.origin import Origin, weights_checksum
from tinygan.nn import Module
from tinygan.ops.files import load, save
from tinygan.train.config import Config, config_from

KEPT = 2  # checkpoints: the newest, and one to fall back on
NUMBERS = ("step", "time", "d_loss", "g_loss", "d_real", "d_fake", "d_grad_norm", "g_grad_norm")
UNFINISHED = (  # what `replacing` leaves behind where it is killed
    *(".config.*.part.json", ".metrics.*.part.jsonl", ".samples.*.part.gif", ".curves.*.part.png"),
    *("samples/.step-*.part.png", "checkpoints/.step-*.part.safetensors"),
)


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


def as_json(value: Any) -> str:
    """The text of a JSON file."""
    return json.dumps(value, indent=2) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON as a whole or not at all."""
    with writing(path), replacing(path) as temporary:
        temporary.write_text(as_json(value))


def step_of(path: Path) -> int:
    """The step that a picture or a checkpoint is named by."""
    return int(path.stem.removeprefix("step-"))


def by_step(directory: Path, suffix: str) -> list[Path]:
    """What is named step-NNNNNN there; from a million on a name has more digits than before."""
    named = directory.glob(f"step-*{suffix}")
    return sorted((p for p in named if p.stem.removeprefix("step-").isdigit()), key=step_of)


def record_in(line: str) -> dict[str, Any] | None:
    """The metrics of a step that a line holds; None if it is cut off or damaged."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and all(
        isinstance(record.get(name), (int, float)) for name in NUMBERS
    )
    return record if whole else None


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
        run.claim()
        write_json(path / "config.json", {"config": config.as_dict(), **notes})
        return run

    def claim(self) -> None:
        """Let no other process train this run as long as this object lives, where files lock."""
        try:
            import fcntl

            own = os.open(self.path, os.O_RDONLY)
        except (ImportError, OSError):
            return
        weakref.finalize(self, os.close, own)
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{self.path} is being trained by another process; wait until it has ended, or "
                "stop it"
            ) from error
        except OSError:  # on a file system that has no locks
            return

    @staticmethod
    def expect_empty(path: Path) -> None:
        """Refuse a directory for a new run that holds something."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = "holds another run" if (path / "config.json").exists() else "is not empty"
            raise UserError(
                f"--out {path} {what}; choose another directory, or continue that run with "
                f"--resume {quote(str(path))}"
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

    def config(self, data: str | None = None) -> Config:
        """The choices as they are now; `data` names its data where that has moved."""
        notes = self.notes()
        moved = {} if data is None else {"data": data}
        choices = {**notes["config"], **notes.get("changed", {}), **moved}
        return self._config(choices)

    def change(self, config: Config) -> None:
        """Go on with other choices; those that it was begun with stay noted too."""
        notes = self.notes()
        begun = self._config(notes["config"]).as_dict()
        changed = {name: x for name, x in config.as_dict().items() if x != begun[name]}
        if changed != notes.pop("changed", {}):
            write_json(
                self.path / "config.json", {**notes, "changed": changed} if changed else notes
            )

    def shape(self) -> tuple[int, ...]:
        """Of a sample: C, H, W, or D."""
        shape = self.notes().get("shape")
        if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape):
            raise UserError(f"{self.path / 'config.json'} has no shape of the samples: {shape!r}")
        return tuple(shape)

    def expect_data(self, dataset: Any, name: str) -> None:
        """Refuse other data than the run was begun with; a run of old says nothing of labels."""
        now = dataset.checksums()
        before = {"labels": now.get("labels"), **self.notes()}
        for key, what in (
            ("data", f"the data {name} has"),
            ("labels", f"the labels of {name} have"),
        ):
            if before.get(key) != now.get(key):
                raise UserError(
                    f"{what} changed since {self.path} was begun: the checksum was "
                    f"{before.get(key)}, now it is {now.get(key)}"
                )

    def origin(self, seed: int, step: int, generator: Module) -> Origin:
        """What pictures of a generator's samples say of themselves.

        Equal runs have equal names: data, model, and the checksum of config.json as it was begun.
        """
        notes = self.notes()
        notes.pop("changed", None)
        config = self._config(notes["config"])
        choices = hashlib.sha256(as_json(notes).encode()).hexdigest()
        name = f"{Path(config.data).stem}-{config.model} {choices[:16]}"
        return Origin(name, step, seed, weights_checksum(generator))

    def _config(self, choices: dict[str, Any]) -> Config:
        return config_from(choices, str(self.path / "config.json"))

    # -- metrics ------------------------------------------------------------------------------

    def append(self, records: list[dict[str, Any]]) -> None:
        with writing(self.metrics), open(self.metrics, "a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    def history(self) -> list[dict[str, Any]]:
        """All metrics so far; lines that are cut off or damaged are left out."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text(errors="replace").splitlines()
        return [record for record in map(record_in, lines) if record is not None]

    def rewind(self, step: int) -> None:
        """Forget the metrics and samples after a step, which will be made again.

        What a process that was killed had begun to write goes too, and `samples` comes back.
        """
        with writing(self.samples):
            self.samples.mkdir(exist_ok=True)
        for name in UNFINISHED:
            for left in self.path.glob(name):
                left.unlink(missing_ok=True)
        kept = [record for record in self.history() if record["step"] <= step]
        with writing(self.metrics), replacing(self.metrics) as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in kept))
        for picture in self.pictures():
            if step_of(picture) > step:
                picture.unlink(missing_ok=True)

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
            old.unlink(missing_ok=True)
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
