"""Fusion: an activation applied by the kernel before, while its result is in fast memory."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from tinygan.autograd.primitive import Primitive
from tinygan.autograd.trace import Buffer, Call, Place

# Activations that kernels know, and the name of their parameter
ACTIVATIONS = {"relu": None, "leaky_relu": "negative_slope", "tanh": None, "sigmoid": None}


def fuse(calls: Sequence[Call], buffers: Sequence[Buffer], backend: str) -> list[Call]:
    """The calls, an activation joined to the call before where nothing else reads its input."""
    uses = [0] * len(buffers)
    for call in calls:
        for place in places(call.arguments):
            uses[place.buffer] += 1
    makers: dict[Place, int] = {}
    result: list[Call | None] = list(calls)
    for index, call in enumerate(calls):
        maker = _maker(call, makers)
        if maker is not None and call.result is not None:
            before = calls[maker]
            assert before.result is not None
            passing = buffers[before.result.buffer]
            alone = uses[before.result.buffer] == 1 and passing.owner() is None
            same = call.result[2:] == before.result[2:]
            if alone and same and not _overwritten(calls[maker + 1 : index], before):
                result[maker] = before._replace(result=call.result, activation=call)
                result[index] = None
                buffers[call.result.buffer].first = passing.first
                passing.size = 0
                continue
        if call.result is not None and _fusible(call.function, backend):
            makers[call.result] = index
    return [call for call in result if call is not None]


def places(arguments: Sequence[Any]) -> list[Place]:
    """All places among the arguments of a call."""
    found: list[Place] = []
    for argument in arguments:
        if isinstance(argument, Place):
            found.append(argument)
        elif isinstance(argument, list):
            found += places(argument)
    return found


def named(call: Call) -> tuple[str, float]:
    """The activation as kernels are told of it: its name and its parameter."""
    assert isinstance(call.function, Primitive)
    name = call.function.name
    parameter = ACTIVATIONS[name]
    return name, 0.0 if parameter is None else float(call.static[parameter])


def _maker(call: Call, makers: dict[Place, int]) -> int | None:
    if not isinstance(call.function, Primitive) or call.function.name not in ACTIVATIONS:
        return None
    argument = call.arguments[0]
    return makers.get(argument) if isinstance(argument, Place) else None


def _fusible(function: Any, backend: str) -> bool:
    """Whether an operation has a kernel that can apply an activation."""
    kernel: Any = function.kernels.find(backend) if isinstance(function, Primitive) else None
    if not getattr(kernel, "launches", False):
        return False
    return "activation" in inspect.signature(kernel).parameters


def _overwritten(between: Sequence[Call], maker: Call) -> bool:
    """Whether a call between may change what the maker reads."""
    read = {place.buffer for place in places(maker.arguments)}
    return any(
        call.result is None and any(place.buffer in read for place in places(call.arguments))
        for call in between
    )
