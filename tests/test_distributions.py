"""Draws from distributions: their frequencies, shapes, types, devices and gradients."""

from __future__ import annotations

import numpy as np

import tinygan
from tinygan.distributions import Bernoulli, Categorical, Normal, OneHotCategorical, Uniform


def test_draws_have_the_moments_of_their_distribution(device: str) -> None:
    tinygan.manual_seed(0)
    loc, scale = (tinygan.tensor(a, device=device) for a in ([-1.0, 2.0], [0.5, 3.0]))
    for p in (Normal(loc, scale), Uniform(loc, loc + scale), Bernoulli((loc / 4).abs())):
        x = p.sample((20000,))
        assert x.shape == (20000, 2) and x.device == device and not x.requires_grad
        np.testing.assert_allclose(x.mean(0).cpu().numpy(), p.mean.cpu().numpy(), atol=0.08)
        np.testing.assert_allclose(x.std(0).cpu().numpy(), p.stddev.cpu().numpy(), rtol=0.05)


def test_classes_come_as_often_as_they_should(device: str) -> None:
    tinygan.manual_seed(0)
    probs = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    p = Categorical(tinygan.tensor(probs * 3, device=device))
    x = p.sample((5000, 2)).cpu()
    assert x.shape == (5000, 2, 2) and x.dtype == tinygan.int64
    for row in range(2):
        counts = np.bincount(x[..., row].numpy().ravel(), minlength=3) / 10000
        np.testing.assert_allclose(counts, probs[row], atol=0.02)


def test_unit_vectors_are_classes() -> None:
    tinygan.manual_seed(0)
    p = OneHotCategorical(tinygan.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
    x = p.sample((4,))
    assert x.dtype == tinygan.float32 and x.shape == (4, 2, 3)
    assert (x == tinygan.tensor([[0, 1, 0], [0, 0, 1]])).all().item()


def test_gradients_flow_through_draws() -> None:
    tinygan.manual_seed(0)
    loc = tinygan.tensor([1.0, 2.0], requires_grad=True)
    scale = tinygan.tensor([0.5, 1.5], requires_grad=True)
    for p in (Normal(loc, scale), Uniform(loc, loc + scale)):
        loc.grad = scale.grad = None
        x = p.rsample((7,))
        x.sum().backward()
        assert loc.grad.tolist() == [7, 7]
        z = (x - loc) / scale
        np.testing.assert_allclose(scale.grad.numpy(), z.detach().sum(0).numpy(), atol=1e-5)
        assert not p.sample().requires_grad


def test_types_are_kept_and_numbers_follow() -> None:
    wide = Normal(tinygan.zeros(2, dtype=tinygan.float64), 2)
    assert wide.scale.dtype == wide.sample().dtype == wide.entropy().dtype == tinygan.float64
    assert Normal(0, 1).sample((3,)).dtype == tinygan.float32


def test_a_recorded_step_draws_anew() -> None:
    p = Normal(tinygan.zeros(4), 1.0)

    @tinygan.compile
    def step(x: tinygan.Tensor) -> tinygan.Tensor:
        return x + p.sample()

    draws = [step(tinygan.ones(4)).numpy().copy() for _ in range(5)]
    assert len({tuple(x) for x in draws}) == 5
