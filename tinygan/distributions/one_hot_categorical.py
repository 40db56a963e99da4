"""The distribution over classes, as vectors with a single one."""

from __future__ import annotations

from collections.abc import Sequence

from tinygan.autograd import Tensor
from tinygan.distributions.categorical import Categorical
from tinygan.distributions.distribution import Indicators
from tinygan.ops import one_hot


class OneHotCategorical(Indicators):
    """The i-th unit vector of (..., K) with probability probs_i; given as `Categorical` is."""

    def __init__(self, probs: Tensor | None = None, logits: Tensor | None = None) -> None:
        self.classes = Categorical(probs, logits)
        self.probs, self.logits = self.classes.probs, self.classes.logits
        super().__init__(self.classes.batch_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Vectors of shape sample_shape + batch_shape + (K,), in the type of the probabilities."""
        drawn = self.classes.sample(sample_shape)
        return one_hot(drawn, self.probs.shape[-1]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """logits_i of the place i of the largest number of a vector."""
        return self.classes.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        """-sum_i p_i log p_i."""
        return self.classes.entropy()
