"""The workloads as programs for PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tinygan.cli.bench.workloads import BATCHES, BETAS, EPS, LEARNING_RATE, Place, arrays

WARM = 3  # steps before a capture

# Whether the memory is channels-last, and how the step is compiled
VARIANTS: dict[str, tuple[bool, str]] = {
    "torch eager": (False, ""),
    "torch eager channels-last": (True, ""),
    "torch.compile": (False, "modules"),
    "torch.compile step": (False, "step"),
    "torch CUDA graph": (False, "graph"),
    "torch CUDA graph channels-last": (True, "graph"),
}


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
    """The step of a workload: batch number -> losses.

    On a GPU products and convolutions are both exact (beside our TF32X3 too), or both in TF32
    (PyTorch's defaults are one of each), or autocast to bfloat16; cuDNN tries its algorithms and
    takes the fastest.
    """
    G: Any
    D: Any
    torch.set_num_threads(place.threads)
    torch.backends.cuda.matmul.allow_tf32 = place.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = place.precision == "tf32"
    halves = torch.autocast(place.device, torch.bfloat16, place.precision == "bfloat16")
    torch.backends.cudnn.benchmark = True
    last, compiled = VARIANTS[variant]
    G, D = networks(name)
    given = arrays(name)
    with torch.no_grad():
        for network, values in ((G, given.generator), (D, given.discriminator)):
            for p, value in zip(network.parameters(), values, strict=False):
                p.copy_(torch.tensor(value))
    G, D = G.to(place.device), D.to(place.device)
    real, noise, mixing, labels = (
        [torch.tensor(x, device=place.device) for x in xs]
        for xs in (given.real, given.noise, given.mixing, given.labels)
    )
    if last:
        G, D = (network.to(memory_format=torch.channels_last) for network in (G, D))
        real = [x.to(memory_format=torch.channels_last) for x in real]
    ones = torch.ones(len(real[0]), 1, device=place.device)
    zeros = torch.zeros(len(real[0]), 1, device=place.device)
    options: dict[str, Any] = {"lr": LEARNING_RATE, "betas": BETAS, "eps": EPS, "fused": True}
    options["capturable"] = compiled == "graph"
    d_optimizer = torch.optim.Adam(D.parameters(), **options)
    loss = F.binary_cross_entropy if name == "mlp" else F.binary_cross_entropy_with_logits
    if compiled == "modules" and name != "wgan-gp":  # cannot be differentiated twice
        G, D = torch.compile(G), torch.compile(D)

    def classify(x: torch.Tensor, y: torch.Tensor) -> Any:
        d_optimizer.zero_grad()
        with halves:
            error = F.cross_entropy(D(x), y)
        error.backward()
        d_optimizer.step()
        return (error.detach(),)

    def criticise(x: torch.Tensor, fake: torch.Tensor, mix: torch.Tensor) -> Any:
        d_optimizer.zero_grad()
        between = (mix * x + (1 - mix) * fake).requires_grad_()
        with halves:
            total = D(between).sum()
        (slope,) = torch.autograd.grad(total, between, create_graph=True)
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        with halves:
            error = D(fake).mean() - D(x).mean() + 10 * penalty
        error.backward()
        d_optimizer.step()
        return (error.detach(),)

    def play(x: torch.Tensor, z: torch.Tensor) -> Any:
        d_optimizer.zero_grad()
        with halves:
            fake = G(z)
            d_error = loss(D(x), ones) + loss(D(fake.detach()), zeros)
        d_error.backward()
        d_optimizer.step()
        with halves:
            g_error = loss(D(fake), ones)
        for p, g in zip(g_parameters, torch.autograd.grad(g_error, g_parameters), strict=True):
            p.grad = g
        g_optimizer.step()
        return d_error.detach(), g_error.detach()

    step: Callable[..., Any]
    inputs: tuple[list[torch.Tensor], ...]
    if name == "classifier":
        step, inputs = classify, (real, labels)
    elif name == "wgan-gp":
        step, inputs = criticise, (real, noise, mixing)
    else:
        g_parameters = list(G.parameters())
        g_optimizer = torch.optim.Adam(g_parameters, **options)
        step, inputs = play, (real, noise)
    if compiled == "step":
        step = torch.compile(step)
    elif compiled == "graph":
        step = captured(step, [xs[0] for xs in inputs])

    def run(number: int) -> Any:
        return step(*[xs[number % BATCHES] for xs in inputs])

    return run


def captured(step: Callable[..., Any], inputs: list[torch.Tensor]) -> Callable[..., Any]:
    """The step as a CUDA graph; the first ones warm it up, as they have to."""
    own = [x.clone() for x in inputs]
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    warm, results = 0, None

    def replay(*given: torch.Tensor) -> Any:
        nonlocal warm, results
        for x, y in zip(own, given, strict=True):
            x.copy_(y)
        if warm < WARM:
            warm += 1
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                found = step(*own)
            torch.cuda.current_stream().wait_stream(stream)
            return found
        if results is None:
            with torch.cuda.graph(graph):
                results = step(*own)
        graph.replay()
        return results

    return replay


def launches(run: Callable[[int], Any]) -> dict[str, int] | None:
    """The kernels of a step that PyTorch's profiler sees, with copies and fillings."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        run(0)
        torch.cuda.synchronize()
    on_device = [e for e in found.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    return {"kernels": len(on_device)} if on_device else None


def version() -> str:
    return str(torch.__version__)
