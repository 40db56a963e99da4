"""25 Gaussians in 20,000 steps: what penalties on D do, and what it takes to hit the modes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, compile, no_grad
from tinygan.data.toys import Grid
from tinygan.losses import PENALTIES, game
from tinygan.models import build
from tinygan.ops import Generator, manual_seed, randint, randn, tensor
from tinygan.optim import EMA, Adam
from tinygan.optim.lr_scheduler import LambdaLR
from tinygan.reproduce.experiment import Experiment, Trial, Variant, told
from tinygan.reproduce.plane import mode_figures, panel_over, quantities
from tinygan.train import draw, gan_step
from tinygan.train.state import cosine

TOY = Grid()
JUDGED = 10_000
SHOWN = 3_000


def run(variant: Variant, seed: int, quick: bool, device: str, data_dir: str | None) -> Trial:
    """Train, draw 10,000 samples, find their modes."""
    begin = time.perf_counter()
    settings = variant.chosen(quick)
    generator = trained(settings, seed, device)
    noise = Generator(device).manual_seed(1)
    samples = draw(generator, randn(JUDGED, settings["latent"], generator=noise, device=device))
    seconds = time.perf_counter() - begin
    points = samples.cpu().numpy()
    return Trial(mode_figures(points, TOY), points[:SHOWN], seconds, settings["steps"])


def trained(settings: Mapping[str, Any], seed: int, device: str) -> Any:
    """The generator after training, or the average of its weights if there is one."""
    steps, batch, latent = settings["steps"], settings["batch"], settings["latent"]
    manual_seed(seed)
    generator, discriminator = build("mlp", (2,), latent, settings["width"])
    generator.to(device), discriminator.to(device)
    betas = (0.0, settings["beta2"])
    g_optimizer, d_optimizer = (
        Adam(network.parameters(), settings[rate], betas)
        for network, rate in ((generator, "lr_g"), (discriminator, "lr_d"))
    )
    factor = partial(decayed, settings["lr_end"], steps)
    schedules = [LambdaLR(optimizer, factor) for optimizer in (g_optimizer, d_optimizer)]
    average = EMA(generator, settings["ema"]) if settings["ema"] else None
    centres = tensor(TOY.centres.astype(np.float32), device=device)
    weight = tensor(0.0, device=device)
    played, both, penalised = game(settings["game"]), PENALTIES["r1_r2"], settings["gamma"] > 0

    def penalty(critic: Any, real: Tensor, fake: Tensor) -> Tensor:
        return weight * both(critic, real, fake)

    @compile
    def step() -> Any:
        mode = randint(len(TOY.centres), (batch,), device=device)
        real = centres[mode] + TOY.sigma * randn(batch, 2, device=device)
        networks = generator, discriminator, g_optimizer, d_optimizer
        happened = gan_step(*networks, [real], latent, played, penalty if penalised else None)
        if average is not None:
            average.update()
        return happened

    for done in told(range(steps), steps):
        with no_grad():
            progress = done / steps
            weight.fill_(settings["gamma"] / 2 * cosine(1.0, settings["gamma_end"], progress))
        step()
        for schedule in schedules:
            schedule.step()
    return generator if average is None else average.module


def decayed(end: float, steps: int, step: int) -> float:
    """From 1 to `end`, as a cosine."""
    return cosine(1.0, end, min(step / steps, 1.0))


THEIRS = {"game": "non_saturating", "gamma": 1.0, "gamma_end": 1.0, "lr_g": 2e-4, "lr_d": 2e-4,
          "lr_end": 1.0, "beta2": 0.99, "batch": 256, "latent": 64, "width": 256, "ema": 0.0,
          "steps": 20_000}  # fmt: skip
OURS = {**THEIRS, "gamma_end": 0.03, "lr_g": 2e-3, "lr_d": 2e-3, "lr_end": 0.0, "beta2": 0.9,
        "ema": 0.999}  # fmt: skip
QUICK = {"steps": 3000}


def theirs(figures: tuple[float, float, float, float], **settings: Any) -> Variant:
    """A row of the publication: its PyTorch run."""
    published = dict(zip((q.name for q in quantities(25)), figures, strict=True))
    alone: dict[str, tuple[float, float | None]] = {k: (x, None) for k, x in published.items()}
    return Variant({**THEIRS, **settings}, alone, "stored output", quick=QUICK)


def without(note: str, *names: str) -> Variant:
    """The tuned row with these settings as they are published: what they contribute."""
    settings = {**OURS, **{name: THEIRS[name] for name in names}}
    return Variant(settings, note=note, quick=QUICK, seeds=3)


EXPERIMENT = Experiment(
    name="grid25",
    title="25 Gaussians in 20,000 steps",
    source="Dive into Deep Learning, d2l-neu, the section on convergence of GANs, stored outputs",
    criterion=(
        f"{JUDGED:,} samples. One is on a mode if it is nearer than 3 sigma to the nearest of the "
        "centres; a mode with one such sample counts. Reverse KL: log 25 minus the entropy of the "
        "histogram of these samples. The last column has a bin for all others too."
    ),
    setup=(
        "A grid of spacing 2, sigma 0.05. G: 64 - 256 - 256 - 2 with ReLU, D: 2 - 256 - 256 - 1 "
        "with LeakyReLU(0.2), fresh points and noise in every step, batches of 256, one update of "
        "D for one of G, Adam with rate 2e-4 and betas 0, 0.99, penalty gamma / 2 (R1 + R2) with "
        "gamma 1, 20,000 steps."
    ),
    differences=(
        "The published figures are of one seed in PyTorch. In RpGAN our G is compared with the "
        "real points that D has just seen, theirs with fresh ones."
    ),
    quantities=quantities(25),
    variants={
        "GAN": theirs((21, 6, 0.91, 4.06), gamma=0.0),
        "GAN+R1+R2": theirs((25, 10, 0.51, 3.78)),
        "RpGAN+R1+R2": theirs((25, 9, 0.48, 3.85), game="relativistic"),
        "tuned": Variant(
            OURS,
            note=(
                "GAN+R1+R2 with rates of 2e-3 in place of 2e-4 that fall to zero as a cosine does, "
                "beta2 0.9 in place of 0.99, gamma falling from 1 to 0.03 as the rates do, and an "
                "average of G's weights (decay 0.999) that draws the samples; all else as published"
            ),
            quick=QUICK,
        ),
        "beta2 0.99": without("tuned, with the published beta2", "beta2"),
        "constant gamma": without("tuned, with gamma 1 to the end", "gamma_end"),
        "constant rates": without("tuned, with rates of 2e-3 to the end", "lr_end"),
        "published rates": without("tuned, with rates of 2e-4, falling too", "lr_g", "lr_d"),
        "no average": without("tuned, with G itself drawing the samples", "ema"),
    },
    run=run,
    seeds=5,
    panel=panel_over(TOY),
)
