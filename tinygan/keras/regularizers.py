"""What large weights cost: terms of the loss by Keras's names."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor
from tinygan.keras.configured import Configured, by_name


class Regularizer(Configured):
    """A function of a weight that gives a number, which the loss grows by."""

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__()")


class L1L2(Regularizer):
    """l1 sum |w| + l2 sum w^2."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = l1, l2

    def __call__(self, x: Tensor) -> Tensor:
        return x.abs().sum() * self.l1 + x.square().sum() * self.l2


class L1(Regularizer):
    """l1 sum |w|."""

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = l1

    def __call__(self, x: Tensor) -> Tensor:
        return x.abs().sum() * self.l1


class L2(Regularizer):
    """l2 sum w^2."""

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = l2

    def __call__(self, x: Tensor) -> Tensor:
        return x.square().sum() * self.l2


l1, l2, l1_l2 = L1, L2, L1L2
NAMED = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(identifier: Any) -> Any:
    """The regularizer of a name, the function given, or None."""
    found = by_name("regularizer", identifier, NAMED)
    return found() if isinstance(found, type) else found
