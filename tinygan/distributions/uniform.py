"""The uniform distribution."""

from __future__ import annotations

from collections.abc import Sequence

from tinygan.autograd import Tensor
from tinygan.distributions.distribution import Distribution, broadcast
from tinygan.ops import rand


class Uniform(Distribution):
    """U(low, high), of each element."""

    has_rsample = True

    def __init__(self, low: Tensor | float, high: Tensor | float) -> None:
        self.low, self.high = broadcast(low, high)
        super().__init__(self.low.shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """low + (high - low) u, u in [0, 1)."""
        shape = self._extended(sample_shape)
        u = rand(shape, dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(high - low), and minus infinity outside of [low, high)."""
        inside = ((self.low <= value) & (value < self.high)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= x)."""
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def entropy(self) -> Tensor:
        """log(high - low)."""
        return (self.high - self.low).log()

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low).square() / 12
