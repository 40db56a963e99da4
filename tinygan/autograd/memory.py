"""Changes in place: who may make them, and how a gradient is kept from being wrong after one."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from tinygan.autograd.mode import state
from tinygan.autograd.tensor import Tensor, wrap
from tinygan.autograd.trace import assign, perform
from tinygan.backend.dtypes import can_store

if TYPE_CHECKING:
    from tinygan.autograd.primitive import Primitive


def change(x: Tensor, result: Tensor) -> Tensor:
    """Write `result` into the memory of `x` and let `x` be what made `result`: an in-place op."""
    array = x.array
    if result.array.shape != array.shape:
        raise RuntimeError(
            f"in-place operation: the result has shape {tuple(result.shape)} and does not fit "
            f"into the tensor's {tuple(x.shape)}"
        )
    if not can_store(result.array.dtype, array.dtype):
        raise RuntimeError(
            f"in-place operation: the result is {result.dtype} and cannot be stored as {x.dtype}"
        )
    part = may_change(x, result.node is not None or x.node is not None)
    store(x, ..., result.array)
    if state.recording:
        if part is not None:
            part.tell(result)
        x.node = result.node  # None if a constant was written: no gradient flows any more
    return x


def store(x: Tensor, key: Any, value: Any) -> None:
    """x.array[key] = value, of a shape that fits, counted as a change of x; no key of arrays."""
    _keep_output(x)
    if key is not ...:
        key = key if any(part is ... for part in key) else (*key, ...)  # numbers alone: 0-d too
    try:
        perform(assign, x.array[key], value, changed=[x])
    except ValueError:
        raise RuntimeError(
            f"in-place operation: the memory of this tensor, of shape {tuple(x.shape)}, is "
            "read-only, as it is after expand(), where elements share a place; work on a clone()"
        ) from None


def _keep_output(x: Tensor) -> None:
    """Leave the op that made x a copy, if its gradient needs one: x is about to change."""
    node = x.node
    while node is not None and getattr(node.op, "view", False):
        node = node.inputs[0]
    if node is None or not node.saved or -1 not in node.saved:
        return
    array, _, version, count = node.saved[-1]
    if version is x.version and version[0] == count:
        from tinygan.ops.conversion import clone  # ops are made of what imports this module

        kept = clone(wrap(array))
        node.saved[-1] = kept.array, None, kept.version, kept.version[0]


class Part(weakref.ref[Tensor]):
    """A view that is a part of a tensor, with the op that puts another value in its place."""

    __slots__ = ("base", "put", "static")

    base: weakref.ref[Tensor]
    put: Primitive
    static: dict[str, Any]

    def tell(self, value: Tensor) -> None:
        """Let the tensor be what `put` makes of it and the value, whose numbers it holds by now."""
        base = self.base()
        if base is not None and (base.node is not None or value.node is not None):
            self.put.record((base, value), [base.array, value.array], self.static, base)


def may_change(x: Tensor, recorded: bool) -> Part | None:
    """Refuse the in-place changes after which a gradient would be wrong.

    Where x is a part of the only other tensor that looks into this memory, it is returned as such.
    """
    if not state.recording:
        return None
    _refuse_leaf(x)
    if not recorded:
        return None
    own, others = None, list[Tensor]()
    for seen in x.version[1:]:
        other = seen()
        if other is x:
            own = seen
        elif other is not None:
            others.append(other)
    if not others:
        return None
    if isinstance(own, Part) and len(others) == 1 and own.base() is others[0]:
        _refuse_leaf(others[0])
        return own
    raise RuntimeError(
        "memory that another live tensor looks into is changed in place while gradients are "
        "recorded, and that tensor would not know of it; assign through the tensor that owns "
        "it, as in base[index] = value, or work out of place"
    )


def _refuse_leaf(x: Tensor) -> None:
    if x.node is not None and x.node.op is None:
        raise RuntimeError(
            "a leaf tensor that requires a gradient is changed in place; do it under "
            "tinygan.no_grad(), or on x.data"
        )


def share(version: list[Any], x: Tensor, view: Tensor, op: Primitive, static: Any) -> None:
    """Note that `x` and `view` look into the same memory, and forget the tensors that are gone."""
    if len(version) == 1:
        version.append(weakref.ref(x))
    elif len(version) & (len(version) - 1) == 0:  # now and then: at 2, 4, 8, ...
        version[1:] = [seen for seen in version[1:] if seen() is not None]
    if op.put is None:
        version.append(weakref.ref(view))
    else:
        part = Part(view)
        part.base, part.put, part.static = weakref.ref(x), op.put, static
        version.append(part)
