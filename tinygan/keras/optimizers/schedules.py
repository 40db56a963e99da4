"""Learning rates that depend on the step's number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygan.keras.configured import Configured, deserialized


class LearningRateSchedule(Configured):
    """A function of the number of steps made."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__()")


class ExponentialDecay(LearningRateSchedule):
    """initial decay_rate^(step / decay_steps), the exponent rounded down if `staircase`."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.initial, self.steps = initial_learning_rate, decay_steps
        self.decay, self.staircase = decay_rate, staircase

    def __call__(self, step: int) -> float:
        power = step / self.steps
        return self.initial * self.decay ** (math.floor(power) if self.staircase else power)


class CosineDecay(LearningRateSchedule):
    """initial ((1 - alpha) (1 + cos(pi min(step / decay_steps, 1))) / 2 + alpha)."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0) -> None:
        self.initial, self.steps, self.alpha = initial_learning_rate, decay_steps, alpha

    def __call__(self, step: int) -> float:
        cosine = (1 + math.cos(math.pi * min(step / self.steps, 1.0))) / 2
        return self.initial * ((1 - self.alpha) * cosine + self.alpha)


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i]; the last value after all of them."""

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"PiecewiseConstantDecay: {len(boundaries)} boundaries need one value more, got "
                f"{len(values)}"
            )
        self.boundaries, self.values = list(boundaries), list(values)

    def __call__(self, step: int) -> float:
        number = sum(step > boundary for boundary in self.boundaries)
        return self.values[number]


def from_config(config: dict[str, Any]) -> LearningRateSchedule:
    """The schedule that a configuration describes."""
    schedule: LearningRateSchedule = deserialized(config, {})
    return schedule
