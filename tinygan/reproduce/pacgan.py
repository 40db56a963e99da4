"""PacGAN's ring and grid: a plain GAN, and discriminators that judge 2, 3 and 4 samples at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygan import nn
from tinygan.autograd import Tensor, compile, grad
from tinygan.data.toys import Toy
from tinygan.losses import game
from tinygan.models import Packed
from tinygan.models.weights import draw_weights
from tinygan.ops import Generator, cat, manual_seed, randint, randn, tensor
from tinygan.optim import Adam
from tinygan.reproduce.experiment import Experiment, Run, Trial, Variant, told
from tinygan.reproduce.plane import mode_figures, panel_over, quantities
from tinygan.train import draw

JUDGED = 2_500
POINTS = 100_000
PIECES = 5


class Maxout(nn.Module):
    """max_k (W_k x + b_k): x (N, inputs) -> (N, outputs), the largest of `pieces` linear maps.

    Goodfellow et al., "Maxout networks", 2013, section 2.
    """

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, pieces * outputs)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return y.view(len(y), self.pieces, -1).amax(1)


def make_generator(packing: int, hidden: int = 400) -> nn.Module:
    """(N, 2) -> (N, 2): four layers of `hidden` ReLUs, batch-normalised and without bias.

    It runs `packing` times in a step, each time with moments of its own; the running ones move by
    a twentieth a step altogether.
    """
    momentum = 1 - 0.95 ** (1 / packing)
    layers: list[nn.Module] = []
    for inputs in (2, hidden, hidden, hidden):
        normalized = nn.BatchNorm1d(hidden, eps=1e-4, momentum=momentum)
        layers += [nn.Linear(inputs, hidden, bias=False), normalized, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, 2)).apply(draw_weights)


def make_discriminator(packing: int, hidden: int = 200) -> nn.Module:
    """(N packing, 2) -> (N,) logits: three layers of `hidden` maxout units of 5 pieces."""
    layers = [Maxout(n, hidden, PIECES) for n in (2 * packing, hidden, hidden)]
    plain = nn.Sequential(*layers, nn.Linear(hidden, 1), nn.Flatten(0))
    return Packed(plain.apply(draw_weights), packing)


def trained(toy: Toy, settings: Mapping[str, Any], seed: int, device: str) -> nn.Module:
    """The generator after so many steps.

    Both networks are updated at once, from one batch: D's loss and G's are taken at the same
    weights and the same noise, which is how the authors' program does it. A batch is so many
    packs.
    """
    packing, batch = settings["packing"], settings["batch"]
    manual_seed(seed)
    generator, discriminator = (
        make(packing).to(device) for make in (make_generator, make_discriminator)
    )
    betas = (settings["beta1"], 0.999)
    g_optimizer, d_optimizer = (
        Adam(network.parameters(), settings["lr"], betas) for network in (generator, discriminator)
    )
    data = tensor(toy.sample(POINTS, seed).astype(np.float32), device=device)
    played = game("non_saturating")

    @compile
    def step() -> Any:
        real = data[randint(POINTS, (batch * packing,), device=device)]
        fakes = [generator(randn(batch, 2, device=device)) for _ in range(packing)]
        fake = cat(fakes, 1).view(-1, 2)  # the packs one after the other
        logits = discriminator(cat([real, fake]))
        d_loss = played.discriminator(logits[:batch], logits[batch:])
        g_loss = played.generator(logits[batch:])
        d_gradients = grad(d_loss, discriminator.parameters(), retain_graph=True)
        g_gradients = grad(g_loss, generator.parameters())
        d_optimizer.update(d_gradients)
        g_optimizer.update(g_gradients)
        return d_loss.detach()

    for _ in told(range(settings["steps"]), settings["steps"]):
        step()
    return generator


def run_on(toy: Toy) -> Run:
    """A trial on these points: train, draw 2,500 samples, find their modes."""

    def run(variant: Variant, seed: int, quick: bool, device: str, data_dir: str | None) -> Trial:
        begin = time.perf_counter()
        settings = variant.chosen(quick)
        generator = trained(toy, settings, seed, device)
        noise = Generator(device).manual_seed(seed)
        samples = draw(generator, randn(JUDGED, 2, generator=noise, device=device))
        points = samples.cpu().numpy()
        seconds = time.perf_counter() - begin
        return Trial(mode_figures(points, toy), points, seconds, settings["steps"])

    return run


Row = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


def table(
    name: str, title: str, toy: Toy, published: Mapping[str, Row], steps: int, seeds: int
) -> Experiment:
    """Half of PacGAN's table 1: of each row modes, share on a mode and reverse KL, with errors."""
    modes = len(toy.centres)
    names = [quantity.name for quantity in quantities(modes)]
    variants = {
        row: Variant(
            {"packing": packing, "steps": steps, "batch": 100, "lr": 1e-4, "beta1": 0.8},
            dict(zip(names, figures, strict=False)),
            "table 1",
            quick={"steps": 2000},
        )
        for packing, (row, figures) in enumerate(published.items(), 1)
    }
    return Experiment(
        name=name,
        title=title,
        source="Lin, Khetan, Fanti and Oh, PacGAN, 2018",
        criterion=(
            f"{JUDGED:,} samples. One is on a mode if it is nearer than 3 sigma to the nearest of "
            "the centres; a mode with one such sample counts. Reverse KL: log of the number of "
            "modes minus the entropy of the histogram of these samples. The last column has a bin "
            "for all others too."
        ),
        setup=(
            "100,000 points, batches of 100 packs, noise N(0, 1) in two dimensions. G: four layers "
            "of 400 ReLUs with batch normalisation and no bias. D: three layers of 200 maxout "
            "units of 5 pieces. Weights from N(0, 0.02), Adam with rate 1e-4 and beta1 0.8, both "
            "networks updated at once, batch moments for each place of a pack. Running moments "
            "where samples are drawn."
        ),
        differences=(
            f"{steps:,} steps in place of 400,000, and fewer trials than the published 10. Packs "
            "are drawn anew for every step, not fixed for a run and shuffled."
        ),
        quantities=quantities(modes),
        variants=variants,
        run=run_on(toy),
        seeds=seeds,
        panel=panel_over(toy),
    )
