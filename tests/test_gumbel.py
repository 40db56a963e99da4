"""F.gumbel_softmax: what it samples, in which shape, and what its gradient is."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F


@pytest.fixture(autouse=True)
def _seeded() -> None:
    tinygan.manual_seed(0)


def test_classes_come_as_often_as_their_logits_say(device: str) -> None:
    shares = np.array([0.1, 0.2, 0.7])
    logits = tinygan.tensor(np.log(shares), device=device).expand(20_000, 3)
    drawn = F.gumbel_softmax(logits, hard=True)
    assert sorted(set(drawn.cpu().numpy().round(6).ravel().tolist())) == [0, 1]
    np.testing.assert_allclose(drawn.mean(0).cpu().numpy(), shares, atol=0.015)


def test_soft_samples_sum_to_one_and_harden_as_tau_falls() -> None:
    logits = tinygan.randn(500, 4)
    largest = []
    for tau in (5.0, 0.5, 0.05):
        y = F.gumbel_softmax(logits, tau)
        np.testing.assert_allclose(y.sum(1).numpy(), 1, rtol=1e-5)
        largest.append(y.max(1)[0].mean().item())
    assert largest == sorted(largest) and largest[0] < 0.5 and largest[-1] > 0.95
    assert F.gumbel_softmax(logits, dim=0).sum(0).shape == (4,)


def test_the_gradient_of_a_hard_sample_is_that_of_the_soft_one() -> None:
    logits = tinygan.randn(6, 3, dtype=tinygan.float64, requires_grad=True)
    weight = tinygan.randn(6, 3, dtype=tinygan.float64)
    gradients = []
    for hard in (False, True):
        tinygan.manual_seed(1)
        y = F.gumbel_softmax(logits, 0.7, hard)
        gradients.append(tinygan.autograd.grad((y * weight).sum(), logits)[0].numpy())
    np.testing.assert_allclose(*gradients)
    assert np.abs(gradients[0]).min() > 0
