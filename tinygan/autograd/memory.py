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
    views = may_change(x, result.node is not None or is_recorded(x))
    store(x, ..., result.array)
    if state.recording:
        x.node = result.node  # None if a constant was written: no gradient flows
        if views:
            _tell(x, views)
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
    own = _view_of(x, x.version)
    owner = None if own is None else own.owner()
    node = (x if owner is None else owner).node
    while node is not None and getattr(node.op, "view", False):
        node = node.inputs[0]
    if node is None or not node.saved or -1 not in node.saved:
        return
    array, _, version, count = node.saved[-1]
    if version is x.version and version[0] == count:
        kept = wrap(array).clone()
        node.saved[-1] = kept.array, None, kept.version, kept.version[0]


Path = tuple[tuple["Primitive", dict[str, Any]], ...]  # of ops, each with its statics


class View(weakref.ref[Tensor]):
    """A tensor that looks into an owner's memory, and the ops by which it does; none for the owner.

    What `detach` returns owns the same memory again: it and its views are told of nothing.
    """

    __slots__ = ("owner", "path", "recorded")

    owner: weakref.ref[Tensor]  # one for all of its views
    path: Path
    recorded: bool  # whether gradients were recorded when it was made


def may_change(x: Tensor, recorded: bool) -> list[View]:
    """Refuse the in-place changes after which a gradient would be wrong.

    Returns the views of the memory of x, x among them, which have to be told; none but for x alone.
    """
    if not state.recording:
        return []
    _refuse_leaf(x)
    views = _views(x) if recorded else []
    if len(views) < 2:
        return []
    own = next(view for view in views if view() is x)
    owner = own.owner()
    if owner is None or any(op.put is None for op, _ in own.path):
        raise RuntimeError(
            "memory that another live tensor looks into is changed in place while gradients are "
            "recorded, and that tensor would not know of it; keep the tensor that owns it, and "
            "assign through it, as in base[index] = value, or work out of place"
        )
    if not own.recorded and x.node is None and owner.node is not None:
        raise RuntimeError(
            "a view that was made under no_grad() is changed in place while gradients are "
            "recorded; make it again, or change it under no_grad() too"
        )
    for view in views:
        _refuse_leaf(view())
    return views


def is_recorded(x: Tensor) -> bool:
    """Whether gradients flow to x, or to what looks into its memory by the same owner."""
    return x.node is not None or any(view().node is not None for view in _views(x))


def _views(x: Tensor) -> list[Any]:
    """What looks into the memory of x by the same owner, x among them; none if it is x alone."""
    own = _view_of(x, x.version)
    if own is None:
        return []
    return [view for view in x.version[1:] if view.owner is own.owner and view() is not None]


def _tell(x: Tensor, views: list[View]) -> None:
    """Let the owner be made of x, whose numbers it holds by now, and the other views of it."""
    own = next(view for view in views if view() is x)
    owner = own.owner()
    assert owner is not None
    whole, levels = x, _levels(owner, own.path)
    for (op, static), level in zip(own.path[::-1], levels[-2::-1], strict=True):
        whole = op.put(level, whole, **static)
    owner.node = whole.node
    for view in views:
        other = view()
        if other is not None and other is not x and other is not owner:
            other.node = _levels(owner, view.path)[-1].node


def _levels(owner: Tensor, path: Path) -> list[Tensor]:
    """The owner, and what each op shows of what the one before it does."""
    levels = [owner]
    for op, static in path:
        levels.append(op(levels[-1], **static))
    return levels


def _refuse_leaf(x: Tensor) -> None:
    if x.node is not None and x.node.op is None:
        raise RuntimeError(
            "a leaf tensor that requires a gradient is changed in place; do it under "
            "tinygan.no_grad(), or on x.data"
        )


def share(version: list[Any], x: Tensor, view: Tensor, op: Primitive, static: Any) -> None:
    """Note that `view` shows the memory of `x`, and forget the tensors that are gone."""
    if len(version) & (len(version) - 1) == 0:  # now and then: at 2, 4, 8, ...
        version[1:] = [seen for seen in version[1:] if seen() is not None]
    base = _view_of(x, version) or _note(version, x, weakref.ref(x), ())
    _note(version, view, base.owner, (*base.path, (op, static)))


def _view_of(x: Tensor, version: list[Any]) -> View | None:
    for view in version[1:]:
        if view() is x:
            return view
    return None


def _note(version: list[Any], x: Tensor, owner: weakref.ref[Tensor], path: Path) -> View:
    view = View(x)
    view.owner, view.path, view.recorded = owner, path, state.recording
    version.append(view)
    return view
