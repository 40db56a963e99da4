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
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygan.backend import Backend, backend_of, is_array
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

    def on(self, guarded: bool = False, **static: Any) -> Update:
        """The update of many parameters by this rule.

        If `guarded` it takes one more array, last, and does nothing where a number in it is not 0.
        """
        return Update(self, static, guarded)

    def __repr__(self) -> str:
        return f"<update rule {self.name}>"


class Update:
    """A rule for many parameters: `update(p, g, ...)`, lists by parameter or one thing for all."""

    launches = True

    def __init__(self, rule: Rule, static: dict[str, Any], guarded: bool) -> None:
        self.rule, self.static, self.guarded = rule, static, guarded
        self.memory: dict[str, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        found = None
        if self.guarded:
            *arguments, found = arguments  # type: ignore[assignment]
            if backend_of(found).name == "cpu":  # whose values Python may read, in each replay anew
                if recording.tape is not None:
                    return NotImplemented
                if found.any():
                    return None
                found = None
        done = self._launch(arguments, found)
        if done is NotImplemented and recording.tape is None:
            self._compute(arguments, found)
            return None
        return done

    def _launch(self, arguments: Sequence[Any], found: Any) -> Any:
        kernel = self.rule.kernels.find(backend_of(arguments[0][0]).name)
        if kernel is None:
            return NotImplemented
        static = self.static if found is None else {**self.static, "found": found}
        return kernel(self.memory, *arguments, **static)

    def _compute(self, arguments: Sequence[Any], found: Any) -> None:
        parameters = arguments[0]
        xp = backend_of(parameters[0]).xp
        others = [a for i, a in enumerate(arguments) if i != 1 and isinstance(a, list)]
        changed = [x for a in others for x in a if is_array(x)]
        before = [] if found is None else [x.copy() for x in changed]
        if self.rule.step is not None:
            steps = arguments[self.rule.step]
            for step in steps if isinstance(steps, list) else [steps]:
                step += 1
        with np.errstate(all="ignore"):
            for i in range(len(parameters)):
                one = [a[i] if isinstance(a, list) else a for a in arguments]
                self.rule.reference(xp, *one, **self.static)
        for x, old in zip(changed, before, strict=False):  # what was not to be done is undone
            x[...] = xp.where((found != 0).any(), old, x)


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
