"""The training steps that are timed: their networks' initial weights and their data, as arrays.

Every framework gets the same arrays, so that its first losses can be compared. Weights are listed
in PyTorch's order and shapes: linear (out, in), convolution (out, in, h, w), transposed (in, out,
h, w), with the biases and the affine parameters of batch normalisation where the network has them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BATCHES = 4  # of real data, noise and mixing numbers, which are taken in turns
EXACT = "float32"  # precision; the others are "tf32x3", "tf32" and "bfloat16"
DOUBLE = "float64"  # for comparison: not only products, all of a step
LEARNING_RATE, BETAS, EPS = 2e-4, (0.5, 0.999), 1e-8


class Place(NamedTuple):
    """Where and how a step is computed: threads are of the CPU, the precision is of the GPU."""

    device: str = "cpu"
    threads: int = 1
    precision: str = EXACT


class Workload(NamedTuple):
    """A step: what it does, its batch size, the shapes of real data and of noise."""

    text: str
    batch: int
    data: tuple[int, ...]
    noise: tuple[int, ...]


WORKLOADS = {
    "classifier": Workload("784-128-10 ReLU classifier, Adam", 32, (784,), ()),
    "toy": Workload("2-128-128-2 ReLU G, 2-128-128-1 leaky D", 256, (2,), (2,)),
    "mlp": Workload("PyTorch-GAN's gan.py", 64, (784,), (100,)),
    "dcgan28": Workload("two and two convolutions, width 64", 64, (1, 28, 28), (100,)),
    "wgan-gp": Workload("critic step with gradient penalty", 64, (1, 28, 28), ()),
    "dcgan64": Workload("DCGAN of 64 x 64 pixels, width 64", 64, (3, 64, 64), (100, 1, 1)),
}


class Arrays(NamedTuple):
    """What a workload starts with."""

    generator: list[np.ndarray]
    discriminator: list[np.ndarray]
    real: list[np.ndarray]
    noise: list[np.ndarray]
    labels: list[np.ndarray]  # of the classifier
    mixing: list[np.ndarray]  # of the gradient penalty


def arrays(name: str) -> Arrays:
    """The weights and batches of a workload, the same in every process."""
    random = np.random.default_rng(0)
    workload = WORKLOADS[name]

    def linear(inner: int, outer: int) -> list[np.ndarray]:
        k = inner**-0.5
        return [
            random.uniform(-k, k, shape).astype(np.float32) for shape in ((outer, inner), (outer,))
        ]

    def convolution(first: int, second: int) -> list[np.ndarray]:
        return [random.normal(0, 0.02, (first, second, 4, 4)).astype(np.float32)]

    def norm(channels: int) -> list[np.ndarray]:
        return [np.ones(channels, np.float32), np.zeros(channels, np.float32)]

    generator: list[np.ndarray] = []
    if name == "classifier":
        discriminator = [*linear(784, 128), *linear(128, 10)]
    elif name == "toy":
        generator = [*linear(2, 128), *linear(128, 128), *linear(128, 2)]
        discriminator = [*linear(2, 128), *linear(128, 128), *linear(128, 1)]
    elif name == "mlp":
        generator = [*linear(100, 128)]
        for inner, outer in ((128, 256), (256, 512), (512, 1024)):
            generator += [*linear(inner, outer), *norm(outer)]
        generator += linear(1024, 784)
        discriminator = [*linear(784, 512), *linear(512, 256), *linear(256, 1)]
    elif name == "dcgan28":
        generator = [*linear(100, 128 * 49), *norm(128), *convolution(128, 64), *norm(64)]
        generator += convolution(64, 1)
        discriminator = [*convolution(64, 1), *convolution(128, 64), *norm(128)]
        discriminator += linear(128 * 49, 1)
    elif name == "wgan-gp":
        discriminator = [*convolution(64, 1), *convolution(128, 64), *linear(128 * 49, 1)]
    else:
        generator = [*convolution(100, 512), *norm(512)]
        for inner, outer in ((512, 256), (256, 128), (128, 64)):
            generator += [*convolution(inner, outer), *norm(outer)]
        generator += convolution(64, 3)
        discriminator = convolution(64, 3)
        for inner, outer in ((64, 128), (128, 256), (256, 512)):
            discriminator += [*convolution(outer, inner), *norm(outer)]
        discriminator += convolution(1, 512)

    def batches(shape: tuple[int, ...]) -> list[np.ndarray]:
        return [
            random.standard_normal((workload.batch, *shape)).astype(np.float32)
            for _ in range(BATCHES)
        ]

    ones = (1,) * len(workload.data)
    return Arrays(
        generator,
        discriminator,
        batches(workload.data),
        batches(workload.data if name == "wgan-gp" else workload.noise),
        [random.integers(0, 10, workload.batch) for _ in range(BATCHES)],
        [random.random((workload.batch, *ones)).astype(np.float32) for _ in range(BATCHES)],
    )
