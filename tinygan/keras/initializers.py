"""Initial weights, in Keras's names and layout: kernels are (..., inputs, outputs)."""

from __future__ import annotations

import math
from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.keras.configured import Configured, by_name
from tinygan.nn import init

TRUNCATED = 0.87962566103423978  # the standard deviation of N(0, 1) cut off at 2


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """(fan_in, fan_out) of a kernel (..., inputs, outputs), each times the window's size."""
    if len(shape) < 2:
        n = shape[0] if shape else 1
        return n, n
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class Initializer(Configured):
    """A function of a shape that gives a tensor."""

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__()")


class Constant(Initializer):
    """`value` everywhere."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        return ops.full(shape, self.value, dtype=ops.zeros(0).dtype)


class Zeros(Constant):
    """0 everywhere."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Ones(Constant):
    """1 everywhere."""

    def __init__(self) -> None:
        super().__init__(1.0)


class RandomNormal(Initializer):
    """N(mean, stddev^2)."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        self.seed = seed

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        return init.normal_(ops.empty(shape), self.mean, self.stddev, generator(self.seed))


class RandomUniform(Initializer):
    """U(minval, maxval)."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval, self.maxval = minval, maxval
        self.seed = seed

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        return init.uniform_(ops.empty(shape), self.minval, self.maxval, generator(self.seed))


class TruncatedNormal(RandomNormal):
    """N(mean, stddev^2) on the condition that it is within two stddev of the mean."""

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        y = init.trunc_normal_(ops.empty(shape), generator=generator(self.seed))
        return y * self.stddev + self.mean


class VarianceScaling(Initializer):
    """Variance scale / n, n the fan_in, the fan_out or their mean ("fan_avg").

    Source: Glorot and Bengio (2010); He et al. (2015). A "truncated_normal" is cut off at two
    standard deviations and has the variance after that.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        for name, value, known in (
            ("mode", mode, ("fan_in", "fan_out", "fan_avg")),
            ("distribution", distribution, ("truncated_normal", "untruncated_normal", "uniform")),
        ):
            if value not in known:
                raise ValueError(f"VarianceScaling: {name} is {value!r}, expected one of {known}")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.seed = seed

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        fan_in, fan_out = fans(shape)
        by_mode = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        deviation = math.sqrt(self.scale / max(1.0, by_mode[self.mode]))
        y = ops.empty(shape)
        if self.distribution == "uniform":
            bound = math.sqrt(3) * deviation
            return init.uniform_(y, -bound, bound, generator(self.seed))
        if self.distribution == "untruncated_normal":
            return init.normal_(y, 0.0, deviation, generator(self.seed))
        return init.trunc_normal_(y, generator=generator(self.seed)) * (deviation / TRUNCATED)


class GlorotUniform(VarianceScaling):
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out))."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class GlorotNormal(VarianceScaling):
    """Variance 2 / (fan_in + fan_out)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """U(-a, a), a = sqrt(6 / fan_in)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class HeNormal(VarianceScaling):
    """Variance 2 / fan_in."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """U(-a, a), a = sqrt(3 / fan_in)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Variance 1 / fan_in."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)


class Orthogonal(Initializer):
    """gain Q, Q with orthonormal columns or rows. Source: Saxe et al. (2014)."""

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        matrix = ops.empty(math.prod(shape[:-1]), shape[-1])
        return init.orthogonal_(matrix, self.gain, generator(self.seed)).reshape(shape)


def generator(seed: int | None) -> ops.Generator | None:
    """A stream of its own for a seed; None is the one that `set_random_seed` sets."""
    return None if seed is None else ops.Generator().manual_seed(seed)


NAMED: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
}


def get(identifier: Any) -> Any:
    """The initializer of a name, or the one given."""
    found = by_name("initializer", identifier, NAMED)
    return found() if isinstance(found, type) else found
