"""Module: a function with parameters, its state and its modes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from tinygan.autograd import Tensor, assign, called, perform, wrap, zero_gradient
from tinygan.autograd.hooks import RemovableHandle
from tinygan.backend import Device, backend_of
from tinygan.backend.dtypes import float16, float32, float64
from tinygan.nn.tree import Tree


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find, and what it found but could not place."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Tree):
    """A function with parameters: subclass it, make the parts in `__init__`, compute in `forward`.

    What is assigned to an attribute is registered in the order of definition: a Parameter as a
    parameter, a Module as a submodule; `register_buffer` adds a tensor that belongs to the state
    and is not trained. Names in `state_dict` are PyTorch's.
    """

    training: bool
    newer_state: frozenset[str] = frozenset()  # names of its own that older state dicts lack
    _forward_pre_hooks: dict[int, Callable[..., Any]]
    _forward_hooks: dict[int, Callable[..., Any]]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(training=True, _forward_pre_hooks={}, _forward_hooks={})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        called(self)
        if not (self._forward_pre_hooks or self._forward_hooks):
            return self.forward(*args, **kwargs)
        for before in list(self._forward_pre_hooks.values()):
            changed = before(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*args, **kwargs)
        for after in list(self._forward_hooks.values()):
            changed = after(self, args, result)
            result = result if changed is None else changed
        return result

    def register_forward_pre_hook(self, hook: Callable[[Module, Any], Any]) -> RemovableHandle:
        """Call `hook(module, args)` before each `forward`; what it returns replaces the args."""
        return RemovableHandle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> RemovableHandle:
        """Call `hook(module, args, output)` after each `forward`; a result replaces the output."""
        return RemovableHandle(self._forward_hooks, hook)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every submodule, then with this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- modes, devices, types ----------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Behave as in training (dropout drops, batch norm uses the batch), or not."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask that gradients of the parameters be computed, or no longer."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the parameters, or fill them with zeros."""
        for parameter in self.parameters():
            zero_gradient(parameter, set_to_none)

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        for parameter in self.parameters():
            moved = fn(parameter.detach())
            if moved.array is not parameter.array:
                parameter.data = moved
                if parameter.grad is not None:
                    parameter.grad = fn(parameter.grad.detach())
        for module in self.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, device: Any = None, dtype: Any = None) -> Self:
        """Move to a device and (floating-point ones) cast to a type, in place.

        As in `to("cuda")`, `to(float64)`, `to("cuda", float64)` or `to(other_tensor)`.
        """
        for value in args:
            if isinstance(value, Tensor):
                device, dtype = value.device, value.dtype
            elif isinstance(value, (str, Device)):
                device = value
            elif value is not None and not isinstance(value, bool):  # bool: non_blocking
                dtype = value
        if dtype is not None and np.dtype(dtype).kind != "f":
            raise TypeError(f"Module.to: expected a floating-point dtype, got {np.dtype(dtype)}")

        def move(x: Tensor) -> Tensor:
            moved = x if device is None else x.to(device)
            return moved.to(dtype) if dtype is not None and x.is_floating_point() else moved

        return self._apply(move)

    def float(self) -> Self:
        return self.to(dtype=float32)

    def double(self) -> Self:
        return self.to(dtype=float64)

    def half(self) -> Self:
        return self.to(dtype=float16)

    def cpu(self) -> Self:
        return self.to(device="cpu")

    def cuda(self, device: int | None = None) -> Self:
        return self.to(device="cuda" if device is None else f"cuda:{device}")

    # -- state --------------------------------------------------------------------------------

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Dotted name -> tensor for every parameter and persistent buffer, sharing their memory.

        The tensors are detached unless `keep_vars`.
        """
        return {name: value if keep_vars else value.detach() for name, value in self._state(prefix)}

    def _state(self, prefix: str) -> list[tuple[str, Tensor]]:
        result: list[tuple[str, Tensor]] = []
        for name, parameter in self._parameters.items():
            if parameter is not None:
                result.append((prefix + name, parameter))
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._transient:
                result.append((prefix + name, buffer))
        for name, module in self._modules.items():
            if module is not None:
                result.extend(module._state(f"{prefix}{name}."))
        return result

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy the values into the parameters and buffers of the same names, in place.

        The values may be tensors or arrays, of any floating-point type and on any device. Missing
        and unexpected names are an error unless `strict` is False; a value of another shape always
        is. Nothing is copied if there is an error.
        """
        own = dict(self._state(""))
        newer = {
            f"{path}.{name}".removeprefix(".")
            for path, module in self.named_modules(remove_duplicate=False)
            for name in module.newer_state
        }
        missing = [name for name in own if name not in state_dict and name not in newer]
        unexpected = [name for name in state_dict if name not in own]
        errors: list[str] = []
        if strict and missing:
            errors.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if strict and unexpected:
            errors.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        found = [(name, tensor) for name, tensor in own.items() if name in state_dict]
        for name, tensor in found:
            shape = tuple(state_dict[name].shape)
            if shape != tensor.array.shape:
                errors.append(
                    f"size mismatch for {name}: copying a param with shape {list(shape)} from "
                    f"checkpoint, the shape in current model is {list(tensor.array.shape)}."
                )
        if errors:
            lines = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}"
            )
        for name, tensor in found:
            overwrite(tensor, state_dict[name])
        return IncompatibleKeys(missing, unexpected)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A module with parameters of its own.

        A plain attribute that holds the result of an operation (the weight that `spectral_norm`
        computes in each forward) is copied detached, because a recorded operation is not copied.
        """
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor) and not value.is_leaf:
                value = value.detach()
            new.__dict__[name] = copy.deepcopy(value, memo)
        return new

    # -- for the reader -----------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses of this module."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().splitlines()
        children = [f"({name}): {indent(repr(child))}" for name, child in self._modules.items()]
        return tree_repr(self._get_name(), extra, children)


def overwrite(x: Tensor, value: Any) -> None:
    """x <- value, in the memory of x; `value` is a tensor or array of any type and device."""
    backend = backend_of(x.array)
    array = value.array if isinstance(value, Tensor) else value
    if not isinstance(array, backend.array_type):
        array = backend.from_host(np.asarray(_to_host(array)))
    perform(assign, x.array, wrap(array).to(x.dtype).array, changed=[x])


def _to_host(array: Any) -> Any:
    try:
        return backend_of(array).to_host(array)
    except TypeError:  # another library's array, a number or a list
        return array


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def indent(text: str) -> str:
    """The text with all lines but the first moved right, as inside of a tree_repr."""
    return text.replace("\n", "\n  ")


def tree_repr(name: str, extra: list[str], children: list[str]) -> str:
    """name(...) with its options in one line, or with a line for each option and child."""
    if len(extra) == 1 and not children:
        return f"{name}({extra[0]})"
    if not (extra or children):
        return f"{name}()"
    return f"{name}(\n  " + "\n  ".join(extra + children) + "\n)"
