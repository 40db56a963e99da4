"""The training loop: steps, metrics, samples and checkpoints, until done or asked to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tinygan.data import save_picture
from tinygan.data.mark import KEY
from tinygan.distributed import world
from tinygan.train.detectors import Detectors, Event
from tinygan.train.diagnostics import memory
from tinygan.train.finite import NonFiniteError, locate
from tinygan.train.metrics import Metrics
from tinygan.train.pictures import animate, draw_curves, picture
from tinygan.train.run import Run, writing
from tinygan.train.state import Training

LEAST_SCALE = 2.0**-14  # of losses: gradients that overflow here are not finite without one
FLUSH = 10  # steps whose metrics are brought to the host together, and looked at as much later


class Watcher(Protocol):
    """Who is told how the training goes."""

    def metrics(self, record: dict[str, Any]) -> None: ...
    def samples(self, step: int, picture: np.ndarray) -> None: ...
    def event(self, event: Event) -> None: ...


def train(
    training: Training, run: Run | None, watcher: Watcher, stop: Callable[[], bool] = lambda: False
) -> bool:
    """Train to the configured number of steps; False if `stop` ended it before.

    A checkpoint is left either way. Every loss and gradient norm is looked at before the next
    checkpoint is written, so what a checkpoint holds is finite. Of several ranks that train
    together one has the run, the others None; they stop when one of them is asked to, or when a
    detector finds what the configuration says to stop on.
    """
    config = training.config
    detectors = Detectors(config)
    if run is not None:
        for record in run.history():
            detectors.update(record)
        detectors.ask_to_stop = False  # for what was told before, the run has been stopped
    if run is not None and training.step == 0:
        _sample(training, run, watcher)
        run.checkpoint(training.state_dict())
    pending: list[dict[str, Any]] = []
    coming = Metrics([])
    stopped = False
    while training.step < config.steps and not stopped:
        pending.append({**training.advance(), "time": time.time()})
        step = training.step
        stopped = _any_rank(stop() or detectors.ask_to_stop)
        last = stopped or step == config.steps
        sampled, saved = step % config.sample_every == 0, step % config.checkpoint_every == 0
        if last or sampled or saved or len(pending) == FLUSH:
            _show(training, run, watcher, detectors, coming, step - len(pending) - len(coming))
            coming, pending = Metrics(pending), []
        if last or sampled or saved:
            _show(training, run, watcher, detectors, coming, step - len(coming))
            coming = Metrics([])
        if run is not None and (last or sampled):
            _sample(training, run, watcher)
        if run is not None and (last or saved):
            run.checkpoint(training.state_dict())
    if run is not None:
        _summarise(training, run)
    return not stopped


def _any_rank(asked: bool) -> bool:
    """Whether one of the ranks was asked to stop: all of them stop after the same step."""
    count = np.array([asked], dtype=np.int64)
    world().all_reduce(count)
    return bool(count[0])


def _show(
    training: Training,
    run: Run | None,
    watcher: Watcher,
    detectors: Detectors,
    metrics: Metrics,
    before: int,
) -> None:
    """Refuse metrics that are not finite, write and show the others; they begin after a step."""
    records: list[dict[str, Any]] = []
    for step, values in enumerate(metrics.arrived(), before + 1):
        looked = values.get("diagnostics")
        bad = [n for n, x in values.items() if isinstance(x, float) and not math.isfinite(x)]
        bad += [
            f"{name[0]}_grad_norm at every scale of the loss"
            for name, value in values.items()
            if name in ("d_scale", "g_scale") and value < LEAST_SCALE
        ]
        if bad:
            if run is not None:
                run.append(records)
            _refuse(training, run, step, bad)
        if looked is not None:
            looked["memory"] = memory(training.device)
        record = {"step": step, **values}
        records.append(record)
        events = [] if run is None else detectors.update(record)
        if events:
            record["events"] = [event._asdict() for event in events]
        for event in events:
            watcher.event(event)
    if run is not None and records:
        run.append(records)
        watcher.metrics(records[-1])


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
    pixels = picture(samples, reals=getattr(training.dataset, "points", None))
    path = run.samples / f"step-{training.step:06d}.png"
    origin = run.origin(training.config.seed, training.step, training.average.module)
    with writing(path):
        save_picture(pixels, path, origin=origin, mark=KEY if training.config.mark else None)
    watcher.samples(training.step, pixels)


def _summarise(training: Training, run: Run) -> None:
    """The animation and the curves, from what the run directory holds."""
    origin = run.origin(training.config.seed, training.step, training.average.module)
    with writing(run.path):
        animate(run.pictures(), run.path / "samples.gif", origin)
        records = run.history()
        if records:
            draw_curves(records, run.path / "curves.png", origin)
