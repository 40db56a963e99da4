"""Rule: one update of one parameter, as a function of arrays, with kernels that may replace it.

    @rule
    def sgd(xp, p, g, buffer, hyper, *, nesterov): ...

    sgd.kernel("cpu", "tinygan.backend.cpu.updates:sgd")

The reference changes p and the state arrays in place with the namespace `xp`. `hyper` is a small
float64 array of the numbers a user may change from step to step; what is keyword-only is fixed
for the life of the optimizer. A kernel is called as the reference is, without `xp`; where it
returns NotImplemented (having changed nothing) the reference computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygan.autograd import perform
from tinygan.backend import Backend, backend_of
from tinygan.backend.kernels import Kernels

RULES: dict[str, Rule] = {}


class Rule:
    """An update rule: its reference and its kernels by backend."""

    def __init__(self, reference: Callable[..., None]) -> None:
        self.reference = reference
        self.name = reference.__name__
        self.__doc__ = reference.__doc__
        self.kernels = Kernels()
        RULES[self.name] = self

    def kernel(self, backend: str, kernel: Any) -> None:
        """Set a faster implementation for a backend: a function, or "module:function" to load."""
        self.kernels[backend] = kernel

    def __call__(self, *arrays: Any, **static: Any) -> None:
        perform(partial(self._compute, **static), *arrays)

    def _compute(self, p: Any, g: Any, *arrays: Any, **static: Any) -> None:
        backend = backend_of(p)
        kernel = self.kernels.find(backend.name)
        if kernel is not None and kernel(p, g, *arrays, **static) is not NotImplemented:
            return
        with np.errstate(all="ignore"):
            self.reference(backend.xp, p, g, *arrays, **static)

    def __repr__(self) -> str:
        return f"<update rule {self.name}>"


def rule(reference: Callable[..., None]) -> Rule:
    """Register an update rule under its function's name."""
    return Rule(reference)


class Numbers:
    """Python numbers as the float64 array that a rule reads, one on each backend.

    The array is refreshed in place when a number has changed, so that a recorded update that is
    replayed follows it.
    """

    def __init__(self) -> None:
        self.arrays: dict[Backend, tuple[tuple[float, ...], Any]] = {}

    def on(self, backend: Backend, numbers: tuple[float, ...]) -> Any:
        """The array on a backend, holding these numbers."""
        known, array = self.arrays.get(backend, (None, None))
        if known != numbers:
            values = backend.from_host(np.array(numbers, dtype=np.float64))
            if array is None:
                array = values
            else:
                array[...] = values
            self.arrays[backend] = (numbers, array)
        return array

    def refresh(self, numbers: tuple[float, ...]) -> None:
        """Let every array that was handed out hold these numbers."""
        for backend in self.arrays:
            self.on(backend, numbers)


def scalar(value: Any, like: Any) -> Any:
    """A 0-d float64 as the type of `like`, so that a float32 update stays float32."""
    return value.astype(like.dtype)
