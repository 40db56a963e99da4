"""Distributions against PyTorch's: densities, moments, divergences and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare, same  # noqa: E402

import tinygan  # noqa: E402
import tinygan.distributions  # noqa: E402

random = np.random.default_rng(0)
X = random.uniform(-0.4, 0.9, (4, 3))
LOC, SCALE = random.standard_normal((2, 4, 3)), random.uniform(0.5, 2, (2, 4, 3))
LOGITS = random.standard_normal((2, 4, 3))
PROBS = random.uniform(0.1, 0.9, (2, 4, 3))

OF_ONE: dict[str, Callable[..., Any]] = {
    "Normal": lambda d, a, b: d.Normal(a, b.exp()),
    "Uniform": lambda d, a, b: d.Uniform(a - 3, a + 3 + b.exp()),
    "Bernoulli logits": lambda d, a, b: d.Bernoulli(logits=a),
    "Bernoulli probs": lambda d, a, b: d.Bernoulli(a.sigmoid()),
    "Categorical logits": lambda d, a, b: d.Categorical(logits=a),
    "Categorical probs": lambda d, a, b: d.Categorical(a.exp()),
    "OneHotCategorical logits": lambda d, a, b: d.OneHotCategorical(logits=a),
}


@pytest.mark.parametrize("name", OF_ONE)
def test_densities_and_moments(name: str) -> None:
    discrete, classes = name[0] in "BCO", name[0] in "CO"
    value = random.integers(0, 2, (4,) if name[0] == "C" else (4, 3)) if discrete else X
    if name[0] == "O":
        value = np.eye(3)[[0, 2, 1, 2]]

    def properties(lib: Any, a: Any, b: Any) -> list[Any]:
        p = OF_ONE[name](lib.distributions, a, b)
        at = lib.tensor(value).to(a.dtype)
        result = [p.log_prob(at), p.entropy()]
        if name[0] != "C":
            result += [p.mean, p.variance, p.stddev]
        if not discrete:
            result.append(p.cdf(at))
        if discrete:
            result += [p.probs, p.logits]
        assert tuple(p.batch_shape) == ((4,) if classes else (4, 3))
        return result

    compare(properties, LOC[0], LOGITS[0])
    compare(properties, LOC[0].astype("float32"), LOGITS[0].astype("float32"), order=1)


@pytest.mark.parametrize("name", OF_ONE)
def test_divergences(name: str) -> None:
    def divergence(lib: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        make = OF_ONE[name]
        return lib.distributions.kl_divergence(
            make(lib.distributions, a, b), make(lib.distributions, a * 0.1 + c, b + d.exp())
        )

    near = 0.01 * LOC[1]
    compare(divergence, near, LOGITS[0], near, LOGITS[1])


def test_the_loss_of_a_variational_autoencoder() -> None:
    def loss(lib: Any, mu: Any, logvar: Any) -> Any:
        d = lib.distributions
        return d.kl_divergence(d.Normal(mu, (0.5 * logvar).exp()), d.Normal(0.0, 1.0)).sum()

    compare(loss, LOC[0], LOGITS[0])
    compare(lambda lib, mu, logvar: -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(),
            LOC[0], LOGITS[0])  # fmt: skip


def test_numbers_and_values_outside() -> None:
    for lib in (tinygan, torch):
        assert lib.distributions.Normal(0.0, 1.0).sample().shape == ()
        assert lib.distributions.Normal(lib.zeros(2, 1), lib.ones(3)).sample((5,)).shape == (
            5,
            2,
            3,
        )
    results = []
    for lib in (tinygan, torch):
        options = {} if lib is tinygan else {"validate_args": False}
        p = lib.distributions.Uniform(lib.tensor([0.0, 1.0]), 2.0, **options)
        q = lib.distributions.Uniform(lib.tensor([0.0, 0.0]), 1.5, **options)
        results.append((p.log_prob(lib.tensor([2.0, 1.0])), lib.distributions.kl_divergence(p, q)))
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, "outside")
    classes = [lib.distributions.Categorical(lib.ones(2, 3)).log_prob(lib.tensor([[0], [2]]))
               for lib in (tinygan, torch)]  # fmt: skip
    same(*classes, "broadcast")


@pytest.mark.parametrize("lib", [tinygan, torch])
def test_misuse(lib: Any) -> None:
    d = lib.distributions
    for make in (d.Bernoulli, d.Categorical):
        with pytest.raises(ValueError, match=r"[Ee]ither"):
            make()
        with pytest.raises(ValueError, match=r"[Ee]ither"):
            make(probs=lib.ones(2), logits=lib.ones(2))
        with pytest.raises(NotImplementedError):
            make(lib.tensor([0.5, 0.5])).rsample()
    with pytest.raises(ValueError, match="dimension"):
        d.Categorical(lib.tensor(1.0))
    with pytest.raises(NotImplementedError):
        d.kl_divergence(d.Normal(0.0, 1.0), d.Bernoulli(0.5))
