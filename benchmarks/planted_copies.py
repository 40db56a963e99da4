"""Does `tinygan audit` find copies? Training images planted among a run's samples.

    python benchmarks/planted_copies.py runs/mnist-dcgan

A share of the samples is replaced by training images, exact, with noise, moved by a pixel, or
blurred. Found is how many of those planted are below the threshold, chance the probability of as
many where none is a copy; the audit calls it copying below 1e-3, or where a sample is not half as
far as the nearest held-out image (certain).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from tinygan.cli.auditing import HELD_OUT, SUSPICIOUS
from tinygan.cli.evaluating import data_of, sampled
from tinygan.cli.sampling import load_generator
from tinygan.data import Images, to_uint8
from tinygan.metrics import copies
from tinygan.train import Run

random = np.random.default_rng(0)


def noisy(x: np.ndarray) -> np.ndarray:
    """With normal noise of 25 grey levels."""
    return np.clip(np.rint(x + random.normal(0, 25, x.shape)), 0, 255).astype(np.uint8)


def blurred(x: np.ndarray) -> np.ndarray:
    """The mean of a pixel (weight 1/2) and its four neighbours (1/8 each)."""
    y = x.astype(float)
    near = sum(np.roll(y, shift, axis) for shift in (1, -1) for axis in (1, 2))
    return np.rint(y / 2 + near / 8).astype(np.uint8)


KINDS = {
    "exact": lambda x: x,
    "noise of 25 grey levels": noisy,
    "blurred": blurred,
    "moved by a pixel": lambda x: np.roll(x, 1, 2),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("run", type=Path, help="a run on images")
    arguments.add_argument("--data-dir", help="where downloaded data sets lie")
    arguments.add_argument("-n", type=int, default=1000, help="samples")
    options = arguments.parse_args()
    run = Run.open(options.run)
    config = run.config()
    generator, _ = load_generator(run, config)
    training, new = data_of(run, config, options.data_dir or config.data_dir, Console())
    assert isinstance(training, Images)
    n, classes = options.n, run.notes().get("classes", 0)
    honest = to_uint8(sampled(generator, config.latent, n, 0, classes))
    held_out = None if not isinstance(new, Images) else new.images[:HELD_OUT]
    print(f"| planted among {n} samples | copies | found | certain | chance | called copying |")
    print("|---|---|---|---|---|---|")
    for kind, spoil in KINDS.items():
        for count in (0, 1, n // 200, n // 50) if kind == "exact" else (n // 50,):
            samples = honest.copy()
            where = random.permutation(n)[:count]
            samples[where] = spoil(training.images[random.permutation(len(training))[:count]])
            result = copies(samples, training.images, held_out)
            hit = len(set(where) & set(result.near))
            called = "yes" if result.certain or result.chance < SUSPICIOUS else "no"
            name = kind if count else "nothing"
            print(
                f"| {name} | {count} | {hit} | {result.certain} | {result.chance:.1g} | {called} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
