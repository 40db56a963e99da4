"""Symbolic tensors, which layers are called on before there are numbers, and their graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tinygan.keras.configured import Configured

if TYPE_CHECKING:
    from tinygan.keras.layer import Layer

Shape = tuple[int | None, ...]


class KerasTensor:
    """A tensor to come: its shape (None where only the data tells), its type, who makes it.

    `node` is the call of a layer that gives it, as output number `index`.
    """

    def __init__(self, shape: Shape, dtype: Any, node: Node, index: int) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self.node, self.index = node, index

    @property
    def name(self) -> str:
        return self.node.layer.name

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    # arithmetic is a layer too, so that it has a name and can be saved
    def __add__(self, other: Any) -> Any:
        return _arithmetic("Add", self, other, 1.0, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _arithmetic("Subtract", self, other, 1.0, _negative(other))

    def __rsub__(self, other: Any) -> Any:
        return _arithmetic("Subtract", self, None, -1.0, other)

    def __mul__(self, other: Any) -> Any:
        return _arithmetic("Multiply", self, other, other, 0.0)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _arithmetic("Divide", self, None, 1 / other, 0.0)

    def __neg__(self) -> Any:
        return _arithmetic("Subtract", self, None, -1.0, 0.0)


def _negative(value: Any) -> Any:
    return value if isinstance(value, KerasTensor) else -value


def _arithmetic(layer: str, x: KerasTensor, other: Any, scale: Any, offset: Any) -> Any:
    """The layer for two tensors, or a Rescaling for a tensor and a number."""
    if isinstance(other, KerasTensor):
        return Configured.registry[layer]()([x, other])  # type: ignore[operator]
    return Configured.registry["Rescaling"](scale, offset)(x)  # type: ignore[operator]


class Node:
    """One call of a layer: with which arguments, and what came of it."""

    def __init__(self, layer: Layer, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.layer, self.args, self.keywords = layer, args, keywords
        self.inputs = [x for x in flat((args, keywords)) if isinstance(x, KerasTensor)]
        self.outputs: Any = None
        self.number = len(layer.nodes)
        layer.nodes.append(self)

    def give(self, shapes: Any, dtype: Any) -> Any:
        """The symbolic outputs of these shapes: a shape, or shapes in lists, tuples and dicts."""
        count = iter(range(1 << 30))
        self.outputs = over_shapes(lambda s: KerasTensor(s, dtype, self, next(count)), shapes)
        return self.outputs


def flat(structure: Any) -> list[Any]:
    """What lists, tuples and dicts hold, in order."""
    if isinstance(structure, dict):
        return [leaf for key in structure for leaf in flat(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in flat(item)]
    return [structure]


def over(function: Callable[[Any], Any], structure: Any) -> Any:
    """The function of every leaf, in the same lists, tuples and dicts."""
    if isinstance(structure, dict):
        return {key: over(function, item) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(over(function, item) for item in structure)
    return function(structure)


def is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(n is None or isinstance(n, int) for n in value)


def over_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """The function of every shape in lists, tuples and dicts of them."""
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {key: over_shapes(function, item) for key, item in shapes.items()}
    return [over_shapes(function, item) for item in shapes]


class Graph:
    """The calls between symbolic inputs and outputs, in the order in which they can be made."""

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs, self.outputs = inputs, outputs
        given = flat(inputs)
        for x in [*given, *flat(outputs)]:
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    "Model: inputs and outputs are what Input() and calls of layers on it give, "
                    f"got {x!r}"
                )
        self.nodes: list[Node] = []
        seen_first: dict[Any, int] = {}
        self._visit([x.node for x in flat(outputs)], {id(x) for x in given}, seen_first)
        self._check(given)
        self.layers = self._ordered(seen_first, given)
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Model: layers need names of their own, {twice} occur twice")

    def _visit(self, ends: list[Node], known: set[int], first: dict[Any, int]) -> None:
        """Depth first from the outputs, without recursion: a node comes after what it needs."""
        done: set[Node] = set()
        for end in ends:
            stack: list[tuple[Node, Iterator[KerasTensor]]] = []

            def enter(node: Node, stack: list[Any] = stack) -> None:
                first.setdefault(node.layer, len(first))
                before = [x for x in node.inputs if id(x) not in known or not x.node.inputs]
                stack.append((node, iter(before)))

            if end in done:
                continue
            enter(end)
            while stack:
                node, remaining = stack[-1]
                following = next((x.node for x in remaining if x.node not in done), None)
                if following is not None:
                    enter(following)
                    continue
                stack.pop()
                if node not in done:
                    done.add(node)
                    self.nodes.append(node)

    def _check(self, given: list[KerasTensor]) -> None:
        known = {id(x) for x in given}
        for node in self.nodes:
            missing = [x for x in node.inputs if id(x) not in known]
            made_up = not node.inputs and not any(id(x) in known for x in flat(node.outputs))
            if missing or made_up:
                raise ValueError(
                    f"Model: {node.layer.name!r} needs {missing[0] if missing else 'an input'}, "
                    "which none of the model's inputs leads to"
                )
            known.update(id(x) for x in flat(node.outputs))

    def _ordered(self, first: dict[Any, int], given: list[KerasTensor]) -> list[Layer]:
        """The layers as Keras lists them: by their distance from the outputs, the farthest first.

        Among equally distant ones the order is that of the walk from the outputs.
        """
        of_node: dict[Node, int] = {}
        of_layer: dict[Layer, int] = {}
        own = set(self.nodes)
        for node in reversed(self.nodes):
            depth = max(of_node.get(node, 0), of_layer.get(node.layer, 0))
            of_node[node] = of_layer[node.layer] = depth
            for x in node.inputs:
                if x.node in own:
                    of_node[x.node] = max(depth + 1, of_node.get(x.node, 0))
        for x in given:
            if not x.node.inputs and x.node.layer not in of_layer:
                of_layer[x.node.layer], first[x.node.layer] = 0, -1
        return sorted(of_layer, key=lambda layer: (-of_layer[layer], first[layer]))

    def run(self, values: list[Any]) -> Any:
        """The outputs for these inputs, in the order of the flat symbolic ones."""
        found = {id(x): value for x, value in zip(flat(self.inputs), values, strict=True)}
        for node in self.nodes:
            if all(id(x) in found for x in flat(node.outputs)):
                continue
            args, keywords = over(lambda x: found.get(id(x), x), (node.args, node.keywords))
            results = flat(node.layer(*args, **keywords))
            found.update(zip(map(id, flat(node.outputs)), results, strict=True))
        return over(lambda x: found[id(x)], self.outputs)
