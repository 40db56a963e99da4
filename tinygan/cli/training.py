"""`tinygan train`: from options to a run directory."""

from __future__ import annotations

import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from tinygan.backend import DeviceError, backend_for
from tinygan.backend.errors import UserError
from tinygan.cli.ahead import compiling_ahead
from tinygan.cli.datasets import load_data
from tinygan.cli.display import Display, tell_of_compiling
from tinygan.train.config import Config, config_from, read_toml
from tinygan.train.finite import NonFiniteError
from tinygan.train.loop import train as train_to_the_end
from tinygan.train.run import Run, fitting
from tinygan.train.state import Training

CHANGEABLE = ("steps", "checkpoint_every", "sample_every", "device", "data_dir")


def train(options: dict[str, Any]) -> None:
    """Run or continue a training, with the options that were given on the command line."""
    console = Console()
    tell_of_compiling(console)
    options = {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}
    out, resume = options.pop("out", None), options.pop("resume", None)
    if (file := options.pop("config", None)) is not None:
        options = {**read_toml(Path(file)), **options}
    if resume is not None:
        run = Run.open(Path(resume))
        config = _continued(run, options, out)
    else:
        config = config_from(options, f"the configuration {file}" if file else "the options")
    device = choose_device(config.device)
    usual = device == "cpu" and config.model == "dcgan"
    with compiling_ahead() if usual else nullcontext():
        dataset = load_data(config.data, config.data_dir, config.size, console)
    if config.batch_size > len(dataset):
        raise UserError(
            f"--batch-size {config.batch_size} is larger than the data: {config.data} has "
            f"{len(dataset)} images; choose a smaller batch"
        )
    if resume is None:
        training = Training(config, dataset, device)
        run = Run.create(Path(out) if out else _free_name(config), config, _notes(training))
    else:
        if run.notes().get("data") != dataset.checksum:
            raise UserError(
                f"the data {config.data} has changed since {run.path} was begun: its checksum was "
                f"{run.notes().get('data')}, now it is {dataset.checksum}"
            )
        state = run.restore()
        training = Training(config, dataset, device)
        with fitting(run.newest()):
            training.load_state_dict(state)
        run.rewind(training.step)
    _play(console, training, run)


def _play(console: Console, training: Training, run: Run) -> None:
    config = training.config
    console.print(
        f"{config.model} on {config.data} ({len(training.loader.dataset)} samples), game "
        f"{config.game}, {training.device}, into {run.path}",
        highlight=False,
        soft_wrap=True,
    )
    tile = config.size + 2
    with interruptible() as interrupted:
        try:
            with Display(console, config.steps, training.step, tile) as display:
                finished = train_to_the_end(training, run, display, interrupted)
        except NonFiniteError as error:
            sys.stderr.write(f"stopped: {error}\n")
            sys.exit(1)
    if not finished:
        console.print(
            f"stopped at step {training.step}, saved; continue with\n"
            f"  tinygan train --resume {run.path}",
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(130)
    newest = max(run.samples.glob("step-??????.png"))
    console.print(
        f"done: samples {newest}, {run.path}/samples.gif, {run.path}/curves.png\n"
        f"weights {training.fingerprint()[:16]}; draw more with\n  tinygan sample {run.path}",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def interruptible() -> Iterator[Any]:
    """Let Ctrl-C and SIGTERM ask for an end after the current step; a second Ctrl-C is final."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def choose_device(name: str) -> str:
    """`auto` is cuda where CuPy finds a GPU, else cpu; a device that is not there is an error."""
    if name == "auto":
        if find_spec("cupy") is None:
            return "cpu"
        try:
            backend_for("cuda")
        except DeviceError:
            return "cpu"
        return "cuda"
    backend_for(name)
    return name


def _continued(run: Run, options: dict[str, Any], out: str | None) -> Config:
    """The configuration of a run, with what may change when it is resumed."""
    if out is not None:
        raise UserError("--out goes with a new run; --resume continues in its own directory")
    known = run.config().as_dict()
    for name, value in options.items():
        key = name.replace("-", "_")
        if key not in CHANGEABLE and known.get(key) != value:
            raise UserError(
                f"--{key.replace('_', '-')} {value} differs from the run's {known.get(key)!r} and "
                f"cannot change when it is resumed; only {', '.join(CHANGEABLE)} can"
            )
    return config_from({**known, **options}, str(run.path))


def _free_name(config: Config) -> Path:
    """runs/DATA-MODEL, with a number behind it if that is taken."""
    base = Path("runs") / f"{Path(config.data).stem}-{config.model}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def _notes(training: Training) -> dict[str, Any]:
    """What a run should say of itself beside its configuration."""
    packages = ("tinygan", "numpy", "numba", "pillow", "safetensors")
    return {
        "data": training.loader.dataset.checksum,
        "shape": list(training.loader.dataset.shape),
        "parameters": {
            "generator": sum(p.numel() for p in training.generator.parameters()),
            "discriminator": sum(p.numel() for p in training.discriminator.parameters()),
        },
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "machine": {"system": platform.platform(), "device": training.device},
    }
