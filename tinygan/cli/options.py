"""From the options of `tinygan train` to a configuration: those of a file, and those of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygan.backend.errors import UserError
from tinygan.baselines import BASELINES
from tinygan.data.named import known_as
from tinygan.train.config import Config, config_from, read_toml
from tinygan.train.run import Run

CHANGEABLE = (
    *("steps", "checkpoint_every", "sample_every", "diagnostics_every", "stop_on"),
    *("device", "data", "data_dir", "mark"),
)
OWN = {"model": str, "out": str, "resume": str, "distributed": bool}  # looked at before the others


def with_file(options: dict[str, Any]) -> dict[str, Any]:
    """The options with those of a configuration file.

    Where data lies does not depend on the working directory any more.
    """
    merged = options
    if "config" in options:
        path = Path(options["config"])
        known = read_toml(path)
        if "config" in known:
            raise UserError(f"{path}: config is for the command line; one file cannot name another")
        for name, kind in OWN.items():
            if name in known and type(known[name]) is not kind:
                raise UserError(f"{path}: {name} must be {kind.__name__}, got {known[name]!r}")
        merged = {**known, **options}
    return {name: _settled(name.replace("-", "_"), value) for name, value in merged.items()}


def _settled(name: str, value: Any) -> Any:
    """A path to data made absolute; a name of data, and whatever else it is, as it was."""
    if name not in ("data", "data_dir") or not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    is_path = path.is_dir() or path.suffix.lower() in (".npy", ".npz")
    named = name == "data" and known_as(value) is not None
    return str(path.absolute()) if name == "data_dir" or (is_path and not named) else value


def configured(given: dict[str, Any]) -> tuple[Run | None, Config]:
    """The run to continue, if one is, and the configuration that the command line gives."""
    options = with_file(given)
    file, out, resume = (options.pop(name, None) for name in ("config", "out", "resume"))
    if resume is not None:
        run = Run.open(Path(resume))
        return run, _continued(run, options, out)
    config = config_from(options, f"the configuration {file}" if file else "the options")
    expect_effect(given, config)
    return None, config


def expect_effect(given: dict[str, Any], config: Config) -> None:
    """Refuse options of the command line that change nothing; a file may hold more than is used."""
    penalized = config.penalty != "none"
    for name, used, needed in (
        ("penalty_weight", penalized, "--penalty"),
        ("penalty_end", penalized, "--penalty"),
        ("lr_end", config.schedule != "constant", "--schedule linear or cosine"),
        ("codes", config.conditional == "codes", "--conditional codes"),
        (
            "class_weight",
            config.conditional in ("auxiliary", "codes"),
            "--conditional auxiliary or codes",
        ),
        ("normalize", config.model == "dcgan" or config.normalize == "auto", "--model dcgan"),
    ):
        if name in given and not used:
            raise UserError(
                f"--{name.replace('_', '-')} {given[name]} has no effect without {needed}"
            )


def _continued(run: Run, options: dict[str, Any], out: str | None) -> Config:
    """The configuration of a run, with what may change when it is resumed."""
    if out is not None:
        raise UserError("--out goes with a new run; --resume continues in its own directory")
    known = run.config().as_dict()
    if known["model"] in BASELINES:
        raise UserError(f"{run.path} holds a fitted {known['model']}: there is nothing to continue")
    for name, value in options.items():
        key = name.replace("-", "_")
        if key not in CHANGEABLE and known.get(key) != value:
            raise UserError(
                f"--{key.replace('_', '-')} {value} differs from the run's {known.get(key)!r} and "
                f"cannot change when it is resumed; only {', '.join(CHANGEABLE)} can"
            )
    return config_from({**known, **options}, str(run.path))


def free_name(config: Config) -> Path:
    """runs/DATA-MODEL, with a number behind it if that is taken."""
    base = Path("runs") / f"{Path(config.data).stem}-{config.model}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path
