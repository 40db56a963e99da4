"""The Bernoulli distribution."""

from __future__ import annotations

from collections.abc import Sequence

from tinygan.autograd import Tensor, no_grad
from tinygan.distributions.distribution import Indicators, broadcast, one_of, within
from tinygan.ops import bernoulli, sigmoid, softplus


class Bernoulli(Indicators):
    """1 with probability `probs` = sigmoid(`logits`), else 0; given by either of them."""

    def __init__(
        self, probs: Tensor | float | None = None, logits: Tensor | float | None = None
    ) -> None:
        one_of("Bernoulli", probs, logits)
        if probs is not None:
            (self.probs,) = broadcast(probs)
            p = within(self.probs)
            self.logits = p.log() - (-p).log1p()
        elif logits is not None:
            (self.logits,) = broadcast(logits)
            self.probs = sigmoid(self.logits)
        super().__init__(self.probs.shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return bernoulli(self.probs.expand(self._extended(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """x logit - softplus(logit)."""
        return value * self.logits - softplus(self.logits)

    def entropy(self) -> Tensor:
        """softplus(logit) - p logit."""
        return softplus(self.logits) - self.probs * self.logits
