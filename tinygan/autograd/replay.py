"""compile: a function that is recorded once and replayed afterwards."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from types import MethodType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygan.autograd.gradients import Gradients
from tinygan.autograd.mode import state
from tinygan.autograd.program import Program
from tinygan.autograd.tensor import Parameter, Tensor, wrap
from tinygan.autograd.trace import Trace
from tinygan.backend import backend_of
from tinygan.backend.kernels import Untraceable

F = TypeVar("F", bound=Callable[..., Any])

KINDS = 256  # of calls that are told apart
CHANGES = 8  # recordings more than replays before it is given up


def compile(function: F) -> F:
    """The function, recorded and replayed: the same numbers without Python between the kernels.

    Meant for a whole training step:

        @tinygan.compile
        def step(real): ...  # forward, gradients, updates

    For tensors of new shapes or types the first call is an ordinary one, in which what is made at
    first use is made; the second is recorded; the calls after it replay the record. It repeats
    the operations, the draws of random numbers and the changes in place (weights, optimizers'
    states, running moments, arguments, `.grad`), on the same memory. What else Python did is not
    repeated: the branches taken, the values of numbers and of arrays that are not arguments are
    those of the recorded call. A parameter among the arguments is one of those arrays. Learning
    rates and the other numbers of `param_groups` are read anew; what else an optimizer depends on,
    whether there is a `.grad`, and whether a module is in training, is looked at, and the function
    recorded anew where it changed.

    A recorded function must not read values back: `item()` is an error, and so are shapes that
    depend on values, as in x[mask]. Its results are copies, through which no gradient flows; a
    tensor that it leaves elsewhere is overwritten by the next replay. Arguments with gaps in their
    memory are copied without, which may change the last bit of a sum.

    On a GPU the launches become a CUDA graph. Under `observe`, and in another function that is
    being recorded, the function is called as it is. Replays of several threads take turns.
    """
    return _Compiled(function)  # type: ignore[return-value]


class _Compiled:
    """A function and its programs, by the kinds of its arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.programs: dict[Any, _Recorded | None] = {}
        self.refused = False
        self.surplus = 0  # of recordings over replays
        self.lock = threading.RLock()
        functools.update_wrapper(self, function, updated=())

    def __getattr__(self, name: str) -> Any:
        """What else a module has, that was given for a function."""
        if name == "function":  # of a copy that is being made
            raise AttributeError(name)
        return getattr(self.function, name)

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if self.refused or state.observer is not None or state.trace is not None:
            return self.function(*args, **keywords)
        given: list[Tensor] = []
        forms = _forms(args, keywords, given)
        kinds = [
            (type(a), a.shape, a.strides, a.dtype, x.node is not None)
            for x, a in [(x, x.array) for x in given]
        ]
        key = (forms, state.recording, tuple(state.precisions.items()), *kinds)
        try:
            known = key in self.programs
        except TypeError as error:
            raise TypeError(
                f"compile: {error}; arguments are tensors, or what can be a key of a dict: by it "
                "calls are told apart"
            ) from None
        if not known:
            value = self.function(*args, **keywords)
            if len(self.programs) < KINDS:
                self.programs[key] = None
            else:
                self._refuse(f"called with {KINDS} kinds of arguments")
            return value
        with self.lock:
            recorded = self.programs[key]
            if recorded is not None and recorded.holds():
                if self.surplus:
                    self.surplus -= 1
                return recorded(given)
            recorded = _Recorded(self.function, args, keywords, recorded)
            self.programs[key] = recorded
            self.surplus += 1
        if recorded.reason is not None:
            self._refuse(str(recorded.reason))
        elif self.surplus > CHANGES:
            self._refuse("what it depends on besides its arguments changes again and again")
        return recorded.first

    def _refuse(self, reason: str) -> None:
        self.refused = True
        warnings.warn(f"compile: {reason}; the function is called as it is", stacklevel=3)


class _Recorded:
    """A program with the places of its arguments and results."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        earlier: _Recorded | None,
    ) -> None:
        given: list[Tensor] = []
        forms, names, more = _forms(args, keywords, given)
        self.own = [wrap(x.array.copy(order="K")) for x in given]
        for x, y in zip(given, self.own, strict=True):
            y.requires_grad_(x.requires_grad)
        self.gradients: Gradients = Gradients(None if earlier is None else earlier.gradients)
        with Trace(self.gradients) as trace:
            own = [_filled(form, self.own) for form in (*forms, *more)]
            named = dict(zip(names, own[len(forms) :], strict=True))
            value = function(*own[: len(forms)], **named)
        for i, x in enumerate(given):
            if trace.changes(x.array):
                raise RuntimeError(
                    f"compile: the function changes tensor {i} of its arguments, of shape "
                    f"{tuple(x.shape)}, by another way, as an optimizer does; a recorded function "
                    "has arguments of its own, so let it find this tensor in an outer scope"
                )
        self.gradients.finish()
        self.changed = [i for i, x in enumerate(self.own) if x.version[0]]
        results: list[Tensor] = []
        self.form = _form(value, results)
        self.first = self._handed_out(given, [x.array for x in results])
        self.conditions = trace.conditions
        self.modes = [(module, module.training) for module in trace.modules.values()]
        self.reason = trace.reason
        if self.reason is None:
            try:
                self._program(trace, results)
            except Untraceable as reason:
                self.reason = reason

    def _program(self, trace: Trace, results: list[Tensor]) -> None:
        places = [trace.find(x.array) for x in results]
        backends = {backend_of(x.owner()) for x in trace.buffers if x.owner() is not None}
        if len(backends) != 1:
            count = "more than one device" if backends else "no device"
            raise Untraceable(f"it uses arrays of {count}")
        self.program = Program(trace, backends.pop())
        self.outputs = [self.program.array(place) for place in places]

    def holds(self) -> bool:
        """Whether what the record depends on besides the arguments is as it was."""
        for module, training in self.modes:
            if module.training is not training:
                return False
        return self.gradients.hold() and all([condition() for condition in self.conditions])

    def __call__(self, given: list[Tensor]) -> Any:
        for own, x in zip(self.own, given, strict=True):
            own.array[...] = x.array
        self.program.run()
        self.gradients.fill()
        return self._handed_out(given, self.outputs)

    def _handed_out(self, given: list[Tensor], outputs: list[Any]) -> Any:
        """The value of the call; what it did to the arguments is done to those that were given."""
        for i in self.changed:
            given[i].array[...] = self.own[i].array
            given[i].version[0] += 1
        for own, x in zip(self.own, given, strict=True):
            if own.grad is not None:
                g = wrap(own.grad.array.copy(order="K"))
                x.grad = g if x.grad is None else x.grad + g
                own.grad = None
        return _filled(self.form, [wrap(y.copy(order="K")) for y in outputs])


class _Slot(NamedTuple):
    """Stands for a tensor in a form: the first, the second, ..."""

    number: int


class _Items(NamedTuple):
    """Stands for a container in a form."""

    kind: Any
    keys: tuple[Any, ...]
    items: tuple[Any, ...]


class _Number:
    """Stands for a number in a form: 2, 2.0 and True are equal, but not the same argument."""

    __slots__ = ("key", "value")

    def __init__(self, value: Any) -> None:
        number = value.item() if isinstance(value, np.generic) else value
        self.value = value
        self.key = (type(value), number.hex() if isinstance(number, float) else number)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Number) and self.key == other.key


def _forms(args: tuple[Any, ...], keywords: dict[str, Any], tensors: list[Tensor]) -> Any:
    """The forms of arguments, the names of others and theirs."""
    others = [_form(x, tensors) for x in keywords.values()] if keywords else ()
    return tuple([_form(x, tensors) for x in args]), tuple(keywords), tuple(others)


def _form(value: Any, tensors: list[Tensor]) -> Any:
    """The value with its tensors taken out; each is appended once, in order."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        for number, x in enumerate(tensors):
            if x is value:
                return _Slot(number)
        tensors.append(value)
        return _Slot(len(tensors) - 1)
    if isinstance(value, (bool, int, float, np.generic)):
        return _Number(value)
    if isinstance(value, dict):
        kind = OrderedDict if isinstance(value, OrderedDict) else dict
        return _Items(kind, tuple(value), tuple([_form(x, tensors) for x in value.values()]))
    if isinstance(value, (tuple, list)):
        return _Items(type(value), (), tuple([_form(x, tensors) for x in value]))
    return value


def _filled(form: Any, tensors: list[Tensor]) -> Any:
    """The value of a form, with these tensors."""
    if isinstance(form, _Slot):
        return tensors[form.number]
    if isinstance(form, _Number):
        return form.value
    if not isinstance(form, _Items):
        return form
    filled = [_filled(x, tensors) for x in form.items]
    if issubclass(form.kind, dict):
        return form.kind(zip(form.keys, filled, strict=True))
    return form.kind(*filled) if hasattr(form.kind, "_fields") else form.kind(filled)
