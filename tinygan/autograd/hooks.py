"""Hooks: functions that are called with a gradient on its way, and what takes them off again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from tinygan.autograd.node import Node
from tinygan.autograd.tensor import Tensor

registered = False  # whether any gradient was ever hooked: a walk asks before it looks for hooks


class RemovableHandle:
    """Takes a hook off again: `handle = x.register_hook(f)`, `handle.remove()`."""

    _number = count()

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self.hooks, self.id = hooks, next(self._number)
        hooks[self.id] = hook

    def remove(self) -> None:
        self.hooks.pop(self.id, None)


def register_hook(x: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook(g)` with the gradient by x in every walk; what it returns takes g's place.

    A leaf keeps its hooks while it requires no gradient. In a recorded step a hook's tensors are
    recorded and the rest of it is not repeated.
    """
    global registered
    if x.node is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    registered = True
    owner: Tensor | Node = x if x.is_leaf else x.node
    if not hasattr(owner, "hooks"):
        owner.hooks = {}
    return RemovableHandle(owner.hooks, hook)


def hooked(node: Node, g: Tensor) -> Tensor:
    """What the hooks make of the gradient of a node, in the order of their registration."""
    owner = node if node.op is not None else node.tensor and node.tensor()
    for hook in list(getattr(owner, "hooks", {}).values()):
        result = hook(g)
        if result is None:
            continue
        if not isinstance(result, Tensor) or result.array.shape != g.array.shape:
            shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise RuntimeError(
                f"a hook on a gradient of shape {tuple(g.shape)} returned {shape}; expected a "
                "Tensor of that shape, or None to leave it"
            )
        g = result
    return g
