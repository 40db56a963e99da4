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
from shlex import quote
from typing import Any

import tinygan
from tinygan.backend import DeviceError, backend_for
from tinygan.backend.errors import UserError
from tinygan.backend.files import FileError
from tinygan.baselines import BASELINES
from tinygan.cli.ahead import compile_part, compiling_ahead
from tinygan.cli.datasets import load_data
from tinygan.cli.display import Display, Screen, tell_of_compiling
from tinygan.cli.fitting import check_options, fit_model
from tinygan.cli.options import configured, free_name, with_file
from tinygan.cli.together import agree, ending_together, join, same, share_cores
from tinygan.data import Images, Points
from tinygan.distributed import Communicator, get_world_size
from tinygan.metrics import Classifier, MetricError, load_classifier
from tinygan.metrics.classifier import cached_at
from tinygan.train.config import Config, config_from
from tinygan.train.finite import NonFiniteError
from tinygan.train.loop import train as train_to_the_end
from tinygan.train.pictures import reach_of
from tinygan.train.run import Run, fitting
from tinygan.train.state import Training


def train(options: dict[str, Any]) -> None:
    """Run or continue a training, with the options that were given on the command line."""
    options = {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}
    if with_file(options).get("model") in BASELINES:
        _fit(with_file(options))
        return
    distributed = options.pop("distributed", False)
    ranks = join(distributed, options.get("device", "auto"))
    with ending_together(ranks):
        # mpiexec passes on what a process prints, and hides whether it comes to a terminal
        plain = False if ranks.size > 1 else None
        console = Screen(quiet=ranks.rank > 0, force_terminal=plain)
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
    fit_model(config, Path(out) if out else free_name(config), _machine("cpu"))


def _prepared(
    options: dict[str, Any], ranks: Communicator, console: Screen
) -> tuple[Training, Run | None]:
    """The training to go on with and, on the first rank, the run that it belongs to."""
    merged = agree(ranks, lambda: with_file(options))
    same(ranks, merged)
    first = ranks.rank == 0
    run, config = ranks.share(agree(ranks, lambda: configured(options) if first else None))
    device = agree(ranks, lambda: choose_device(config.device))
    dataset = _loaded(config, device, ranks, console)
    out = merged.get("out")
    alone = ranks.size == 1  # others may have another cache, and must see the same figures
    classifier = known_classifier(dataset) if config.diagnostics_every and alone else None
    if run is None:
        training = Training(config, dataset, device, classifier)
        path = Path(out) if out else free_name(config)
        run = agree(ranks, lambda: Run.create(path, config, _notes(training)) if first else None)
        return training, run
    state = ranks.share(agree(ranks, lambda: _saved(run, config, dataset) if first else None))
    training = Training(config, dataset, device, classifier)

    def restore(run: Run = run) -> None:
        with fitting(run.newest()):
            training.load_state_dict(state)
        if first:
            run.rewind(training.step)
            if training.step < config.steps:
                run.change(config)

    agree(ranks, restore)
    return training, run if first else None


def _loaded(config: Config, device: str, ranks: Communicator, console: Screen) -> Any:
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


def _saved(run: Run, config: Config, dataset: Any) -> dict[str, Any]:
    """The state of the newest checkpoint, of a run that this data and these ranks belong to."""
    run.claim()
    run.expect_data(dataset, config.data)
    before, ranks = run.notes().get("ranks", 1), get_world_size()
    if before != ranks:
        how = f"mpiexec -n {before} tinygan train --distributed" if before > 1 else "tinygan train"
        raise UserError(
            f"{run.path} was begun by {before} ranks and there are {ranks}: continue it with\n"
            f"  {how} --resume {quote(str(run.path))}"
        )
    return run.restore()


def _play(console: Screen, training: Training, run: Run | None) -> None:
    config, begun = training.config, training.step
    console.print(
        f"{config.model} on {config.data} ({len(training.dataset)} samples), game "
        f"{config.game}, {training.device}, into {run and run.path}",
        highlight=False,
        soft_wrap=True,
    )
    tile = config.size + 2
    with interruptible() as interrupted:

        def stop() -> bool:
            return console.gone or interrupted()

        try:
            with Display(console, config.steps, training.step, tile) as display:
                finished = train_to_the_end(training, run, display, stop)
        except NonFiniteError as error:
            if run is not None:
                sys.stderr.write(f"stopped: {error}\n")
            sys.exit(1)
    if run is None:
        sys.exit(0 if finished else 130)
    path = quote(str(run.path))
    resume = f"tinygan train --resume {path}"
    if not finished:
        said = f"stopped at step {training.step}, saved; continue with\n  {resume}"
        if console.gone:
            sys.stderr.write(f"nobody reads what is told: {said}\n")
        console.print(said, highlight=False, soft_wrap=True)
        sys.exit(130 if interrupted() else 1)
    for event in display.events:
        console.print(f"step {event.step}: {event.says}", highlight=False, soft_wrap=True)
    if begun < config.steps:
        done = f"done: samples {run.pictures()[-1]}, {run.path}/samples.gif, {run.path}/curves.png"
    else:
        done = (
            f"already at step {begun} of {config.steps}, nothing was trained; train on with\n"
            f"  {resume} --steps {2 * begun}"
        )
    console.print(
        f"{done}\nweights {training.fingerprint()[:16]}; draw more with\n  tinygan sample {path}",
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
    """Let Ctrl-C, SIGTERM and SIGHUP ask for an end after the current step.

    A second Ctrl-C is final; a terminal that is closed may hang up twice. nohup stays what it is.
    """
    asked = False
    hang_up = getattr(signal, "SIGHUP", None)
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        numbers.append(hang_up)

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked and number != hang_up:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in numbers}
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


def _notes(training: Training) -> dict[str, Any]:
    """What a run should say of itself beside its configuration."""
    dataset = training.dataset
    return {
        **dataset.checksums(),
        "shape": list(dataset.shape),
        **({"reach": reach_of(dataset.points)} if isinstance(dataset, Points) else {}),
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
