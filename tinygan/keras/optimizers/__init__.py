"""Optimizers by Keras's names, defaults and formulas, on top of the house's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygan import ops, optim
from tinygan.autograd import Tensor
from tinygan.keras.configured import Configured, by_name
from tinygan.keras.optimizers import schedules
from tinygan.keras.optimizers.rmsprop import RootInside
from tinygan.optim.optimizer import Group

Gradients = Sequence[Tensor | None]


class Optimizer(Configured):
    """Moves parameters by gradients: `make` gives the optimizer of the house that does it.

    `clipnorm` bounds the norm of every gradient, `global_clipnorm` that of all together,
    `clipvalue` every number. What depends on the step (a scheduled learning rate, a correction)
    is set by `begin_step` and read anew by a recorded step.
    """

    kind = "optimizers."

    def __init__(
        self,
        learning_rate: Any,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        if sum(x is not None for x in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                f"{type(self).__name__}: only one of clipnorm, clipvalue and global_clipnorm can "
                "be given"
            )
        if isinstance(learning_rate, dict):
            learning_rate = schedules.from_config(learning_rate)
        self.name = name or type(self).__name__.lower()
        self.clipnorm, self.clipvalue = clipnorm, clipvalue
        self.global_clipnorm = global_clipnorm
        self.iterations = 0
        self.inner: Any = None
        self.learned: list[Tensor] = []
        self._rate = learning_rate

    def make(self, parameters: list[Tensor], rate: float) -> optim.Optimizer:
        """The optimizer that moves these parameters."""
        raise NotImplementedError(f"{type(self).__name__} defines no make()")

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; assign a number, or a schedule."""
        rate = self._rate
        return float(rate(self.iterations) if callable(rate) else rate)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._rate = value if callable(value) else float(value)

    def build(self, parameters: Sequence[Tensor]) -> None:
        """Make the state for these parameters."""
        self.learned = list(parameters)
        self.inner = self.make(self.learned, self.learning_rate)

    def begin_step(self) -> None:
        """Count a step, and set what depends on its number."""
        group = self.inner.param_groups[0]
        rate = self.learning_rate
        self.iterations += 1
        self.set_numbers(group, rate)

    def set_numbers(self, group: Group, rate: float) -> None:
        group["lr"] = rate

    def update(self, gradients: Gradients) -> None:
        """Move the parameters; `begin_step` comes before."""
        self.inner.update(self.clipped(gradients))

    def clipped(self, gradients: Gradients) -> Gradients:
        found = [g for g in gradients if g is not None]
        if self.global_clipnorm is not None:
            norm = ops.stack([g.square().sum() for g in found]).sum().sqrt()
            scale = self.global_clipnorm / norm.clamp(min=self.global_clipnorm)
            return [None if g is None else g * scale for g in gradients]
        limit, norms = self.clipvalue, self.clipnorm
        if limit is not None:
            return [None if g is None else g.clamp(-limit, limit) for g in gradients]
        if norms is not None:
            return [
                None if g is None else g * (norms / g.square().sum().sqrt().clamp(min=norms))
                for g in gradients
            ]
        return gradients

    def kept(self) -> tuple[int, int]:
        """How many numbers and bytes the state takes, counted as Keras counts its own."""
        states = self.inner.state.values()
        arrays = [x.array for state in states for name, x in state.items() if name != "step"]
        return 2 + sum(a.size for a in arrays), 8 + sum(a.nbytes for a in arrays)

    def apply(self, gradients: Gradients, trainable_variables: Sequence[Any] | None = None) -> None:
        """One step with these gradients, of variables or parameters in the order of the first."""
        if self.inner is None:
            if not trainable_variables:
                raise ValueError("apply: the first call tells the trainable variables")
            self.build([getattr(v, "tensor", v) for v in trainable_variables])
        self.begin_step()
        self.update(gradients)


class SGD(Optimizer):
    """p <- p - lr g; with momentum v <- mu v - lr g and p <- p + v (nesterov: + mu v - lr g)."""

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = momentum, nesterov

    def make(self, parameters: list[Tensor], rate: float) -> optim.Optimizer:
        nesterov = self.nesterov and self.momentum > 0
        return optim.SGD(parameters, lr=rate, momentum=self.momentum, nesterov=nesterov)

    def set_numbers(self, group: Group, rate: float) -> None:
        """The house sums gradients where Keras sums steps: -v / lr, at the rate of before."""
        if rate != group["lr"] and rate:
            for state in self.inner.state.values():
                if "momentum_buffer" in state:
                    state["momentum_buffer"].array[...] *= group["lr"] / rate
        group["lr"] = rate


class Adam(Optimizer):
    """p <- p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), m, v the means of g and g^2.

    This is the form of section 2 of Kingma and Ba (2015): eps is added before the correction of v.
    With `weight_decay` p is scaled by 1 - lr decay before (AdamW).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.amsgrad, self.weight_decay = amsgrad, weight_decay

    def make(self, parameters: list[Tensor], rate: float) -> optim.Optimizer:
        betas = (self.beta_1, self.beta_2)
        decay = self.weight_decay or 0.0
        return optim.AdamW(parameters, rate, betas, self.epsilon, decay, self.amsgrad)

    def set_numbers(self, group: Group, rate: float) -> None:
        group["lr"] = rate
        group["eps"] = self.epsilon / math.sqrt(1 - self.beta_2**self.iterations)


class AdamW(Adam):
    """Adam with a weight decay of 0.004."""

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **kwargs: Any):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)


class RMSprop(Optimizer):
    """p <- p - lr g / sqrt(v + eps), v <- rho v + (1 - rho) g^2.

    `centered`: v - m^2 in the place of v, m the mean of g. With momentum b <- mu b + lr g / ... and
    p <- p - b.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def make(self, parameters: list[Tensor], rate: float) -> optim.Optimizer:
        return RootInside(
            parameters,
            lr=rate,
            alpha=self.rho,
            eps=self.epsilon,
            momentum=self.momentum,
            centered=self.centered,
        )


class Adagrad(Optimizer):
    """p <- p - lr g / sqrt(s + eps), s <- s + g^2 from `initial_accumulator_value` on."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.start, self.epsilon = initial_accumulator_value, epsilon

    def make(self, parameters: list[Tensor], rate: float) -> optim.Optimizer:
        start = self.start + self.epsilon  # a sum keeps what it begins with
        return optim.Adagrad(parameters, rate, initial_accumulator_value=start, eps=0.0)


NAMED: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
}


def get(identifier: Any) -> Optimizer:
    """The optimizer of a name, or the one given."""
    if isinstance(identifier, str):
        identifier = identifier.lower()
    found = by_name("optimizer", identifier, NAMED)
    made = found() if isinstance(found, type) else found
    if not isinstance(made, Optimizer):
        raise TypeError(f"optimizer: expected a name or a keras Optimizer, got {identifier!r}")
    return made
