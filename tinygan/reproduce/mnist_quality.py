"""`mnist-quality`: five games between the same networks, by the distance of their samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.data import Images, held_out, load, to_uint8
from tinygan.metrics import classifier_for, classify, frechet_distance, precision_recall, reals
from tinygan.models import build
from tinygan.nn import Conv2d, Linear, Module
from tinygan.nn.utils import spectral_norm
from tinygan.ops import manual_seed
from tinygan.reproduce.experiment import Experiment, Quantity, Trial, Variant
from tinygan.reproduce.match import Match, drawn, pictured

COUNT = 10_000  # samples, and as many test images: Lucic et al. 2018
DISTANCE, PRECISION, RECALL = "Frechet distance", "precision", "recall"
SETS = {"MNIST": "mnist", "Fashion-MNIST": "fashion-mnist"}

COMMON: dict[str, Any] = {
    "width": 16,
    "latent": 64,
    "steps": 2_000,
    "batch": 64,
    "lr_g": 2e-3,
    "lr_d": 2e-3,
    "beta1": 0.5,
    "beta2": 0.999,
    "lr_end": 0.0,
    "ema": 0.999,
    "samples": COUNT,
}
GAMES: dict[str, dict[str, Any]] = {
    "non-saturating": {"game": "non_saturating", "judge": "batch norm"},
    "least squares": {"game": "least_squares", "judge": "batch norm"},
    "Wasserstein + GP": {
        "game": "wasserstein",
        "judge": "plain",
        "penalty": "gradient_penalty",
        "weight": 10.0,
        "n_critic": 5,
    },
    "hinge + SN": {"game": "hinge", "judge": "spectral norm"},
    "RpGAN + R1 + R2": {
        "game": "relativistic",
        "judge": "plain",
        "penalty": "r1_r2",
        "weight": 0.5,
    },
}


def variants() -> dict[str, Variant]:
    """A row for each game on each set, and one for real images."""
    rows = {}
    fewer = {"samples": 2000}
    for title, data in SETS.items():
        real = {"data": data, "game": "none", "samples": COUNT}
        rows[f"{title}: real"] = Variant(real, note=REAL, quick=fewer, seeds=1)
        for name, settings in GAMES.items():
            quick = {"steps": 200, **fewer}
            rows[f"{title}: {name}"] = Variant({"data": data, **COMMON, **settings}, quick=quick)
    return rows


REAL = "training images in place of samples"


def run(variant: Variant, seed: int, quick: bool, device: str, data_dir: str | None) -> Trial:
    """Train, draw, and compare with test images."""
    settings = variant.chosen(quick)
    training, test = (look(settings["data"], data_dir) for look in (load, held_out))
    assert isinstance(training, Images) and isinstance(test, Images)
    count = settings["samples"]
    steps, seconds = 0, 0.0
    real = reals(training, test, count, seed)
    assert isinstance(real.others, Images) and isinstance(real.reference, Images)
    samples = real.others.images
    if settings["game"] != "none":
        match = Match.of(settings)
        manual_seed(2 * seed)
        networks = made(settings["judge"], match.latent, settings["width"])
        generator, seconds = match.play(*networks, training, seed, device)
        steps = match.steps
        samples = to_uint8(drawn(generator.eval(), match.latent, count, seed, device))
    figures = judged(samples, real.reference, training)
    return Trial(figures, pictured(samples), seconds, steps)


def prepare(device: str, data_dir: str | None) -> None:
    """Train the classifiers, unless they are kept from before."""
    for data in SETS.values():
        training = load(data, data_dir)
        assert isinstance(training, Images)
        classifier_for(training)


def judged(samples: np.ndarray, reference: Images, training: Images) -> dict[str, float]:
    """What the features of the training data's classifier tell of uint8 images (N, H, W, 1)."""
    classifier = classifier_for(training)
    fake, x = (classify(classifier, images)[0] for images in (Images(samples), reference))
    share = precision_recall(x, fake)
    return {
        DISTANCE: frechet_distance(fake, x),
        PRECISION: share.precision,
        RECALL: share.recall,
    }


def made(judge: str, latent: int, width: int) -> tuple[Module, Module]:
    """A DCGAN for 28 x 28 pixels whose discriminator is normalised in this way."""
    shape = (1, 28, 28)
    generator, discriminator = build("dcgan", shape, latent, width, judge == "batch norm")
    if judge == "spectral norm":
        for layer in list(discriminator.modules()):
            if isinstance(layer, (Conv2d, Linear)):
                spectral_norm(layer)
    return generator, discriminator


EXPERIMENT = Experiment(
    name="mnist-quality",
    title="MNIST and Fashion-MNIST: five games with the same networks",
    source=(
        "No published table is made again; the comparison is that of Lucic et al., Are GANs "
        "created equal? (2018), table of best distances"
    ),
    criterion=(
        "Frechet distance, precision and recall (k = 3) of 10,000 samples beside the 10,000 test "
        "images, on 128 features of a classifier that is ours; real: 10,000 training images in "
        "place of samples, the floor"
    ),
    setup=(
        "G and D of a DCGAN for 28 x 28 pixels from 16 channels on, 64 numbers of noise, batches "
        f"of 64, {COMMON['steps']:,} steps of G and as many of D, but five times as many of D in "
        "Wasserstein + GP; Adam with betas 0.5, 0.999 and rates that fall to 0 from 2e-3, which is "
        "better for each of the five than 5e-4; samples are drawn by an average of G's weights "
        "(decay 0.999). D has batch normalisation where the loss is non-saturating or least "
        "squares, spectral normalisation with hinge, and none under a penalty: 10 times that of "
        "WGAN-GP, gamma / 2 (R1 + R2) with gamma 1. Nothing else was tuned"
    ),
    differences=(
        "Lucic et al. search 100 settings for each game, train 20 epochs and measure on features "
        "of Inception: 6.8 on MNIST and 26.5 on Fashion-MNIST for the non-saturating game, 7.8 "
        "and 30.7 for least squares, 20.3 and 24.5 for Wasserstein with the penalty. Those values "
        "cannot be compared with these, which are of other features. Nor do ours rank the games, "
        "of which each has settings that suit it best"
    ),
    quantities=(
        Quantity(DISTANCE, "lower", ".3f"),
        Quantity(PRECISION, "higher", ".3f"),
        Quantity(RECALL, "higher", ".3f"),
    ),
    variants=variants(),
    run=run,
    prepare=prepare,
)
