"""What an optimizer keeps of a parameter, and taking it over from a file."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import backend_of
from tinygan.ops import zeros_like

State = dict[str, Any]


def step_count(p: Tensor, value: float = 0.0) -> Tensor:
    """The count of a parameter's updates: a 0-d float32 on its device."""
    return wrap(backend_of(p.array).from_host(np.array(value, dtype=np.float32)))


def kept(ours: State, given: State) -> State:
    """The tensors of a state that can hold what was loaded, with the loaded values."""
    result: State = {}
    for name, value in given.items():
        x = ours.get(name)
        if x is None or value is None or x.array.dtype != value.array.dtype:
            continue
        if backend_of(x.array) is backend_of(value.array) and x.shape == value.shape:
            x.array[...] = value.array
            x.version[0] += 1
            result[name] = x
    return result


def loaded(name: str, value: Any, p: Tensor) -> Any:
    """A loaded state value as a tensor of its own, with the type and on the device of p."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        value = backend_of(value.array).to_host(value.array)
    array = np.asarray(value)
    if name == "step":
        return step_count(p, float(array))
    if array.shape != p.array.shape:
        raise ValueError(
            f"loaded state dict: {name} has shape {array.shape}, its parameter {tuple(p.shape)}"
        )
    result = zeros_like(p)
    result.array[...] = backend_of(p.array).from_host(array.astype(p.dtype))
    return result
