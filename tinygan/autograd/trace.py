"""Trace: what a function did, call by call, and in which memory.

While a trace is taken the function runs as always; its arrays come and go as always too. The trace
holds none of them, only where each one was: in which buffer, at which offset, with which strides.
Views need no call of their own, they are other places in the same buffer. A buffer that is gone
when the function returns was needed between two calls only, and can be given other memory.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygan.autograd.mode import state
from tinygan.backend import backend_of, is_array
from tinygan.backend.kernels import Kernels, Untraceable, recording

if TYPE_CHECKING:
    from tinygan.autograd.gradients import Gradients
    from tinygan.autograd.primitive import Primitive
    from tinygan.autograd.tensor import Tensor


class Place(NamedTuple):
    """Where an array is: its buffer by number, and how it lies there, in bytes."""

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]


class Call(NamedTuple):
    """An operation, or a change in place (a function of arrays, without a result)."""

    function: Primitive | Callable[..., None]
    arguments: list[Any]  # Places, lists of them, and what is no array
    static: dict[str, Any]
    result: Place | None
    activation: Call | None = None  # that is applied to the result


class Buffer:
    """Memory that calls read and write: made by a call, or there before."""

    __slots__ = ("array", "first", "last", "size")

    def __init__(self, array: Any, size: int, first: int) -> None:
        self.array = array  # itself if it was there before, else a weak reference
        self.size = size
        self.first = self.last = first  # calls; -1 if it was there before

    def owner(self) -> Any:
        """The array that owns the memory, None if it is gone."""
        return self.array() if self.first >= 0 else self.array


class Trace:
    """The calls of this thread: `with Trace(Gradients()) as trace: ...`"""

    reads = False  # whether the function may read values, as it may if it is not replayed

    def __init__(self, gradients: Gradients) -> None:
        self.calls: list[Call] = []
        self.buffers: list[Buffer] = []
        self.versions: list[list[Any]] = []  # of the tensors that were changed in place
        self.refreshers: list[Callable[[], Any]] = []  # to call before a replay
        self.conditions: list[Callable[[], bool]] = []  # without which no replay is right
        self.modules: dict[int, Any] = {}  # that were called, by id: they have modes
        self.gradients = gradients
        self.reason: Untraceable | None = None  # why it cannot be replayed
        self._known: dict[int, int] = {}  # id of the owner of a buffer -> its number
        self._changed: dict[int, weakref.ref[Any]] = {}  # id of an owner -> it
        self._made: dict[int, tuple[weakref.ref[Any], Any]] = {}  # id of an owner -> its numbers

    def __enter__(self) -> Trace:
        if state.trace is not None:
            raise RuntimeError("a function that is being recorded calls another recorded one")
        state.trace = self
        return self

    def __exit__(self, *_: object) -> None:
        state.trace = None

    # -- what happens -------------------------------------------------------------------------

    def computed(
        self, op: Primitive, arrays: Sequence[Any], static: dict[str, Any], y: Any
    ) -> None:
        """Note a call of an operation with its result."""
        self._note(self._computed, op, arrays, static, y)

    def performed(
        self, function: Callable[..., None], arrays: Sequence[Any], changed: Sequence[Tensor]
    ) -> None:
        """Note a change in place."""
        self._note(self._performed, function, arrays, changed)

    def made(self, array: Any) -> None:
        """Note an array that Python made of numbers: if it is changed, replays begin with them."""
        owner = _owner(array)
        self._made[id(owner)] = weakref.ref(owner), owner.copy(order="K")

    def _note(self, noted: Callable[..., None], *what: Any) -> None:
        """The function runs to its end once, also where that cannot be replayed."""
        if self.reason is None:
            try:
                noted(*what)
            except Untraceable as reason:
                self.reason = reason

    def _computed(
        self, op: Primitive, arrays: Sequence[Any], static: dict[str, Any], y: Any
    ) -> None:
        owner = _owner(y)
        if id(owner) in self._known:
            if not op.changes_inputs:
                return  # a view, or the input itself
            for array in arrays:
                if is_array(array):
                    self._make_again(array)
            self.calls.append(Call(op, self._read(arrays), static, None))
            return
        arguments = self._read(arrays)
        if any(id(_owner(a)) == id(owner) for a in arrays if is_array(a)):
            return  # a view of what was there before
        number, index = len(self.buffers), len(self.calls)
        gone = weakref.ref(owner, partial(self._forget, id(owner)))
        self.buffers.append(Buffer(gone, owner.nbytes, index))
        self._known[id(owner)] = number
        self.calls.append(Call(op, arguments, static, _place(number, owner, y)))

    def _forget(self, key: int, gone: Any) -> None:
        self._known.pop(key, None)

    def _performed(
        self, function: Callable[..., None], arrays: Sequence[Any], changed: Sequence[Tensor]
    ) -> None:
        for x in changed:
            self._make_again(x.array)
            owner = _owner(x.array)
            self._changed[id(owner)] = weakref.ref(owner)
        self.calls.append(Call(function, self._read(arrays), {}, None))
        self.versions += [x.version for x in changed]

    def changes(self, array: Any) -> bool:
        """Whether the memory of an array was changed in place."""
        owner = _owner(array)
        changed = self._changed.get(id(owner))
        return changed is not None and changed() is owner

    def _make_again(self, array: Any) -> None:
        owner = _owner(array)
        alive, numbers = self._made.pop(id(owner), (None, None))
        if alive is not None and alive() is owner:
            self.refreshers.append(partial(assign, owner, numbers))

    def _read(self, arrays: Sequence[Any]) -> list[Any]:
        """The places of arrays that the next call uses."""
        return [
            self._read(a) if isinstance(a, (list, tuple)) else
            a if a is None or isinstance(a, (bool, int, float)) else self.find(a)
            for a in arrays
        ]  # fmt: skip

    def find(self, array: Any) -> Place:
        """Where an array is that is used now, or returned."""
        owner = _owner(array)
        number = self._known.get(id(owner))
        if number is None:  # was there before, and has to stay
            number = self._known[id(owner)] = len(self.buffers)
            self.buffers.append(Buffer(owner, owner.nbytes, -1))
        self.buffers[number].last = len(self.calls)
        return _place(number, owner, array)


class Change:
    """A change of its first array: a reference, and kernels that may replace it."""

    launches = True

    def __init__(self, reference: Callable[..., Any]) -> None:
        self.reference = reference
        self.kernels = Kernels()

    def __call__(self, *arrays: Any) -> Any:
        kernel = self.kernels.find(backend_of(arrays[0]).name)
        done = NotImplemented if kernel is None else kernel(*arrays)
        if done is not NotImplemented or recording.tape is not None:
            return done
        return self.reference(*arrays)


add_to = Change(operator.iadd)
add_to.kernels["cpu"] = "tinygan.backend.cpu.changes:add_to"
add_to.kernels["cuda"] = "tinygan.backend.cuda.changes:add_to"
assign = Change(lambda x, value: operator.setitem(x, ..., value))
assign.kernels["cpu"] = "tinygan.backend.cpu.changes:assign"
assign.kernels["cuda"] = "tinygan.backend.cuda.changes:assign"


def perform(function: Callable[..., None], *arrays: Any, changed: Sequence[Tensor] = ()) -> None:
    """function(*arrays), which changes some of them in place; their tensors' versions are counted.

    Changes that are no operations go through here, so that a recorded function repeats them. An
    argument may also be a list of arrays.
    """
    function(*arrays)
    for x in changed:
        x.version[0] += 1
    if state.trace is not None:
        state.trace.performed(function, arrays, changed)


def before_replay(refresh: Callable[[], None]) -> None:
    """Have `refresh` called before the function that is being recorded is replayed."""
    if state.trace is not None:
        state.trace.refreshers.append(refresh)


def replay_while(condition: Callable[[], bool]) -> None:
    """Have the function that is being recorded recorded anew once `condition` does not hold."""
    if state.trace is not None:
        state.trace.conditions.append(condition)


def called(module: Any) -> None:
    """Note a module, whose mode is that of a record."""
    if state.trace is not None:
        state.trace.modules[id(module)] = module


def made(array: Any) -> Any:
    """The array, of which Python has made the numbers and no operation."""
    if state.trace is not None:
        state.trace.made(array)
    return array


def may_read(what: str) -> None:
    """Refuse to read a value back to the host while a function is being recorded."""
    if state.trace is not None and not state.trace.reads:
        raise RuntimeError(
            f"{what}: a function that is being recorded reads a value, which would be the same "
            "in every replay; return the tensor and read it outside"
        )


def _owner(array: Any) -> Any:
    """The array whose memory it is in."""
    if not is_array(array):
        raise Untraceable(f"{type(array).__name__} is no array that could be replayed")
    while is_array(array.base):
        array = array.base
    return array


def _place(number: int, owner: Any, array: Any) -> Place:
    address = backend_of(owner).address
    offset = address(array) - address(owner)
    return Place(number, offset, array.shape, array.strides, array.dtype)
