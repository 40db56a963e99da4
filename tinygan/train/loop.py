"""The training loop: steps, metrics, samples and checkpoints, until done or asked to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tinygan.autograd import Tensor
from tinygan.data import save_picture
from tinygan.distributed import world
from tinygan.train.finite import NonFiniteError, locate
from tinygan.train.pictures import animate, draw_curves, picture
from tinygan.train.run import Run, writing
from tinygan.train.state import Training

FLUSH = 10  # steps between two looks at the metrics, which is when the host waits for the device


class Watcher(Protocol):
    """Who is told how the training goes."""

    def metrics(self, record: dict[str, Any]) -> None: ...
    def samples(self, step: int, picture: np.ndarray) -> None: ...


def train(
    training: Training, run: Run | None, watcher: Watcher, stop: Callable[[], bool] = lambda: False
) -> bool:
    """Train to the configured number of steps; False if `stop` ended it before.

    A checkpoint is left either way. Every loss and gradient norm is looked at before the next
    checkpoint is written, so what a checkpoint holds is finite. Of several ranks that train
    together one has the run, the others None; they stop when one of them is asked to.
    """
    config = training.config
    if run is not None and training.step == 0:
        _sample(training, run, watcher)
        run.checkpoint(training.state_dict())
    pending: list[dict[str, Any]] = []
    stopped = False
    while training.step < config.steps and not stopped:
        pending.append({**training.advance(), "time": time.time()})
        step = training.step
        stopped = any(world().gather(stop()))
        last = stopped or step == config.steps
        sampled, saved = step % config.sample_every == 0, step % config.checkpoint_every == 0
        if last or sampled or saved or len(pending) == FLUSH:
            _flush(training, run, watcher, pending)
        if run is not None and (last or sampled):
            _sample(training, run, watcher)
        if run is not None and (last or saved):
            run.checkpoint(training.state_dict())
    if run is not None:
        _summarise(run)
    return not stopped


def _flush(
    training: Training, run: Run | None, watcher: Watcher, pending: list[dict[str, Any]]
) -> None:
    """Bring the metrics to the host, refuse what is not finite, write and show the rest."""
    first = training.step - len(pending) + 1
    records: list[dict[str, Any]] = []
    for step, values in enumerate(_on_host(pending), first):
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            if run is not None:
                run.append(records)
            _refuse(training, run, step, bad)
        records.append({"step": step, **values})
    pending.clear()
    if run is not None:
        run.append(records)
        watcher.metrics(records[-1])


def _on_host(pending: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The metrics as numbers, which are means over the ranks."""
    names = [name for name, value in pending[0].items() if isinstance(value, Tensor)]
    values = np.array([[metrics[name].item() for name in names] for metrics in pending])
    world().all_reduce(values)
    values /= world().size
    rows = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    return [{**metrics, **row} for metrics, row in zip(pending, rows, strict=True)]


def _refuse(training: Training, run: Run | None, step: int, bad: list[str]) -> None:
    if run is None or world().size > 1:
        batch = world().size * training.config.batch_size
        where = f"one process with --batch-size {batch} finds where it began"
    else:
        training.load_state_dict(run.restore())
        where = locate(training, step)
    raise NonFiniteError(
        f"step {step}: {', '.join(bad)} not finite; {where}\n"
        f"The last good checkpoint is {run and run.newest()}. Try a lower --lr-d and --lr-g, "
        "--penalty r1, or another --game; wasserstein needs --penalty gradient_penalty."
    )


def _sample(training: Training, run: Run, watcher: Watcher) -> None:
    samples = training.draw(training.fixed_noise)
    pixels = picture(samples, reals=getattr(training.loader.dataset, "points", None))
    path = run.samples / f"step-{training.step:06d}.png"
    with writing(path):
        save_picture(pixels, path)
    watcher.samples(training.step, pixels)


def _summarise(run: Run) -> None:
    """The animation and the curves, from what the run directory holds."""
    with writing(run.path):
        frames = sorted(run.samples.glob("step-??????.png"))
        if frames:
            animate(frames, run.path / "samples.gif")
        records = run.history()
        if records:
            draw_curves(records, run.path / "curves.png")
