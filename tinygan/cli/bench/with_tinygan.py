"""The workloads as programs for tinygan."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygan as tg
from tinygan import nn, optim
from tinygan.backend.cuda.precision import NAMED
from tinygan.cli.bench.workloads import (
    BATCHES,
    BETAS,
    DOUBLE,
    EPS,
    LEARNING_RATE,
    Arrays,
    Place,
    arrays,
)
from tinygan.nn import functional as F

NODE = re.compile(r"graph_\d+_node_\d+")  # as CUDA names them
BY_CUDNN = "tinygan by cuDNN"
VARIANTS = {"tinygan": True, "tinygan eager": False, BY_CUDNN: True}  # whether it is compiled


def networks(name: str) -> tuple[nn.Module, nn.Module]:
    """G and D; G has no layers where there is none."""
    leaky = nn.LeakyReLU(0.2)
    if name == "classifier":
        return nn.Sequential(), nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if name == "toy":
        return (
            nn.Sequential(
                nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
            ),
            nn.Sequential(nn.Linear(2, 128), leaky, nn.Linear(128, 128), leaky, nn.Linear(128, 1)),
        )
    if name == "mlp":
        layers: list[nn.Module] = [nn.Linear(100, 128), leaky]
        for inner, outer in ((128, 256), (256, 512), (512, 1024)):
            layers += [nn.Linear(inner, outer), nn.BatchNorm1d(outer, 0.8), leaky]
        return (
            nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh()),
            nn.Sequential(
                nn.Linear(784, 512), leaky, nn.Linear(512, 256), leaky, nn.Linear(256, 1),
                nn.Sigmoid(),
            ),
        )  # fmt: skip
    if name in ("dcgan28", "wgan-gp"):
        generator = nn.Sequential(
            nn.Linear(100, 128 * 49), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip
        norm = [nn.BatchNorm2d(128)] if name == "dcgan28" else []
        return generator, nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1, bias=False), leaky,
            nn.Conv2d(64, 128, 4, 2, 1, bias=False), *norm, leaky,
            nn.Flatten(), nn.Linear(128 * 49, 1),
        )  # fmt: skip
    up: list[nn.Module] = [
        nn.ConvTranspose2d(100, 512, 4, 1, 0, bias=False), nn.BatchNorm2d(512), nn.ReLU()
    ]  # fmt: skip
    down: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), leaky]
    for inner, outer in ((512, 256), (256, 128), (128, 64)):
        up += [nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer)]
        up.append(nn.ReLU())
    for inner, outer in ((64, 128), (128, 256), (256, 512)):
        down += [nn.Conv2d(inner, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer), leaky]
    return (
        nn.Sequential(*up, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()),
        nn.Sequential(*down, nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Flatten()),
    )


def build(name: str, variant: str, place: Place) -> Callable[[int], Any]:
    """The step of a workload: batch number -> losses."""
    device = place.device
    tg.set_num_threads(place.threads)
    tg.allow_cudnn(variant == BY_CUDNN)
    tg.allow_tf32(NAMED.get(place.precision, False))
    G, D = networks(name)
    given = arrays(name)
    if place.precision == DOUBLE:
        G, D = G.double(), D.double()
        wide = [[x.astype(float) if x.dtype.kind == "f" else x for x in xs] for xs in given]
        given = Arrays(*wide)
    with tg.no_grad():
        for network, values in ((G, given.generator), (D, given.discriminator)):
            for p, value in zip(network.parameters(), values, strict=False):
                p.copy_(tg.tensor(value))
    G, D = G.to(device), D.to(device)
    real, noise, mixing, labels = (
        [tg.tensor(x, device=device) for x in xs]
        for xs in (given.real, given.noise, given.mixing, given.labels)
    )
    batch = len(real[0])
    like: dict[str, Any] = {"dtype": real[0].dtype, "device": device}
    ones, zeros = tg.ones(batch, 1, **like), tg.zeros(batch, 1, **like)
    d_optimizer = optim.Adam(D.parameters(), LEARNING_RATE, BETAS, EPS)
    loss = F.binary_cross_entropy if name == "mlp" else F.binary_cross_entropy_with_logits

    def classify(x: tg.Tensor, y: tg.Tensor) -> Any:
        d_optimizer.zero_grad()
        error = F.cross_entropy(D(x), y)
        error.backward()
        d_optimizer.step()
        return (error,)

    def criticise(x: tg.Tensor, fake: tg.Tensor, mix: tg.Tensor) -> Any:
        d_optimizer.zero_grad()
        between = (mix * x + (1 - mix) * fake).requires_grad_()
        (slope,) = tg.autograd.grad(D(between).sum(), between, create_graph=True)
        assert slope is not None
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        error = D(fake).mean() - D(x).mean() + 10 * penalty
        error.backward()
        d_optimizer.step()
        return (error,)

    def play(x: tg.Tensor, z: tg.Tensor) -> Any:
        fake = G(z)
        d_optimizer.zero_grad()
        d_error = loss(D(x), ones) + loss(D(fake.detach()), zeros)
        d_error.backward()
        d_optimizer.step()
        g_error = loss(D(fake), ones)
        gradients = tg.autograd.grad(g_error, G.parameters())
        g_optimizer.update(gradients)
        return d_error, g_error

    step: Callable[..., Any]
    inputs: tuple[list[tg.Tensor], ...]
    if name == "classifier":
        step, inputs = classify, (real, labels)
    elif name == "wgan-gp":
        step, inputs = criticise, (real, noise, mixing)
    else:
        g_optimizer = optim.Adam(G.parameters(), LEARNING_RATE, BETAS, EPS)
        step, inputs = play, (real, noise)
    if place.precision == "bfloat16":
        step = tg.autocast(device, tg.bfloat16)(step)
    if VARIANTS[variant]:
        step = tg.compile(step)

    def run(number: int) -> Any:
        return step(*[xs[number % BATCHES] for xs in inputs])

    run.step = step  # type: ignore[attr-defined]
    return run


def launches(run: Any) -> dict[str, int] | None:
    """What a recorded step on a GPU is started by: its graphs, and the operations between them.

    `kernels` are the nodes of the graphs. None for a step that is not recorded.
    """
    from tinygan.backend.cuda.graph import Tape

    programs = [found.program for found in getattr(run.step, "programs", {}).values() if found]
    if not programs:
        return None
    steps = programs[-1].steps
    graphs = [s.args[0] for s in steps if isinstance(getattr(s.func, "__self__", None), Tape)]
    nodes = sum(len(set(NODE.findall(graph.debug_dot_str()))) for graph in graphs)
    return {"kernels": nodes, "graphs": len(graphs), "from_python": len(steps) - len(graphs)}


def version() -> str:
    return f"{tg.__version__} (NumPy {np.__version__})"
