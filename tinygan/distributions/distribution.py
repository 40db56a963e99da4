"""What all distributions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.autograd import Size, Tensor, no_grad


class Distribution:
    """A batch of distributions, independent of each other: of shape `batch_shape`.

    Parameters are not looked at when they are given: it would wait for the device, which a
    training step does not. A scale below 0 gives NaN.
    """

    has_rsample = False

    def __init__(self, batch_shape: Sequence[int]) -> None:
        self.batch_shape = Size(batch_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Independent draws of shape sample_shape + batch_shape, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws as a function of the parameters, through which their gradients flow."""
        raise NotImplementedError(
            f"{type(self).__name__}.rsample: its draws are no differentiable function of its "
            "parameters; use sample()"
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at a value."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """-E[log p(x)] in nats."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """E[x]."""
        raise NotImplementedError

    @property
    def variance(self) -> Tensor:
        """E[(x - E[x])^2]."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def _extended(self, sample_shape: Sequence[int]) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape)


class Indicators(Distribution):
    """Zeros and ones, each a one with its probability in `probs`."""

    probs: Tensor

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)


def broadcast(*parameters: Tensor | float) -> tuple[Tensor, ...]:
    """Parameters as tensors of one shape; numbers take the type and the device of a tensor."""
    like = next((p for p in parameters if isinstance(p, Tensor)), None)
    where: dict[str, Any] = {} if like is None else {"dtype": like.dtype, "device": like.device}
    tensors = [p if isinstance(p, Tensor) else ops.tensor(float(p), **where) for p in parameters]
    return ops.broadcast_tensors(*tensors)


def one_of(name: str, probs: Any, logits: Any) -> None:
    """Refuse both or neither of two ways to say the same."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: expected either probs or logits, got both or neither")


def within(probs: Tensor) -> Tensor:
    """Probabilities kept from 0 and 1 by their type's precision, so that logarithms are finite."""
    epsilon = float(np.finfo(probs.dtype).eps)
    return probs.clamp(epsilon, 1 - epsilon)
