"""The `.grad` of leaves, which a recorded function leaves filled as an ordinary call does."""

from __future__ import annotations

from typing import Any

from tinygan.autograd.mode import state
from tinygan.autograd.tensor import Tensor
from tinygan.autograd.trace import assign, perform

ANY: Any = object()  # in the place of a gradient: the function clears it before it adds to it


class Gradients:
    """What `.grad` of each leaf was before a recorded call and is after it.

    The calls that were recorded hold for what was there before: a new gradient where there was
    none, an addition to that very tensor where there was one.
    """

    def __init__(self, earlier: Gradients | None = None) -> None:
        leaves = [] if earlier is None else [x for x, _ in earlier._before.values()]
        self._at_call = {id(x): x.grad for x in leaves}
        self._before: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._needed: list[tuple[Tensor, Tensor | None]] = []
        self._after: list[tuple[Tensor, Tensor | None]] = []

    def used(self, x: Tensor) -> None:
        """x.grad is about to be added to."""
        cleared = x.grad is None and self._at_call.get(id(x)) is not None
        self._before.setdefault(id(x), (x, ANY if cleared else x.grad))

    def cleared(self, x: Tensor) -> None:
        """x.grad is about to be forgotten."""
        self._before.setdefault(id(x), (x, ANY))

    def finish(self) -> None:
        """The recorded call is over."""
        self._needed = [(x, g) for x, g in self._before.values() if g is not ANY]
        self._after = [(x, x.grad) for x, _ in self._before.values()]

    def hold(self) -> bool:
        """Whether all are as they were before the recorded call."""
        return all([x.grad is g for x, g in self._needed])

    def fill(self) -> None:
        """Let all be as they were after the recorded call."""
        for x, g in self._after:
            x.grad = g


def use_gradient(x: Tensor) -> None:
    """Note that x.grad is about to be added to, where a function is being recorded."""
    if state.trace is not None:
        state.trace.gradients.used(x)


def zero_gradient(x: Tensor, set_to_none: bool) -> None:
    """Forget x.grad, or fill it with zeros."""
    if set_to_none:
        if state.trace is not None:
            state.trace.gradients.cleared(x)
        x.grad = None
    elif x.grad is not None:
        use_gradient(x)
        x.grad.node = None
        perform(assign, x.grad.array, 0, changed=[x.grad])
