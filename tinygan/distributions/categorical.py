"""The distribution over classes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from tinygan.autograd import Tensor, no_grad
from tinygan.distributions.distribution import Distribution, one_of, within
from tinygan.ops import broadcast_tensors, logsumexp, multinomial, softmax


class Categorical(Distribution):
    """Class i of (..., K) with probability probs_i, or proportional to exp(logits_i)."""

    def __init__(self, probs: Tensor | None = None, logits: Tensor | None = None) -> None:
        one_of("Categorical", probs, logits)
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
            self.logits = within(self.probs).log()
        elif logits is not None:
            self.logits = logits - logsumexp(logits, -1, keepdim=True)
            self.probs = softmax(self.logits, -1)
        if not self.probs.ndim:
            raise ValueError("Categorical: expected one dimension or more, the last over classes")
        super().__init__(self.probs.shape[:-1])

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Classes as int64, of shape sample_shape + batch_shape."""
        with no_grad():
            table = self.probs.reshape(-1, self.probs.shape[-1])
            drawn = multinomial(table, prod(sample_shape), True)
            return drawn.t().reshape(self._extended(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """logits_x, normalised."""
        index, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum_i p_i log p_i."""
        lowest = float(np.finfo(self.logits.dtype).min)
        return -(self.probs * self.logits.clamp(min=lowest)).sum(-1)
