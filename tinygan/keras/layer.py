"""Layer: a module that is built when it first sees a shape, and can be called on symbols."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.autograd import Parameter, Tensor, no_grad, wrap
from tinygan.keras import initializers, names, regularizers
from tinygan.keras.configured import Configured
from tinygan.keras.symbolic import KerasTensor, Node, Shape, flat, is_shape, over
from tinygan.keras.variable import Variable
from tinygan.nn import Module


class _Phase(threading.local):
    training = False


_phase = _Phase()


@contextmanager
def phase(training: bool) -> Iterator[None]:
    """Calls inside are those of training, or of inference."""
    before, _phase.training = _phase.training, training
    try:
        yield
    finally:
        _phase.training = before


class Layer(Configured, Module):
    """y = call(x): `build(input_shape)` makes the weights, `call(inputs)` computes.

    Called on the symbolic tensors of a functional model it notes the call instead. A subclass has
    `call`, `build` if it has weights (made with `add_weight`), and takes `**kwargs` for the name.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.name = names.automatic(type(self).__name__) if name is None else name
        self.built = False
        self.nodes: list[Node] = []
        self.own_weights: list[Variable] = []
        self.costs: list[tuple[str, Any]] = []  # names of weights, and their regularizers
        self._trainable = trainable
        self.input_shape_hint: Shape | None = (input_dim,) if input_dim is not None else None
        if input_shape is not None:
            self.input_shape_hint = tuple(input_shape)
        parameters = inspect.signature(self.call).parameters
        self._knows_training = "training" in parameters

    # -- what a subclass defines --------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape, with the batch as its first dimension."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no call()")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what `call` gives: here from calls with two and with three samples."""

        def trial(batch: int) -> Any:
            def zeros(shape: Any) -> Any:
                return ops.zeros(*[batch if n is None else n for n in shape])

            x = zeros(input_shape) if is_shape(input_shape) else [zeros(s) for s in input_shape]
            with no_grad(), phase(False):
                return over(lambda y: tuple(y.shape), self.call(x))

        two, three = trial(2), trial(3)

        def merged(a: Any, b: Any) -> Any:
            if is_shape(a):
                return tuple(n if n == m else None for n, m in zip(a, b, strict=True))
            return [merged(x, y) for x, y in zip(a, b, strict=True)]

        return merged(two, three)

    # -- weights ------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = "glorot_uniform",
        trainable: bool = True,
        name: str | None = None,
        *,
        regularizer: Any = None,
        axes: Sequence[int] | None = None,
    ) -> Tensor:
        """A weight of this shape, in Keras's layout; the tensor permuted by `axes` has it.

        `regularizer`: what it costs, a term of the loss.
        """
        name = f"variable_{len(self.own_weights)}" if name is None else name
        axes = tuple(range(len(shape))) if axes is None else tuple(axes)
        value = initializers.get(initializer)(tuple(shape)).permute(*np.argsort(axes).tolist())
        value = value.contiguous()
        if trainable:
            self.register_parameter(f"_{name}", Parameter(value))
        else:
            self.register_buffer(f"_{name}", value)
        variable = Variable(self, name, axes, trainable)
        self.own_weights.append(variable)
        if regularizer is not None:
            self.costs.append((name, regularizers.get(regularizer)))
        return variable.tensor

    def weight_named(self, name: str) -> Variable:
        """The weight of this layer with this name."""
        return next(w for w in self.own_weights if w.name == name)

    @property
    def weights(self) -> list[Variable]:
        """This layer's weights and those of the layers in it, in Keras's order, each once."""
        own = sorted(self.own_weights, key=lambda w: not w.learned)
        inner = [w for layer in self.sublayers() for w in layer.weights]
        found = {id(w): w for w in [*own, *inner]}
        return list(found.values())

    def sublayers(self) -> list[Layer]:
        """The layers in this one: in its attributes, or in lists, tuples and dicts of them."""
        for name, value in list(self.__dict__.items()):
            if name.startswith("_") or not isinstance(value, (list, tuple, dict)):
                continue
            for number, layer in enumerate(flat(value)):
                known = any(layer is other for other in self._modules.values())
                if isinstance(layer, Layer) and not known:
                    self.add_module(f"{name}_{number}", layer)
        return [module for module in self.children() if isinstance(module, Layer)]

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return []
        inner = [w for layer in self.sublayers() for w in layer.trainable_weights]
        own = [w for w in self.own_weights if w.learned]
        return list({id(w): w for w in [*own, *inner]}.values())

    @property
    def non_trainable_weights(self) -> list[Variable]:
        learned = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in learned]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; set, it holds for the layers inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.sublayers():
            layer.trainable = value

    @property
    def losses(self) -> list[Tensor]:
        """What the weights of this layer and of those in it cost, each a number."""
        own = [cost(getattr(self, f"_{name}")) for name, cost in self.costs]
        return own + [loss for layer in self.sublayers() for loss in layer.losses]

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights, laid out as Keras does it."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Overwrite all weights by what `get_weights` gives, of this layer or of Keras's own."""
        own = self.weights
        if len(weights) != len(own):
            raise ValueError(
                f"set_weights: {self.name!r} has {len(own)} weights, got {len(weights)} arrays"
            )
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def count_params(self) -> int:
        return sum(w.tensor.numel() for w in self.weights)

    # -- calls --------------------------------------------------------------------------------

    def forward(self, *args: Any, **keywords: Any) -> Any:
        return self.call(*args, **keywords)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        given = flat((args, keywords))
        if any(isinstance(x, KerasTensor) for x in given):
            return self._noted(args, keywords)
        args, keywords = over(_as_tensor, (args, keywords))
        self._build_for(_shapes(args))
        asked = keywords.pop("training", None)
        with phase(_phase.training if asked is None else bool(asked)):
            if self._knows_training:
                keywords["training"] = _phase.training
            return super().__call__(*args, **keywords)

    def _noted(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A call on symbolic tensors."""
        shapes = _shapes(args)
        self._build_for(shapes)
        node = Node(self, args, keywords)
        return node.give(self.compute_output_shape(shapes), ops.zeros(0).dtype)

    def _build_for(self, shapes: Any) -> None:
        if not self.built:
            self.build(shapes)
            self.built = True

    @property
    def output(self) -> Any:
        """What the layer gave when it was first called on symbolic tensors."""
        return self._first_node().outputs

    @property
    def input(self) -> Any:
        """What the layer was first called on."""
        inputs = self._first_node().inputs
        return inputs[0] if len(inputs) == 1 else inputs

    def _first_node(self) -> Node:
        if not self.nodes:
            raise AttributeError(f"the layer {self.name!r} was never called on a symbolic tensor")
        return self.nodes[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "name": self.name, "trainable": self.trainable}

    def extra_repr(self) -> str:
        return f"name={self.name}, built={self.built}"


def _as_tensor(x: Any) -> Any:
    """Arrays as tensors, floating-point ones in the default type; all else as it is."""
    if isinstance(x, Variable):
        return x.value
    if not isinstance(x, np.ndarray):
        return x
    return wrap(x.astype(ops.zeros(0).dtype, copy=False) if x.dtype.kind == "f" else x)


def _shapes(args: tuple[Any, ...]) -> Any:
    """The shape of the first argument, or the shapes of what it holds."""

    def shape(x: Any) -> Any:
        return tuple(x.shape) if hasattr(x, "shape") else ()

    return over(shape, args[0]) if args else ()
