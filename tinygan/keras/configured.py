"""Configured: things that know with which arguments they were made, so that JSON can hold them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from tinygan.backend.errors import choose

Names = Mapping[str, Any]


class Configured:
    """A layer, loss, metric, optimizer or initializer: its arguments are its configuration."""

    registry: ClassVar[dict[str, type[Configured]]] = {}
    kind: ClassVar[str] = ""  # before the name where two kinds of things share names
    _given: dict[str, Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        Configured.registry[cls.kind + cls.__name__] = cls

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        self = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(self, *args, **keywords)
        given: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                given.update(value)
            else:
                given[name] = value
        self.__dict__["_given"] = given
        return self

    def get_config(self) -> dict[str, Any]:
        """The arguments that it was made with, as JSON holds them."""
        return {name: serialized(value) for name, value in self._given.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """One made with these arguments."""
        return cls(**{name: deserialized(value, {}) for name, value in config.items()})


def serialized(value: Any) -> Any:
    """A value as JSON holds it; TypeError for what JSON cannot hold."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [serialized(item) for item in value]
    if isinstance(value, dict):
        return {str(key): serialized(item) for key, item in value.items()}
    if isinstance(value, Configured):
        name = type(value).kind + type(value).__name__
        return {"class_name": name, "config": value.get_config()}
    if callable(value) and getattr(value, "__module__", "").startswith("tinygan.keras."):
        return {"function": value.__name__}
    raise TypeError(
        f"{value!r} cannot be written as JSON: expected numbers, strings, and layers, losses and "
        "the like by name; give a class of your own a get_config()"
    )


def deserialized(value: Any, custom_objects: Names) -> Any:
    """What `serialized` made JSON of; `custom_objects` has classes and functions by name."""
    if isinstance(value, list):
        return [deserialized(item, custom_objects) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"class_name", "config"}:
        return class_named(value["class_name"], custom_objects).from_config(value["config"])
    if set(value) == {"function"}:
        return function_named(value["function"], custom_objects)
    return {key: deserialized(item, custom_objects) for key, item in value.items()}


def class_named(name: str, custom_objects: Names) -> Any:
    known = {**Configured.registry, **custom_objects}
    if name not in known:
        raise ValueError(f"there is no class {name!r} here: pass custom_objects={{{name!r}: ...}}")
    return known[name]


def function_named(name: str, custom_objects: Names) -> Callable[..., Any]:
    from tinygan.keras import activations, losses, metrics

    if name in custom_objects:
        found: Callable[..., Any] = custom_objects[name]
        return found
    for module in (activations, losses, metrics):
        if hasattr(module, name):
            of_house: Callable[..., Any] = getattr(module, name)
            return of_house
    raise ValueError(f"there is no function {name!r} here: pass custom_objects={{{name!r}: ...}}")


def by_name(kind: str, identifier: Any, known: Mapping[str, Any]) -> Any:
    """What an identifier stands for: the entry of that name, what a config describes, or itself."""
    if isinstance(identifier, str):
        return choose(kind, identifier, known)
    if isinstance(identifier, dict):
        return deserialized(identifier, {})
    return identifier
