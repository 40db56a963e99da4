"""Model: layers between inputs and outputs, by calls on symbols or by a subclass's own call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

from tinygan.autograd import Tensor
from tinygan.keras import saving, summaries
from tinygan.keras.layer import Layer
from tinygan.keras.symbolic import Graph, flat, over, over_shapes
from tinygan.keras.training import Trainer


class Model(Trainer):
    """Model(inputs, outputs), what lies between them; or a subclass that defines `call`."""

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        between = len(args) >= 2 or "outputs" in keywords
        return super().__new__(Functional if cls is Model and between else cls, *args, **keywords)

    def __init__(
        self, inputs: Any = None, outputs: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.graph: Graph | None = None
        if inputs is not None and outputs is not None:
            self.connect(inputs, outputs)

    def connect(self, inputs: Any, outputs: Any) -> None:
        """Make this the model of what lies between symbolic inputs and outputs."""
        self.graph = Graph(inputs, outputs)
        if any(x.node.inputs for x in self.inputs):  # from the middle of another model
            from tinygan.keras.layers.shaping import Input

            inputs = over(lambda x: Input(batch_shape=x.shape, dtype=x.dtype), inputs)
            self.graph = Graph(inputs, self.graph.run(flat(inputs)))
        for number, layer in enumerate(self.graph.layers):
            self.add_module(f"layer_{number}", layer)
        self.built = True

    # -- what it is made of -------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        return self.sublayers() if self.graph is None else list(self.graph.layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or number `index`."""
        if index is not None:
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise ValueError(f"{self.name!r} has no layer {name!r}; there are: {known}")

    def _connected(self) -> Graph:
        if self.graph is None:
            raise AttributeError(f"{self.name!r} is not made of symbolic inputs and outputs")
        return self.graph

    @property
    def inputs(self) -> list[Any]:
        return flat(self._connected().inputs)

    @property
    def outputs(self) -> list[Any]:
        return flat(self._connected().outputs)

    @property
    def input(self) -> Any:
        return self._connected().inputs

    @property
    def output(self) -> Any:
        return self._connected().outputs

    @property
    def input_shape(self) -> Any:
        return over(lambda x: x.shape, self._connected().inputs)

    @property
    def output_shape(self) -> Any:
        return over(lambda x: x.shape, self._connected().outputs)

    def output_names(self, count: int) -> list[str]:
        if self.graph is None:
            return super().output_names(count)
        outputs = self._connected().outputs
        return list(outputs) if isinstance(outputs, dict) else [x.name for x in self.outputs]

    # -- calls --------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool = False) -> Any:
        if self.graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no call(): define one, or pass inputs and outputs"
            )
        return self.graph.run(self._fitting(inputs))

    def _fitting(self, inputs: Any) -> list[Any]:
        """The values of the inputs in order, of the types and with the dimensions expected."""
        graph = self._connected()
        if isinstance(inputs, dict):
            order = list(graph.inputs) if isinstance(graph.inputs, dict) else None
            order = order or [x.name for x in self.inputs]
            values = [inputs[name] for name in order]
        else:
            values = flat(inputs)
        if len(values) != len(self.inputs):
            raise ValueError(
                f"{self.name!r} has {len(self.inputs)} inputs, got {len(values)} values"
            )
        return [self._fitted(x, value) for x, value in zip(self.inputs, values, strict=True)]

    def _fitted(self, expected: Any, value: Any) -> Any:
        shape = tuple(value.shape)
        if len(shape) == expected.ndim - 1 and expected.shape[-1] == 1:
            value = value[..., None] if isinstance(value, Tensor) else value
            shape = (*shape, 1)
        fits = len(shape) == expected.ndim and all(
            n is None or m is None or n == m for n, m in zip(expected.shape, shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"the input {expected.name!r} of {self.name!r} expects shape {expected.shape}, "
                f"got {shape}"
            )
        return value.to(expected.dtype) if isinstance(value, Tensor) else value

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The outputs' shapes, with the batch and what else is open filled in from the layers."""
        if self.graph is None:
            return super().compute_output_shape(input_shape)
        given: list[Any] = []
        over_shapes(given.append, input_shape)
        found = {id(x): shape for x, shape in zip(self.inputs, given, strict=True)}
        for node in self.graph.nodes:
            if not node.inputs:
                continue
            shapes = over(lambda x: found.get(id(x), ()), node.args[0])
            result: list[Any] = []
            over_shapes(result.append, node.layer.compute_output_shape(shapes))
            found.update(zip(map(id, flat(node.outputs)), result, strict=True))
        return over(lambda x: found[id(x)], self.graph.outputs)

    # -- for the reader, and for files --------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
    ) -> None:
        """Print the layers with their output shapes and numbers of weights, as Keras does."""
        summaries.print_summary(self, line_length, print_fn, expand_nested, show_trainable)

    def get_config(self) -> dict[str, Any]:
        if self.graph is None:
            return super().get_config()
        return saving.graph_config(self.graph, self.name, self.trainable)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if "layers" not in config:
            return super().from_config(config)
        inputs, outputs = saving.graph_from(config, {})
        made: Self = cls(inputs, outputs, name=config["name"])
        return made

    def to_json(self) -> str:
        """The configuration of the layers and of their connections, without weights."""
        return saving.to_json(self)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write layers, weights, optimizer and what compile() was given to one file: `load_model`.

        The file is safetensors with the configuration as JSON in its header, whatever its suffix:
        Keras's own .keras and .h5 are other formats.
        """
        saving.save_model(self, filepath, overwrite)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights to a safetensors file: `load_weights`."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Overwrite the weights by those of a file of `save_weights` or `save`."""
        saving.load_weights(self, filepath)


class Functional(Model):
    """A model of symbolic inputs and outputs."""


class Sequential(Model):
    """Layers one after the other; built when the shape of the input is known."""

    def __init__(
        self, layers: Sequence[Layer] | None = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.stack: list[Layer] = []
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer, or the result of Input(), at the end."""
        from tinygan.keras.layers.shaping import InputLayer

        if hasattr(layer, "node"):  # Input() gives a symbolic tensor
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            raise TypeError(f"Sequential: expected a layer, got {layer!r}")
        if any(layer.name == other.name for other in self.stack):
            raise ValueError(f"Sequential: there is a layer {layer.name!r} already")
        if not self.stack and layer.input_shape_hint is not None:
            self.stack.append(InputLayer(layer.input_shape_hint))
        self.stack.append(layer)
        self._rebuild()

    def pop(self) -> Layer:
        """Take the last layer away."""
        layer = self.stack.pop()
        self._rebuild()
        return layer

    def _rebuild(self) -> None:
        from tinygan.keras.layers.shaping import InputLayer

        for name in list(self._modules):
            del self._modules[name]
        self.graph, self.built = None, False
        for number, layer in enumerate(self.stack):
            self.add_module(f"layer_{number}", layer)
        first = self.stack[0] if self.stack else None
        if isinstance(first, InputLayer) and len(self.stack) > 1:
            self._connect_stack(first)
        elif isinstance(first, Model) and first.graph is not None:
            self._connect_stack(InputLayer(batch_shape=first.input_shape))

    def _connect_stack(self, first: Any) -> None:
        x = first.nodes[0].outputs
        start = x
        for layer in self.stack:
            if layer is not first:
                x = layer(x)
        self.graph = Graph(start, x)
        self.built = True

    @property
    def layers(self) -> list[Layer]:
        from tinygan.keras.layers.shaping import InputLayer

        return [layer for layer in self.stack if not isinstance(layer, InputLayer)]

    def build(self, input_shape: Any) -> None:
        from tinygan.keras.layers.shaping import InputLayer

        if self.graph is None:
            self._connect_stack(InputLayer(batch_shape=(None, *tuple(input_shape)[1:])))

    def output_names(self, count: int) -> list[str]:
        return [self.stack[-1].name] if count == 1 else super().output_names(count)

    def get_config(self) -> dict[str, Any]:
        return saving.stack_config(self.stack, self.name, self.trainable, self.graph)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        made = cls(saving.stack_from(config, {}), name=config["name"])
        if config.get("input_shape") is not None and made.graph is None:
            made.build(tuple(config["input_shape"]))
        return made
