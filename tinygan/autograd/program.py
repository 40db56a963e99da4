"""Program: a trace made ready to be run again, in memory of its own and from a tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tinygan.autograd.fusion import fuse, named
from tinygan.autograd.primitive import Primitive
from tinygan.autograd.trace import Buffer, Call, Place, Trace
from tinygan.backend import Backend
from tinygan.backend.dtypes import promote

ALIGNMENT = 64  # bytes, of every buffer: a cache line


class Program:
    """The calls of a trace, on buffers that stay where they are.

    A call whose kernel only launches compiled code goes to the tape; any other is made from
    Python, between two pieces of the tape.
    """

    def __init__(self, trace: Trace, backend: Backend) -> None:
        self._backend = backend
        self._before, self._versions = trace.refreshers, trace.versions
        self._alive: list[Any] = []
        calls = fuse(trace.calls, trace.buffers, backend.name)
        self._addresses = self._place_buffers(trace.buffers)
        self.steps: list[Callable[[], Any]] = []
        self._lower(calls)

    def run(self) -> None:
        for refresh in self._before:
            refresh()
        for step in self.steps:
            step()
        for version in self._versions:
            version[0] += 1

    def array(self, place: Place) -> Any:
        """What is at a place, in this program's memory."""
        address = self._addresses[place.buffer] + place.offset
        return self._backend.at(address, place.shape, place.strides, place.dtype, self._alive)

    def _place_buffers(self, buffers: Sequence[Buffer]) -> list[int]:
        """The address of every buffer: its own if it lives on, else one that it shares in turns."""
        places = [0] * len(buffers)
        shared: list[int] = []
        for number, buffer in enumerate(buffers):
            owner = buffer.owner()
            if owner is None:
                shared.append(number)
            else:
                self._alive.append(owner)
                places[number] = self._backend.address(owner)
        offsets, size = share_out([buffers[number] for number in shared])
        arena = self._backend.xp.empty(size + ALIGNMENT, "uint8")
        self._alive.append(arena)
        start = -(-self._backend.address(arena) // ALIGNMENT) * ALIGNMENT
        for number, offset in zip(shared, offsets, strict=True):
            places[number] = start + offset
        return places

    def _lower(self, calls: Sequence[Call]) -> None:
        tape: Any = None  # is made for the first launch: without kernels no compiler is loaded

        def cut() -> None:
            launched = None if tape is None else tape.cut()
            if launched is not None:
                self.steps.append(launched)

        for call in calls:
            arguments = [self._argument(a) for a in call.arguments]
            out = None if call.result is None else self.array(call.result)
            launch = _launch(call, arguments, out, self._backend.name)
            if launch is not None:
                if tape is None:
                    tape = self._backend.new_tape()
                if tape.record(launch):
                    continue
            cut()
            self.steps.append(_made_from_python(call, arguments, out))
            if call.activation is not None:
                self.steps.append(_made_from_python(call.activation, [out], out))
        cut()

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, Place):
            return self.array(argument)
        return [self._argument(a) for a in argument] if isinstance(argument, list) else argument


def _made_from_python(call: Call, arguments: list[Any], out: Any) -> Callable[[], Any]:
    if isinstance(call.function, Primitive):
        return partial(call.function.compute, arguments, call.static, out)
    return partial(call.function, *arguments)


def _launch(call: Call, arguments: list[Any], out: Any, backend: str) -> Callable[[], Any] | None:
    """The call of a kernel that does nothing but launch compiled code, None where there is none."""
    kernel: Any = call.function
    keywords = call.static
    if isinstance(call.function, Primitive):
        if call.function.elementwise:
            promoted = promote(arguments, call.function.real)
            if any(a is not b for a, b in zip(promoted, arguments, strict=True)):
                return None
        kernel = call.function.kernels.find(backend)
        keywords = {**keywords, "out": out}
        if call.activation is not None:
            keywords["activation"] = named(call.activation)
    if not getattr(kernel, "launches", False):
        return None
    return partial(kernel, *arguments, **keywords)


def share_out(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Offsets in one block of memory for buffers that are not needed at the same time, its size.

    The largest come first, each at the lowest place that is free from its first to its last call.
    """
    offsets = [0] * len(buffers)
    placed: list[int] = []
    total = 0
    for number in sorted(range(len(buffers)), key=lambda n: -buffers[n].size):
        buffer = buffers[number]
        offset = 0
        for other in sorted(placed, key=offsets.__getitem__):
            theirs = buffers[other]
            if theirs.last < buffer.first or buffer.last < theirs.first:
                continue
            if offset + buffer.size <= offsets[other]:
                break
            end = offsets[other] + theirs.size
            offset = max(offset, -(-end // ALIGNMENT) * ALIGNMENT)
        offsets[number] = offset
        placed.append(number)
        total = max(total, offset + buffer.size)
    return offsets, total
