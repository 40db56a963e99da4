"""Node: one recorded operation, the edge list of the graph that `grad` walks."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

from tinygan.autograd.tensor import Tensor, wrap

if TYPE_CHECKING:
    from tinygan.autograd.primitive import Primitive

_counter = itertools.count()


class Node:
    """What one operation leaves behind: where its inputs came from, and what its vjps will need.

    A node holds arrays and earlier nodes, never tensors: no cycle can arise, and an array that no
    vjp names is freed as soon as the program lets go of it. `index` grows with time, so sorting
    by it is a topological sort.
    """

    __slots__ = ("__weakref__", "dtype", "hooks", "index", "inputs", "op", "saved", "shape",
                 "shapes", "static", "tensor")  # fmt: skip

    index: int
    op: Primitive | None  # None for a leaf
    inputs: tuple[Node | None, ...]
    saved: dict[int, Any] | None  # by input position, the output under -1; None once freed
    shapes: tuple[tuple[int, ...], ...]
    static: dict[str, Any]
    shape: tuple[int, ...]
    dtype: Any
    tensor: weakref.ref[Tensor] | None  # whose .grad `backward` fills
    hooks: dict[int, Any]  # there once one is registered

    @staticmethod
    def of(op: Any, inputs: tuple[Node | None, ...], shape: tuple[int, ...], dtype: Any) -> Node:
        """A node that has saved nothing yet; `Primitive.record`, for speed, writes it out."""
        node = Node()
        node.index = next(_counter)
        node.op = op
        node.inputs = inputs
        node.saved, node.static, node.shapes, node.tensor = {}, {}, (), None
        node.shape, node.dtype = shape, dtype
        return node

    @staticmethod
    def leaf(tensor: Tensor) -> Node:
        node = Node.of(None, (), tensor.array.shape, tensor.array.dtype)
        node.saved = None
        node.tensor = weakref.ref(tensor)
        return node

    def restore(self, position: int) -> Any:
        """The input at `position` (the output at -1) as it was when it was used, or an error."""
        assert self.saved is not None
        saved = self.saved[position]
        if type(saved) is not tuple:
            return saved  # a Python number, or None
        array, node, version, count = saved
        if version[0] != count:
            what = "its output" if position < 0 else f"its input {position}"
            raise RuntimeError(
                f"{self.op}: {what}, of shape {array.shape}, was changed in place after it was "
                f"used (version {version[0]}, expected {count}), so its gradient would be wrong; "
                "change it after backward(), or work on a clone()"
            )
        return wrap(array, self if position < 0 else node, version)

    def free(self) -> None:
        """Let go of the saved arrays; a second walk through this node is an error."""
        if self.saved:
            self.saved = None

    @property
    def next_functions(self) -> tuple[Node | None, ...]:
        """The nodes of the inputs, None where no gradient flows."""
        return self.inputs

    def __repr__(self) -> str:
        return f"<{self.op or 'leaf'} of shape {self.shape}>"
