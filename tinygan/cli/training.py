"""`tinygan train`: from options to a run directory."""

from __future__ import annotations

import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

import tinygan
from tinygan.backend import DeviceError, backend_for
from tinygan.backend.errors import UserError
from tinygan.backend.files import FileError
from tinygan.baselines import BASELINES
from tinygan.cli.ahead import compile_part, compiling_ahead
from tinygan.cli.datasets import load_data
from tinygan.cli.display import Display, tell_of_compiling
from tinygan.cli.fitting import check_options, fit_model
from tinygan.cli.together import agree, ending_together, join, same, share_cores
from tinygan.data import Images
from tinygan.distributed import Communicator, get_world_size
from tinygan.metrics import Classifier, MetricError, load_classifier
from tinygan.metrics.classifier import cached_at
from tinygan.train.config import Config, config_from, read_toml
from tinygan.train.finite import NonFiniteError
from tinygan.train.loop import train as train_to_the_end
from tinygan.train.run import Run, fitting
from tinygan.train.state import Training

CHANGEABLE = (
    *("steps", "checkpoint_every", "sample_every", "diagnostics_every", "stop_on"),
    *("device", "data_dir", "mark"),
)


def train(options: dict[str, Any]) -> None:
    """Run or continue a training, with the options that were given on the command line."""
    options = {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}
    if _with_file(options).get("model") in BASELINES:
        _fit(_with_file(options))
        return
    distributed = options.pop("distributed", False)
    ranks = join(distributed, options.get("device", "auto"))
    with ending_together(ranks):
        # mpiexec passes on what a process prints, and hides whether it comes to a terminal
        plain = False if ranks.size > 1 else None
        console = Console(quiet=ranks.rank > 0, force_terminal=plain)
        tell_of_compiling(console)
        if distributed and ranks.size == 1:
            console.print(
                "--distributed: there is no other process, training alone; four are started by\n"
                "  mpiexec -n 4 tinygan train --distributed",
                highlight=False,
            )
        training, run = _prepared(options, ranks, console)
        _play(console, training, run)


def _fit(options: dict[str, Any]) -> None:
    """Make the run of a model that is fitted."""
    options.pop("config", None)
    out = options.pop("out", None)
    check_options(options, options["model"])
    config = config_from(options, "the options")
    fit_model(config, Path(out) if out else _free_name(config), _machine("cpu"))


def _prepared(
    options: dict[str, Any], ranks: Communicator, console: Console
) -> tuple[Training, Run | None]:
    """The training to go on with and, on the first rank, the run that it belongs to."""
    options = agree(ranks, lambda: _with_file(options))
    same(ranks, options)
    first = ranks.rank == 0
    run, config = ranks.share(agree(ranks, lambda: _configured(options) if first else None))
    device = agree(ranks, lambda: choose_device(config.device))
    dataset = _loaded(config, device, ranks, console)
    out = options.get("out")
    alone = ranks.size == 1  # others may have another cache, and must see the same figures
    classifier = known_classifier(dataset) if config.diagnostics_every and alone else None
    if run is None:
        training = Training(config, dataset, device, classifier)
        path = Path(out) if out else _free_name(config)
        run = agree(ranks, lambda: Run.create(path, config, _notes(training)) if first else None)
        return training, run
    state = ranks.share(agree(ranks, lambda: _saved(run, dataset, ranks.size) if first else None))
    training = Training(config, dataset, device, classifier)

    def restore(run: Run = run) -> None:
        with fitting(run.newest()):
            training.load_state_dict(state)
        if first:
            run.rewind(training.step)

    agree(ranks, restore)
    return training, run if first else None


def _with_file(options: dict[str, Any]) -> dict[str, Any]:
    """The options with those of a configuration file."""
    if "config" not in options:
        return options
    return {**read_toml(Path(options["config"])), **options}


def _configured(options: dict[str, Any]) -> tuple[Run | None, Config]:
    """The run to continue, if one is, and the configuration."""
    options = dict(options)
    file, out, resume = (options.pop(name, None) for name in ("config", "out", "resume"))
    if resume is not None:
        run = Run.open(Path(resume))
        return run, _continued(run, options, out)
    return None, config_from(options, f"the configuration {file}" if file else "the options")


def _loaded(config: Config, device: str, ranks: Communicator, console: Console) -> Any:
    """The data, on the first rank before the others, which find there what it downloads."""

    def load() -> Any:
        dataset = load_data(config.data, config.data_dir, config.size, console)
        batch = config.batch_size * ranks.size
        if batch > len(dataset):
            each = f" on each of {ranks.size} ranks" if ranks.size > 1 else ""
            raise UserError(
                f"--batch-size {config.batch_size}{each} is larger than the data: {config.data} "
                f"has {len(dataset)} images; choose a smaller batch"
            )
        return dataset

    usual = device == "cpu" and config.model == "dcgan"
    with compiling_ahead() if usual and ranks.size == 1 else nullcontext():
        dataset: Any = agree(ranks, lambda: load() if ranks.rank == 0 else None)
    if ranks.size == 1:
        return dataset
    others = agree(ranks, lambda: load() if ranks.rank > 0 else None)
    dataset = dataset if ranks.rank == 0 else others
    same(ranks, {"device": device, **dataset.checksums()})
    threads = share_cores(ranks)
    if usual:
        compile_part(ranks.rank, ranks.size)
        ranks.barrier()
    console.print(
        f"{ranks.size} ranks, each with a batch of {config.batch_size}; {threads}",
        highlight=False,
    )
    return dataset


def _saved(run: Run, dataset: Any, ranks: int) -> dict[str, Any]:
    """The state of the newest checkpoint, of a run that this data and these ranks belong to."""
    run.expect_data(dataset)
    before = run.notes().get("ranks", 1)
    if before != ranks:
        how = f"mpiexec -n {before} tinygan train --distributed" if before > 1 else "tinygan train"
        raise UserError(
            f"{run.path} was begun by {before} ranks and there are {ranks}: continue it with\n"
            f"  {how} --resume {run.path}"
        )
    return run.restore()


def _play(console: Console, training: Training, run: Run | None) -> None:
    config = training.config
    console.print(
        f"{config.model} on {config.data} ({len(training.dataset)} samples), game "
        f"{config.game}, {training.device}, into {run and run.path}",
        highlight=False,
        soft_wrap=True,
    )
    tile = config.size + 2
    with interruptible() as interrupted:
        try:
            with Display(console, config.steps, training.step, tile) as display:
                finished = train_to_the_end(training, run, display, interrupted)
        except NonFiniteError as error:
            if run is not None:
                sys.stderr.write(f"stopped: {error}\n")
            sys.exit(1)
    if run is None:
        sys.exit(0 if finished else 130)
    if not finished:
        console.print(
            f"stopped at step {training.step}, saved; continue with\n"
            f"  tinygan train --resume {run.path}",
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(130 if interrupted() else 1)
    newest = run.pictures()[-1]
    for event in display.events:
        console.print(f"step {event.step}: {event.says}", highlight=False, soft_wrap=True)
    console.print(
        f"done: samples {newest}, {run.path}/samples.gif, {run.path}/curves.png\n"
        f"weights {training.fingerprint()[:16]}; draw more with\n  tinygan sample {run.path}",
        highlight=False,
        soft_wrap=True,
    )


def known_classifier(dataset: Any) -> Classifier | None:
    """The classifier of the data's labels, if `tinygan evaluate` has trained it before."""
    if not isinstance(dataset, Images):
        return None
    with suppress(MetricError, FileError):
        return load_classifier(cached_at(dataset), dataset)
    return None


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


def _free_name(config: Config) -> Path:
    """runs/DATA-MODEL, with a number behind it if that is taken."""
    base = Path("runs") / f"{Path(config.data).stem}-{config.model}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def _notes(training: Training) -> dict[str, Any]:
    """What a run should say of itself beside its configuration."""
    return {
        **training.dataset.checksums(),
        "shape": list(training.dataset.shape),
        "classes": training.classes,
        "parameters": {
            "generator": sum(p.numel() for p in training.generator.parameters()),
            "discriminator": sum(p.numel() for p in training.discriminator.parameters()),
        },
        **_machine(training.device),
        "ranks": get_world_size(),
    }


def _machine(device: str) -> dict[str, Any]:
    """What a run was made with."""
    packages = {p: version(p) for p in ("numpy", "numba", "pillow", "safetensors")}
    own = {"python": platform.python_version(), "tinygan": tinygan.__version__}
    return {
        "versions": {**own, **packages},
        "machine": {"system": platform.platform(), "device": device},
    }
