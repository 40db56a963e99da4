"""Rule: one update of one parameter, as a function of arrays, with kernels that may replace it.

    @rule
    def sgd(xp, p, g, buffer, hyper, *, nesterov): ...

    sgd.kernel("cpu", "tinygan.backend.cpu.updates:sgd")

    update = sgd.on(nesterov=True)
    update(parameters, gradients, buffers, hyper)  # lists; hyper is the same for all

The reference changes p and the state arrays in place with the namespace `xp`. `hyper` is a small
float64 array of the numbers a user may change from step to step; what is keyword-only is fixed
for the life of the optimizer. A `step`, where a rule has one, is counted before the rule is
applied. A kernel is called as an update is, after a dict for what it wants to keep between calls,
and does all of it: the counting, and every parameter. Where it returns NotImplemented (having
changed nothing) the reference computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.backend import Backend, backend_of
from tinygan.backend.kernels import Kernels, recording

RULES: dict[str, Rule] = {}


class Rule:
    """An update rule: its reference and its kernels by backend."""

    def __init__(self, reference: Callable[..., None]) -> None:
        self.reference = reference
        self.name = reference.__name__
        self.__doc__ = reference.__doc__
        self.kernels = Kernels()
        names = list(inspect.signature(reference).parameters)[1:]
        self.step = names.index("step") if "step" in names else None
        RULES[self.name] = self

    def kernel(self, backend: str, kernel: Any) -> None:
        """Set a faster implementation for a backend: a function, or "module:function" to load."""
        self.kernels[backend] = kernel

    def on(self, **static: Any) -> Update:
        """The update of many parameters by this rule."""
        return Update(self, static)

    def __repr__(self) -> str:
        return f"<update rule {self.name}>"


class Update:
    """A rule for many parameters: `update(p, g, ...)`, lists by parameter or one thing for all."""

    launches = True

    def __init__(self, rule: Rule, static: dict[str, Any]) -> None:
        self.rule, self.static = rule, static
        self.memory: dict[str, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        parameters = arguments[0]
        backend = backend_of(parameters[0])
        kernel = self.rule.kernels.find(backend.name)
        done = NotImplemented
        if kernel is not None:
            done = kernel(self.memory, *arguments, **self.static)
        if done is not NotImplemented or recording.tape is not None:
            return done
        if self.rule.step is not None:
            steps = arguments[self.rule.step]
            for step in steps if isinstance(steps, list) else [steps]:
                step += 1
        with np.errstate(all="ignore"):
            for i in range(len(parameters)):
                one = [a[i] if isinstance(a, list) else a for a in arguments]
                self.rule.reference(backend.xp, *one, **self.static)


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
