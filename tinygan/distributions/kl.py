"""The Kullback-Leibler divergence of two distributions of one family."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygan.autograd import Tensor
from tinygan.distributions.bernoulli import Bernoulli
from tinygan.distributions.categorical import Categorical
from tinygan.distributions.distribution import Distribution
from tinygan.distributions.normal import Normal
from tinygan.distributions.one_hot_categorical import OneHotCategorical
from tinygan.distributions.uniform import Uniform
from tinygan.ops import softplus, where


def _normal(p: Normal, q: Normal) -> Tensor:
    """(r + d^2 - 1 - log r) / 2, r the ratio of the variances, d the distance in scales of q."""
    ratio = (p.scale / q.scale).square()
    distance = ((p.loc - q.loc) / q.scale).square()
    return 0.5 * (ratio + distance - 1 - ratio.log())


def _uniform(p: Uniform, q: Uniform) -> Tensor:
    """log of the ratio of the widths, infinite where p reaches out of q."""
    inside = (q.low <= p.low) & (p.high <= q.high)
    return where(inside, ((q.high - q.low) / (p.high - p.low)).log(), math.inf)


def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    """p (log p - log q) + (1 - p) (log(1 - p) - log(1 - q))."""
    ones = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    return ones + (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))


def _categorical(p: Any, q: Any) -> Tensor:
    """sum_i p_i (log p_i - log q_i)."""
    return (p.probs * (p.logits - q.logits)).sum(-1)


_KNOWN: dict[type[Distribution], Callable[[Any, Any], Tensor]] = {
    Normal: _normal,
    Uniform: _uniform,
    Bernoulli: _bernoulli,
    Categorical: _categorical,
    OneHotCategorical: _categorical,
}


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """E_p[log p(x) - log q(x)] in nats, of shape batch_shape."""
    known = _KNOWN.get(type(p))
    if known is None or type(q) is not type(p):
        raise NotImplementedError(
            f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; expected "
            f"two of {', '.join(t.__name__ for t in _KNOWN)}"
        )
    return known(p, q)
