"""What a recorded function replays: from a tape, or from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygan
from tinygan.autograd import Primitive, Tensor
from tinygan.backend import host_array


def from_python(function: Callable[..., Any], *inputs: Tensor) -> list[str]:
    """Replay a function, see that it gives what it gives, and name what Python computes in it."""
    replayed: Any = tinygan.compile(function)
    for _ in range(2):
        replayed(*inputs)
    found = [replayed(*inputs) for _ in range(2)]
    expected = function(*inputs)
    for result in found:
        for a, b in zip(arrays(result), arrays(expected), strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
    return python_steps(replayed)


def python_steps(replayed: Any) -> list[str]:
    """The operations that Python computes in a replay of a compiled function."""
    (recorded,) = [value for value in replayed.programs.values() if value is not None]
    names = []
    for step in recorded.program.steps:
        owner = step.func.__self__ if hasattr(step.func, "__self__") else step.func
        if isinstance(owner, Primitive) or type(owner).__name__ != "Tape":
            names.append(getattr(owner, "name", repr(owner)))
    return names


def arrays(result: Any) -> list[np.ndarray]:
    return [host_array(x.array) for x in ([result] if isinstance(result, Tensor) else result)]


def with_gradients(
    function: Callable[..., Tensor], order: int = 1
) -> Callable[..., tuple[Tensor, ...]]:
    """The value of a function, and its gradients by its floating-point inputs: of their sum."""

    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        own = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
        asked = [x for x in own if x.requires_grad]
        y = function(*own)
        results = [y]
        for n in range(order):
            last = n == order - 1
            total = (y * y).sum()
            grads = tinygan.autograd.grad(total, asked, create_graph=not last)
            results += [g for g in grads if g is not None]
            y = results[-1]
        return tuple(x.detach() for x in results)

    return call
