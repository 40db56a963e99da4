"""Primitive: an operation with its reference, its derivative rules and its kernels in one place.

    @primitive
    def sigmoid(xp, x): return 1 / (1 + xp.exp(-x))

    sigmoid.vjp(x=lambda g, y: g * y * (1 - y))

The reference computes on arrays with the namespace `xp`. Its positional parameters are tensors,
its keyword-only ones static. A vjp takes the gradient of the output first; what else it wants it
names: `y` is the output, an input's name is that input, `NAME_shape` only its shape, a static's
name its value. Only what is named is kept alive. Rules are written in differentiable ops, so
derivatives of every order follow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import MethodType
from typing import Any, overload

import numpy as np

from tinygan.autograd.memory import share
from tinygan.autograd.mode import state
from tinygan.autograd.node import Node, _counter
from tinygan.autograd.tensor import Tensor, wrap
from tinygan.backend import Backend, DeviceError, backend_of
from tinygan.backend.dtypes import float32, promote
from tinygan.backend.kernels import Kernels

REGISTRY: dict[str, Primitive] = {}

_ERRORS = (IndexError, ValueError, TypeError)
_NUMBERS = frozenset((float, int, bool))
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}  # which PyTorch takes too
_TORCH_NAMES = {"input": "x", "other": "w"}  # of what is a letter here


class Rule:
    """One vjp and where each of its arguments comes from."""

    __slots__ = ("function", "needs", "sources")

    def __init__(self, op: Primitive, function: Callable[..., Any]) -> None:
        self.function = function
        self.sources: list[tuple[str, Any]] = []
        for name in list(inspect.signature(function).parameters)[1:]:
            if name in op.inputs:
                self.sources.append(("input", op.inputs.index(name)))
            elif name.removesuffix("_shape") in op.inputs:
                self.sources.append(("shape", op.inputs.index(name.removesuffix("_shape"))))
            elif name in op.statics:
                self.sources.append(("static", name))
            elif name == "y":
                self.sources.append(("input", -1))
            elif (name == "position" and op.variadic) or name == "asked":
                self.sources.append((name, None))
            else:
                raise TypeError(
                    f"{op}: a vjp asks for {name!r}, which is neither y nor a parameter"
                )
        self.needs = {source for kind, source in self.sources if kind == "input"}

    def __call__(self, node: Node, position: Any, g: Tensor, variadic: bool) -> Any:
        arguments: list[Any] = []
        for kind, source in self.sources:
            if kind == "input":
                if variadic and source == 0:
                    arguments.append(tuple(node.restore(i) for i in range(len(node.inputs))))
                else:
                    arguments.append(node.restore(source))
            elif kind == "static":
                arguments.append(node.static[source])
            elif kind == "shape":
                arguments.append(node.shapes if variadic else node.shapes[source])
            else:
                arguments.append(position)
        return self.function(g, *arguments)


class Primitive:
    """An operation on tensors; call it like a function, or as a method of its first input."""

    def __init__(
        self,
        reference: Callable[..., Any],
        *,
        elementwise: bool = False,
        real: bool = False,
        view: bool = False,
        changes_inputs: bool = False,
        product: bool = False,
    ) -> None:
        self.reference = reference
        self.name = self.__name__ = reference.__name__.strip("_")
        self.__doc__ = reference.__doc__
        self.__module__ = reference.__module__
        parameters = list(inspect.signature(reference).parameters.values())[1:]  # without xp
        positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.inputs = [p.name for p in positional]
        self.required = sum(p.default is p.empty for p in positional)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
        keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.statics = [p.name for p in keywords]
        self.defaults = {p.name: p.default for p in keywords if p.default is not p.empty}
        self.elementwise, self.real, self.view = elementwise, real, view
        self.changes_inputs, self.product = changes_inputs, product
        self.rules: dict[int, Rule] = {}
        self.joint: Rule | None = None
        self.saves: frozenset[int] = frozenset()
        self.saves_output = False
        # of a view: x, value, statics -> x with the value, which it holds by now, in its place
        self.put: Any = None
        self.kernels = Kernels()
        if self.name in REGISTRY:
            raise ValueError(f"an op named {self.name!r} is registered already")
        REGISTRY[self.name] = self

    def vjp(self, **rules: Callable[..., Any]) -> None:
        """Set the derivative by each named input: g, ... -> gradient of that input.

        The result may have the output's broadcast shape (the walk sums it down to the input's)
        and may be None for a gradient that is zero.
        """
        for name, function in rules.items():
            self.rules[self.inputs.index(name)] = Rule(self, function)
        needs = frozenset[int]().union(*(rule.needs for rule in self.rules.values()))
        self.saves, self.saves_output = needs - {-1}, -1 in needs

    def vjp_of_all(self, function: Callable[..., Any]) -> None:
        """Set one rule for all inputs, whose gradients share work: g, ... -> one for each.

        It may name `asked`, a bool for every input; what is not asked for may be None.
        """
        self.joint = Rule(self, function)
        self.rules = dict.fromkeys(range(len(self.inputs)), self.joint)
        needs = frozenset(self.joint.needs)
        self.saves, self.saves_output = needs - {-1}, -1 in needs

    def kernel(self, backend: str, kernel: Any = None) -> Any:
        """Set a faster implementation for a backend: a function, or "module:function" to load.

        It is called as the reference is, without `xp` and with `out` (an array to write into, or
        None); where it returns NotImplemented the reference computes.
        """
        if kernel is None:
            return lambda function: self.kernel(backend, function)
        self.kernels[backend] = kernel
        return kernel

    # -- computing ----------------------------------------------------------------------------

    def __call__(self, *args: Any, **static: Any) -> Tensor:
        if static or (len(args) != len(self.inputs) and not self.variadic):
            args, static = self._bind(args, static)
        arrays: list[Any] = []
        recorded = False
        for x in args:
            if isinstance(x, Tensor):
                arrays.append(x.array)
                if x.node is not None:
                    recorded = True
            elif x is None or type(x) in _NUMBERS:
                arrays.append(x)
            else:
                arrays.append(self._constant(x))
        if self.statics:
            static = {**self.defaults, **static} if static else self.defaults
            if self.product and state.precisions and getattr(arrays[0], "dtype", None) == float32:
                where = backend_of(arrays[0]).device.type
                static = {**static, "precision": state.precisions.get(where)}
        y = self.compute(arrays, static)
        if state.observer is not None:
            state.observer(self, y)
        if state.trace is not None:
            state.trace.computed(self, arrays, static, y)
        if self.view:
            x = arrays[0]
            base = y.base
            if y is x or (base is not None and (base is x or base is x.base)):
                version = args[0].version
                result = wrap(y, None, version)
                share(version, args[0], result, self, static)
            else:
                result = wrap(y)
        else:
            result = wrap(y)
        if recorded and state.recording and self.rules:
            self.record(args, arrays, static, result)
        return result

    def compute(self, arrays: list[Any], static: dict[str, Any], out: Any = None) -> Any:
        """The result as an array, from arrays and Python numbers; into `out` if it is given."""
        backend = self._backend(arrays)
        if self.elementwise:
            arrays = promote(arrays, self.real)
        kernel = self.kernels.find(backend.name)
        if kernel is not None:
            y = kernel(*arrays, **static, out=out)
            if y is not NotImplemented:
                return y
        try:
            if backend.scalar_type is not None:
                with np.errstate(all="ignore"):
                    y = self.reference(backend.xp, *arrays, **static)
                if isinstance(y, backend.scalar_type):
                    y = backend.xp.asarray(y)
            else:
                y = self.reference(backend.xp, *arrays, **static)
        except _ERRORS as error:
            shapes = ", ".join(str(getattr(a, "shape", a)) for a in arrays)
            kind = next(k for k in _ERRORS if isinstance(error, k))  # NumPy's own take no message
            raise kind(f"{self.name}: {error} (inputs: {shapes})") from error
        if out is not None:
            out[...] = y
            return out
        return y

    def _backend(self, arrays: list[Any]) -> Backend:
        found: Backend | None = None
        for array in arrays:
            if array is None or isinstance(array, (int, float)):
                continue
            backend = backend_of(array)
            if found is None:
                found = backend
            elif backend is not found:
                raise DeviceError(
                    f"{self.name}: arguments on two devices, {found.device} and {backend.device}; "
                    f"move one of them with x.to({str(found.device)!r})"
                )
        if found is None:
            raise TypeError(f"{self.name}: expected at least one Tensor among its arguments")
        return found

    def _bind(self, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Sort arguments into inputs and statics, whichever way they were passed."""
        count = len(self.inputs)
        if not self.variadic:
            extra, args = args[count:], args[:count]
            if len(extra) > len(self.statics):
                raise TypeError(f"{self.name}: takes at most {count + len(self.statics)} arguments")
            for name, value in zip(self.statics, extra, strict=False):
                if name in static:
                    raise TypeError(f"{self.name}: got two values for {name!r}")
                static[name] = value
            if len(args) < count:
                for name, letter in _TORCH_NAMES.items():
                    if name in static and name not in self.inputs and letter in self.inputs:
                        static[letter] = static.pop(name)
                args = (*args, *(static.pop(name, None) for name in self.inputs[len(args) :]))
                if any(x is None for x in args[: self.required]):
                    raise TypeError(f"{self.name}: expected the inputs {', '.join(self.inputs)}")
        for name in tuple(static):
            if name not in self.statics:
                if NUMPY_NAMES.get(name) in self.statics:
                    static[NUMPY_NAMES[name]] = static.pop(name)
                    continue
                known = self.inputs + self.statics
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
                raise TypeError(f"{self.name}: unknown argument {name!r}; {hint}")
        return args, static

    def _constant(self, x: Any) -> Any:
        if isinstance(x, np.generic):  # np.float64 is a float, but not a weak one
            return x.item()
        if isinstance(x, (int, float)):
            return x
        raise TypeError(
            f"{self.name}: expected a Tensor or a number, got {type(x).__module__}."
            f"{type(x).__name__}; make it a tensor with tinygan.tensor(...)"
        )

    # -- differentiating ----------------------------------------------------------------------

    def record(
        self, args: tuple[Any, ...], arrays: list[Any], static: dict[str, Any], result: Tensor
    ) -> None:
        """Let `result` be what this op made of the arguments, for the walk."""
        y = result.array
        if y.dtype.kind != "f":
            return
        node = Node()
        node.index = next(_counter)
        node.op = self
        node.tensor = None
        node.static = static
        node.shape, node.dtype = y.shape, y.dtype
        node.inputs = tuple([x.node if isinstance(x, Tensor) else None for x in args])
        node.shapes = tuple([() if not hasattr(a, "shape") else a.shape for a in arrays])
        saved: dict[int, Any] = {}
        for i in range(len(args)) if self.variadic and self.saves else self.saves:
            x = args[i]
            if isinstance(x, Tensor):
                saved[i] = (x.array, x.node, x.version, x.version[0])
            else:
                saved[i] = arrays[i]
        if self.saves_output:
            saved[-1] = (y, None, result.version, result.version[0])
        node.saved = saved
        result.node = node

    def input_gradients(self, node: Node, g: Tensor, asked: list[bool]) -> Iterable[Tensor | None]:
        """The gradient of every input of a recorded call that is asked for, None where zero."""
        if self.joint is not None:
            every: Iterable[Tensor | None] = self.joint(node, asked, g, self.variadic)
            return [x if wanted else None for x, wanted in zip(every, asked, strict=True)]
        rules = self.rules
        result: list[Tensor | None] = []
        for position, wanted in enumerate(asked):
            if not wanted:
                result.append(None)
                continue
            rule = rules.get(0 if self.variadic else position)
            if rule is None:
                raise RuntimeError(
                    f"{self.name} is not differentiable by {self.inputs[position]!r}; detach() it"
                )
            result.append(rule(node, position, g, self.variadic))
        return result

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.inputs + self.statics)})>"


@overload
def primitive(reference: Callable[..., Any], /) -> Primitive: ...
@overload
def primitive(
    *,
    elementwise: bool = False,
    real: bool = False,
    view: bool = False,
    changes_inputs: bool = False,
    product: bool = False,
) -> Callable[[Callable[..., Any]], Primitive]: ...


def primitive(reference: Callable[..., Any] | None = None, **kind: bool) -> Any:
    """Register a function of arrays as an op; its name is the function's, without underscores.

    `elementwise`: its inputs are cast to their common type, as PyTorch does. `real`: integers
    become the default floating-point type first. `view`: the result may share the memory of the
    first input. `changes_inputs`: it is called for what it does to their memory. `product`: it has
    a static `precision`, which `autocast` sets.
    """
    if reference is None:
        return lambda function: Primitive(function, **kind)
    return Primitive(reference)
