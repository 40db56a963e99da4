"""A module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygan.autograd import Tensor
from tinygan.nn.module import Module


def functional_call(module: Module, parameters: Mapping[str, Tensor], *inputs: Any) -> Any:
    """module(*inputs) with these tensors in place of the parameters of those names.

    The module is as before afterwards; the result can be differentiated by what the tensors were
    computed from. Names are those of `named_parameters()`; what is not named stays.
    """
    places = []
    for name, value in parameters.items():
        path, _, last = name.rpartition(".")
        own = module.get_submodule(path)._parameters
        before = own.get(last)
        if before is None:
            raise KeyError(f"functional_call: {type(module).__name__} has no parameter {name!r}")
        if before.shape != value.shape:
            raise ValueError(
                f"functional_call: {name} has shape {tuple(before.shape)}, the tensor given for it "
                f"{tuple(value.shape)}"
            )
        places.append((own, last, before, value))
    try:
        for own, last, _, value in places:
            own[last] = value  # type: ignore[assignment]
        return module(*inputs)
    finally:
        for own, last, before, _ in places:
            own[last] = before
