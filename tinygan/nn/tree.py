"""The tree behind a Module: what it holds under which name, in the order of definition."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tinygan.autograd import Parameter, Tensor

if TYPE_CHECKING:
    from tinygan.nn.module import Module


class Tree:
    """Parameters, buffers and submodules, registered by assignment to attributes."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _transient: list[str]

    def __init__(self) -> None:
        self.__dict__.update(
            _parameters={},
            _buffers={},
            _modules={},
            _transient=[],  # names of the buffers that are left out of the state dict
        )

    # -- attributes ---------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        kind = "parameter" if isinstance(value, Parameter) else "module"
        if isinstance(value, (Parameter, Tree)):
            if "_parameters" not in own:
                raise AttributeError(
                    f"cannot assign {kind} {name!r} before Module.__init__() call: call "
                    f"super().__init__() first in {type(self).__name__}.__init__"
                )
            home = own["_parameters" if kind == "parameter" else "_modules"]
            for other in (own, own["_parameters"], own["_buffers"], own["_modules"]):
                if other is not home:
                    other.pop(name, None)
            home[name] = value
        elif name in own.get("_parameters", ()):
            self._assign_known("_parameters", name, value, "Parameter")
        elif name in own.get("_modules", ()):
            self._assign_known("_modules", name, value, "Module")
        elif name in own.get("_buffers", ()):
            self._assign_known("_buffers", name, value, "Tensor")
        else:
            object.__setattr__(self, name, value)

    def _assign_known(self, home: str, name: str, value: Any, expected: str) -> None:
        if value is not None and not (expected == "Tensor" and isinstance(value, Tensor)):
            what = {"_parameters": "parameter", "_modules": "child module", "_buffers": "buffer"}
            raise TypeError(
                f"cannot assign {type(value).__name__!r} object as {what[home]} {name!r} "
                f"({expected} or None expected)"
            )
        self.__dict__[home][name] = value

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for home in ("_parameters", "_buffers", "_modules"):
            if home in own and name in own[home]:
                return own[home][name]
        if "_parameters" not in own:
            if name.startswith("__"):
                raise AttributeError(name)
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: its __init__ has not "
                "called super().__init__() yet"
            )
        near = "" if name.startswith("__") else _nearest(name, dir(self))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{near}")

    def __delattr__(self, name: str) -> None:
        for home in (self._parameters, self._buffers, self._modules):
            if name in home:
                del home[name]
                if name in self._transient:
                    self._transient.remove(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the place of one that is absent (`bias=False`)."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name(name, "parameter", self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} object to parameter {name!r} "
                "(Parameter or None required)"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but not trained; kept in the state dict or not."""
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} object to buffer {name!r} "
                "(Tensor or None required)"
            )
        self._buffers[name] = tensor
        if name in self._transient:
            self._transient.remove(name)
        if not persistent:
            self._transient.append(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name that need not be a Python identifier."""
        self._check_name(name, "module", self._modules)
        if module is not None and not isinstance(module, Tree):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module

    register_module = add_module

    def _check_name(self, name: str, kind: str, home: dict[str, Any]) -> None:
        if "." in name:
            raise KeyError(f'{kind} name cannot contain ".", got: "{name}"')
        if not name:
            raise KeyError(f'{kind} name cannot be empty string ""')
        if name not in home and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # -- the tree -----------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the immediate submodules."""
        seen: list[Module] = []
        for name, module in self._modules.items():
            if module is not None and not any(module is known for known in seen):
                seen.append(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and all below it, parents first."""
        memo = set() if memo is None else memo
        if remove_duplicate:
            if id(self) in memo:
                return
            memo.add(id(self))
        itself: Any = self
        yield prefix, itself
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def _named(
        self, home: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        below = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in below:
            for name, value in module.__dict__[home].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) of this module and those below; a shared one comes once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer) of this module and those below."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; "" is this one."""
        module: Any = self
        for name in target.split(".") if target else ():
            child = module._modules.get(name)
            if child is None:
                near = _nearest(name, list(module._modules))
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r}{near}")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._get("_parameters", "parameter", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        return self._get("_buffers", "buffer", target)

    def _get(self, home: str, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        value = module.__dict__[home].get(name)
        if value is None:
            near = _nearest(name, list(module.__dict__[home]))
            raise AttributeError(f"{type(module).__name__} has no {kind} {name!r}{near}")
        return value


def _nearest(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
