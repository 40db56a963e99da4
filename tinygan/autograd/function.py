"""Function: an operation whose gradient is written by whoever calls it, as in PyTorch.

    class Reverse(Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.weight = weight
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return -ctx.weight * g, None

    y = Reverse.apply(x, 0.5)

Both work on tensors. What `backward` computes from them is recorded in its turn when a graph is
created, so that derivatives of every order follow. An op of this library is a `primitive` instead,
whose kernels and rules are checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from tinygan.autograd.mode import no_grad, state
from tinygan.autograd.node import Node
from tinygan.autograd.tensor import Tensor


class Context:
    """What `forward` leaves for `backward`: the tensors it saved, and any other attribute.

    `needs_input_grad` says by input whether a gradient is asked for; for others None will do.
    """

    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[Tensor | None, ...]  # there during backward

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.kept: tuple[Tensor | None, ...] = ()
        self.constant: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or others; changing one in place before backward is an error."""
        self.kept = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """No gradient flows through these outputs; `backward` gets zeros for them."""
        self.constant = outputs


class Function:
    """Define `forward(ctx, *inputs)` and `backward(ctx, *gradients)`, static; call `apply`.

    `backward` gets a gradient for each output and returns one for each input, None where there is
    none. `setup_context(ctx, inputs, output)`, if there is one, saves what is needed in place of
    `forward`, which then takes no `ctx`.
    """

    @staticmethod
    def forward(*args: Any) -> Any:
        raise NotImplementedError("a Function has to define forward(ctx, *inputs)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save from the inputs and the output what `backward` needs."""

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError("a Function has to define backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """The output of `forward`, a tensor or a tuple, recorded with this class's `backward`."""
        nodes = tuple([x.node if isinstance(x, Tensor) else None for x in inputs])
        ctx = Context(tuple([node is not None for node in nodes]))
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *inputs)
            else:
                result = cls.forward(*inputs)
                cls.setup_context(ctx, inputs, result)
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        given = {id(x) for x in inputs if isinstance(x, Tensor)}
        aliases = [
            y.detach() if id(y) in given else y for y in outputs
        ]  # an input that comes out again is another tensor with a node of its own
        if state.recording and any(ctx.needs_input_grad):
            _record(cls, ctx, inputs, nodes, outputs, aliases)
        ctx.kept = ctx.constant = ()
        return tuple(aliases) if isinstance(result, (tuple, list)) else aliases[0]


def _record(
    function: type[Function],
    ctx: Context,
    inputs: tuple[Any, ...],
    nodes: tuple[Node | None, ...],
    outputs: list[Any],
    results: list[Any],
) -> None:
    """One node for the call, whose gradients are those of all outputs, flat and joined.

    Each output is a part of it: a node that puts its gradient where the others' are zero. A call
    with a single output is its own part.
    """
    constant = {id(x) for x in ctx.constant}
    parts = {
        i: y
        for i, (original, y) in enumerate(zip(outputs, results, strict=True))
        if isinstance(y, Tensor) and y.array.dtype.kind == "f" and id(original) not in constant
    }
    if not parts:
        return
    call = Call(function, ctx, outputs)
    shape = results[0].array.shape if len(outputs) == 1 else (call.ends[-1],)
    dtype = np.result_type(*[y.array.dtype for y in parts.values()])
    node = Node.of(call, nodes, shape, dtype)
    if len(outputs) == 1:
        results[0].node = node
    else:
        for i, y in parts.items():
            y.node = call.part(node, i)
    numbers = {id(y): i for i, y in enumerate(outputs) if i in parts}
    for position, x in enumerate(ctx.kept):
        if x is None:
            node.saved[position] = None  # type: ignore[index]
        elif id(x) in numbers and not any(x is given for given in inputs):
            call.own[position] = numbers[id(x)]
            node.saved[position] = (x.array, None, x.version, x.version[0])  # type: ignore[index]
        else:
            node.saved[position] = (x.array, x.node, x.version, x.version[0])  # type: ignore[index]


class Call:
    """One call of a Function, in the place of the primitive that other nodes have."""

    def __init__(self, function: type[Function], ctx: Context, outputs: list[Any]) -> None:
        self.function, self.ctx = function, ctx
        self.shapes = [getattr(y, "shape", ()) for y in outputs]
        self.dtypes = [getattr(y, "dtype", None) for y in outputs]
        self.ends = list(accumulate(map(prod, self.shapes), initial=0))
        self.own: dict[int, int] = {}  # saved tensors that are outputs, by their number

    def part(self, node: Node, number: int) -> Node:
        return Node.of(Part(self, number), (node,), tuple(self.shapes[number]), self.dtypes[number])

    def input_gradients(self, node: Node, g: Tensor, asked: list[bool]) -> Iterable[Tensor | None]:
        ctx = self.ctx
        assert node.saved is not None
        ctx.saved_tensors = tuple([self._restored(node, i) for i in range(len(node.saved))])
        single = len(self.shapes) == 1
        gradients = (
            [g]
            if single
            else [
                g[self.ends[i] : self.ends[i + 1]].reshape(shape).to(self.dtypes[i])
                for i, shape in enumerate(self.shapes)
            ]
        )
        try:
            result = self.function.backward(ctx, *gradients)
        finally:
            del ctx.saved_tensors
        result = list(result) if isinstance(result, (tuple, list)) else [result]
        while len(result) > len(asked) and result[-1] is None:
            result.pop()
        if len(result) != len(asked):
            raise RuntimeError(
                f"{self}: backward returned {len(result)} gradients, expected {len(asked)}, one "
                "for each input of forward"
            )
        return [x if wanted else None for x, wanted in zip(result, asked, strict=True)]

    def _restored(self, node: Node, position: int) -> Tensor | None:
        x: Tensor | None = node.restore(position)
        if x is not None and position in self.own:
            number = self.own[position]
            x.node = node if len(self.shapes) == 1 else self.part(node, number)
        return x

    def __str__(self) -> str:
        return self.function.__name__


class Part:
    """One output of a call that has several."""

    def __init__(self, call: Call, number: int) -> None:
        self.call, self.number = call, number

    def input_gradients(self, node: Node, g: Tensor, asked: list[bool]) -> Iterable[Tensor | None]:
        ends = self.call.ends
        joined = g.new_zeros(ends[-1])
        joined[ends[self.number] : ends[self.number + 1]] = g.reshape(-1)
        return [joined]

    def __str__(self) -> str:
        return str(self.call)
