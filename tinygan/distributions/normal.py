"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinygan.autograd import Tensor
from tinygan.distributions.distribution import Distribution, broadcast
from tinygan.ops import randn


class Normal(Distribution):
    """N(loc, scale^2), of each element."""

    has_rsample = True

    def __init__(self, loc: Tensor | float, scale: Tensor | float) -> None:
        self.loc, self.scale = broadcast(loc, scale)
        super().__init__(self.loc.shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale z, z standard normal. Source: Kingma and Welling (2014), section 2.4."""
        shape = self._extended(sample_shape)
        return self.loc + self.scale * randn(shape, dtype=self.loc.dtype, device=self.loc.device)

    def log_prob(self, value: Tensor) -> Tensor:
        """-(x - loc)^2 / (2 scale^2) - log(scale) - log(2 pi) / 2."""
        square = (value - self.loc).square()
        return -square / (2 * self.scale.square()) - self.scale.log() - math.log(2 * math.pi) / 2

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= x)."""
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def entropy(self) -> Tensor:
        """log(2 pi e scale^2) / 2."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale.square()

    @property
    def stddev(self) -> Tensor:
        return self.scale
