"""compile: a function that is recorded once and replayed afterwards."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from tinygan.autograd.mode import state
from tinygan.autograd.program import Program
from tinygan.autograd.tensor import Tensor, wrap
from tinygan.autograd.trace import Trace
from tinygan.backend import backend_of
from tinygan.backend.kernels import Untraceable

F = TypeVar("F", bound=Callable[..., Any])


def compile(function: F) -> F:
    """The function, recorded and replayed: the same numbers without Python between the kernels.

    Meant for a whole training step:

        @tinygan.compile
        def step(real): ...  # forward, gradients, updates

    For tensors of new shapes or types the first call is an ordinary one, in which what is made at
    first use is made; the second is recorded; the calls after it replay the record. It repeats
    the operations, the draws of random numbers and the changes in place (weights, optimizers'
    states, running moments), on the same memory. What else Python did is not repeated: the
    branches taken, the values of numbers and of arrays that are not arguments are those of the
    recorded call. Learning rates and the other numbers of `param_groups` are read anew.
    A recorded function must not read values back (`item()`). Its results are copies, through which
    no gradient flows.

    On a GPU the launches become a CUDA graph. Under `observe` the function is called as it is.
    """
    return functools.wraps(function)(_Compiled(function))  # type: ignore[return-value]


class _Compiled:
    """A function and its programs, by the kinds of its arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.programs: dict[Any, _Recorded | None] = {}
        self.refused = False

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        tensors: list[Tensor] = []
        form = _form((args, keywords), tensors)
        arrays = [x.array for x in tensors]
        if self.refused or state.observer is not None:
            return self.function(*args, **keywords)
        kinds = [(type(a), a.shape, a.strides, a.dtype) for a in arrays]
        key = (form, tuple(state.precisions.items()), *kinds)
        if key not in self.programs:
            self.programs[key] = None
            return self.function(*args, **keywords)
        recorded = self.programs[key]
        if recorded is not None:
            return recorded(arrays)
        try:
            recorded = _Recorded(self.function, args, keywords)
        except Untraceable as reason:
            self.refused = True
            warnings.warn(f"compile: {reason}; the function is called as it is", stacklevel=2)
            return self.function(*args, **keywords)
        self.programs[key] = recorded
        return recorded.first


class _Recorded:
    """A program with the places of its arguments and results."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        given: list[Tensor] = []
        form = _form((args, keywords), given)
        self.inputs = [x.array.copy(order="K") for x in given]
        own = [wrap(array) for array in self.inputs]
        for x, y in zip(given, own, strict=True):
            y.requires_grad_(x.requires_grad)
        with Trace() as trace:
            args, keywords = _filled(form, own)
            value = function(*args, **keywords)
        results: list[Tensor] = []
        self.form = _form(value, results)
        self.first = _filled(self.form, [wrap(x.array.copy(order="K")) for x in results])
        places = [trace.find(x.array) for x in results]
        backends = {backend_of(x.owner()) for x in trace.buffers if x.owner() is not None}
        if len(backends) != 1:
            raise Untraceable("it uses arrays of more than one device")
        self.program = Program(trace, backends.pop())
        self.outputs = [self.program.array(place) for place in places]

    def __call__(self, arrays: list[Any]) -> Any:
        for own, array in zip(self.inputs, arrays, strict=True):
            own[...] = array
        self.program.run()
        return _filled(self.form, [wrap(y.copy(order="K")) for y in self.outputs])


class _Slot:
    """Stands for the tensors in a form."""


SLOT = _Slot()


def _form(value: Any, tensors: list[Tensor]) -> Any:
    """The value with its tensors taken out, hashable; they are appended in order."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return SLOT
    if isinstance(value, dict):
        return dict, tuple((key, _form(x, tensors)) for key, x in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), tuple(_form(x, tensors) for x in value)
    return value


def _filled(form: Any, tensors: list[Tensor]) -> Any:
    """The value of a form, with these tensors."""
    remaining = iter(tensors)

    def fill(form: Any) -> Any:
        if form is SLOT:
            return next(remaining)
        if isinstance(form, tuple) and form[0] is dict:
            return {key: fill(x) for key, x in form[1]}
        if isinstance(form, tuple):
            kind, items = form
            return kind(fill(x) for x in items)
        return form

    return fill(form)
