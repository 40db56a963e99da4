"""compile: a function that is recorded once and replayed afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan import nn, optim
from tinygan.autograd.program import share_out
from tinygan.autograd.trace import Buffer
from tinygan.nn import functional as F


def networks(kind: str) -> tuple[nn.Module, nn.Module, tuple[int, ...]]:
    """A generator from 8 numbers, a discriminator, and the shape of what they are about."""
    if kind == "dense":
        generator = nn.Sequential(
            nn.Linear(8, 33), nn.BatchNorm1d(33), nn.ReLU(), nn.Linear(33, 5), nn.Tanh()
        )
        discriminator = nn.Sequential(
            nn.Linear(5, 33), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(33, 1)
        )
        return generator, discriminator, (5,)
    generator = nn.Sequential(
        nn.Linear(8, 16 * 4 * 4),
        nn.Unflatten(1, (16, 4, 4)),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 4, 2, 1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.GroupNorm(4, 16),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 1),
    )
    return generator, discriminator, (3, 8, 8)


def game(
    kind: str, penalty: bool, device: str = "cpu"
) -> tuple[Callable[..., Any], list[Any], tuple[int, ...]]:
    """A training step, what it changes, and the shape of real data."""
    tinygan.manual_seed(3)
    G, D, shape = networks(kind)
    G.to(device), D.to(device)
    g_optimizer = optim.Adam(G.parameters(), 1e-3, (0.5, 0.9))
    d_optimizer = optim.RMSprop(D.parameters(), 1e-3, momentum=0.5)
    average = optim.EMA(G, 0.9)

    def step(real: tinygan.Tensor) -> Any:
        fake = G(tinygan.randn(len(real), 8, device=device))
        d_optimizer.zero_grad()
        loss = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
        if penalty:
            mix = ((real + fake.detach()) / 2).requires_grad_()
            (g,) = tinygan.autograd.grad(D(mix).sum(), mix, create_graph=True)
            assert g is not None
            loss = loss + (((g * g).flatten(1).sum(1) + 1e-8).sqrt() - 1).square().mean()
        loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        g_loss = F.softplus(-D(fake)).mean()
        g_loss.backward()
        g_optimizer.step()
        average.update()
        return {"d": loss.detach(), "g": (g_loss.detach(), None)}

    return step, [G, D, average, g_optimizer, d_optimizer], shape


def numbers(state: Any) -> list[np.ndarray]:
    """All arrays in a state, in order."""
    if isinstance(state, tinygan.Tensor):
        return [state.detach().cpu().numpy().copy()]
    if isinstance(state, dict):
        return [x for value in state.values() for x in numbers(value)]
    return []


@pytest.mark.parametrize("kind", ["dense", "images"])
@pytest.mark.parametrize("penalty", [False, True])
def test_a_replayed_step_is_the_step(kind: str, penalty: bool, device: str) -> None:
    """The same bits: losses, weights, gradients, moments, optimizers and random numbers."""
    results = []
    for how in (lambda f: f, tinygan.compile):
        step, parts, shape = game(kind, penalty, device)
        step = how(step)
        rng = np.random.default_rng(0)
        tinygan.manual_seed(4)
        losses = []
        for _ in range(6):
            numbers_of_it = rng.standard_normal((12, *shape)).astype(np.float32)
            real = tinygan.tensor(numbers_of_it, device=device)
            result = step(real)
            losses += [float(result["d"]), float(result["g"][0])]
            assert result["g"][1] is None
        gradients = [p.grad for p in parts[1].parameters()]
        state = [numbers(part.state_dict()) for part in parts] + [numbers(g) for g in gradients]
        results.append((losses, state, tinygan.get_rng_state(device).cpu().numpy()))
    (losses, state, random), (replayed, other_state, other_random) = results
    assert losses == replayed
    for xs, ys in zip(state, other_state, strict=True):
        for x, y in zip(xs, ys, strict=True):
            np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(random, other_random)


def test_learning_rates_are_read_anew() -> None:
    w = nn.Parameter(tinygan.zeros(3))
    optimizer = optim.SGD([w], 1.0)

    @tinygan.compile
    def step() -> None:
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()

    for _ in range(4):
        step()
    assert w.tolist() == [-4] * 3
    optimizer.param_groups[0]["lr"] = 10.0
    step()
    assert w.tolist() == [-14] * 3


def test_every_kind_of_argument_has_its_own_record() -> None:
    calls = []

    @tinygan.compile
    def double(x: tinygan.Tensor, times: int = 2) -> tinygan.Tensor:
        calls.append(tuple(x.shape))
        return x * times

    for _ in range(4):
        for n in (2, 3):
            assert double(tinygan.ones(n)).tolist() == [2] * n
        assert double(tinygan.ones(2), times=5).tolist() == [5, 5]
        assert double(tinygan.ones(2, dtype=tinygan.float64)).dtype == np.float64
    assert len(calls) == 2 * 4


def test_results_are_copies_and_arguments_may_be_anywhere() -> None:
    @tinygan.compile
    def f(x: tinygan.Tensor) -> tinygan.Tensor:
        return (x + 1)[::2]

    data = tinygan.arange(40.0).reshape(5, 8)
    kept = [f(data[i]) for i in range(5)]
    for i in range(5):
        assert kept[i].tolist() == [8 * i + j + 1 for j in range(0, 8, 2)]
    assert f(data[:, 3].contiguous()[None, :5].expand(2, 5)[0]).shape == (3,)


def test_changed_weights_are_seen_and_versions_count() -> None:
    w = nn.Parameter(tinygan.ones(2))
    count = tinygan.zeros(())

    @tinygan.compile
    def f(x: tinygan.Tensor) -> tinygan.Tensor:
        with tinygan.no_grad():
            count.add_(1)
        return (w * x).sum()

    x = tinygan.ones(2)
    for _ in range(4):
        f(x)
    with tinygan.no_grad():
        w.mul_(3)
    y = (count * count.detach().requires_grad_()).sum()
    assert float(f(x)) == 6 and float(count) == 5
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_reading_a_value_back_is_refused() -> None:
    @tinygan.compile
    def f(x: tinygan.Tensor) -> tinygan.Tensor:
        return x * float(x.sum())

    f(tinygan.ones(2))
    with pytest.raises(RuntimeError, match="reads a value"):
        f(tinygan.ones(2))


def test_buffers_share_memory_only_when_they_may() -> None:
    rng = np.random.default_rng(1)
    buffers = []
    for _ in range(200):
        first = int(rng.integers(100))
        buffer = Buffer(None, int(rng.integers(1, 5000)), first)
        buffer.last = first + int(rng.integers(1, 9))
        buffers.append(buffer)
    offsets, size = share_out(buffers)
    for i, a in enumerate(buffers):
        assert offsets[i] % 64 == 0 and offsets[i] + a.size <= size
        for j, b in enumerate(buffers[:i]):
            together = a.first <= b.last and b.first <= a.last
            apart = offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]
            assert apart or not together
    assert size < sum(buffer.size for buffer in buffers) / 5


def test_without_kernels_a_step_is_replayed_by_numpy() -> None:
    script = (
        "import sys, tinygan\n"
        "f = tinygan.compile(lambda x: (x * 2 + 1).relu().sum())\n"
        "print([float(f(tinygan.full((3,), float(i)))) for i in range(4)])\n"
        "print('numba' in sys.modules)\n"
    )
    environment = {**os.environ, "TINYGAN_KERNELS": "reference"}
    output = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert output.stdout == "[3.0, 9.0, 15.0, 21.0]\nFalse\n"
