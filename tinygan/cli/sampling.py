"""`tinygan sample`: new images from a run's newest checkpoint."""

from __future__ import annotations

from math import pi
from pathlib import Path

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.backend.errors import UserError
from tinygan.baselines import BASELINES
from tinygan.data import save_gif, save_picture
from tinygan.data.mark import KEY
from tinygan.nn import Module
from tinygan.ops import Generator, cos, linspace, randn, sin
from tinygan.optim import EMA
from tinygan.train.config import Config
from tinygan.train.fit import restore
from tinygan.train.networks import make_networks
from tinygan.train.pictures import picture, reach_of
from tinygan.train.run import Run, fitting
from tinygan.train.state import draw

WALK_STOPS, WALK_FRAMES, WALK_ROW = 6, 12, 8


def sample(
    path: Path,
    n: int,
    seed: int,
    out: Path,
    interpolate: Path | None,
    label: int | None = None,
    mark: str | None = None,
) -> None:
    """Write a grid of n samples, all of one class if asked, and a walk through the noise."""
    run = Run.open(path)
    config = run.config()
    generator, step = load_generator(run, config)
    random = Generator().manual_seed(seed)
    columns = max(1, round(n**0.5))
    notes = run.notes()
    classes, reach = notes.get("classes", 0), notes.get("reach")
    mark = KEY if mark is None and config.mark else mark
    check_class(label, classes, run)
    origin = run.origin(seed, step, generator)
    samples = draw(generator, randn(n, config.latent, generator=random), classes, label)
    if reach is None and samples.ndim == 2:  # a run of old
        reach = reach_of(host_array(samples.array))
    save_picture(picture(samples, None, columns, reach), out, origin=origin, mark=mark)
    print(f"{n} samples of step {step}: {out}")
    if interpolate is not None:
        frames = [
            picture(draw(generator, z, classes, label), None, WALK_ROW // 2, reach)
            for z in walk(config.latent, random)
        ]
        save_gif(frames, interpolate, duration=60, origin=origin, mark=mark)
        print(f"a walk through {WALK_STOPS} points of the noise: {interpolate}")


def check_class(label: int | None, classes: int, run: Run) -> None:
    """Refuse a class that the run's generator does not know."""
    if label is None or 0 <= label < classes:
        return
    if not classes:
        raise UserError(
            f"--class {label}: {run.path} was trained without classes; train with --conditional "
            "auxiliary, say, on data that has them"
        )
    raise UserError(f"--class {label}: {run.path} has the classes 0 to {classes - 1}")


def load_generator(run: Run, config: Config) -> tuple[Module, int]:
    """The averaged generator of the newest checkpoint, or the fitted one, and its step."""
    if config.model in BASELINES:
        return restore(run, config), 1
    generator, _ = make_networks(config, run.shape(), run.notes().get("classes", 0))
    average = EMA(generator, config.ema)
    state = run.restore()
    with fitting(run.newest()):
        average.load_state_dict(state["average"])
    return average.module, int(state["step"])


def walk(latent: int, random: Generator) -> list[Tensor]:
    """Noise along great circles, z(t) = cos(t) a + sin(t) b, through random points and back.

    A straight line would pass through shorter vectors than the generator has ever seen.
    """
    stops = [randn(WALK_ROW, latent, generator=random) for _ in range(WALK_STOPS)]
    angles = linspace(0, pi / 2, WALK_FRAMES + 1)[:-1]
    return [
        cos(t) * a + sin(t) * b
        for a, b in zip(stops, [*stops[1:], stops[0]], strict=True)
        for t in angles
    ]
