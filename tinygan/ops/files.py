"""Tensors in files: state dicts as safetensors, with nothing that runs code when it is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import Device, backend_for, host_array
from tinygan.backend.files import FileError, load_arrays, save_arrays

__all__ = ["load", "save"]

_TREE = "tinygan"  # the note that holds the nesting; absent for a plain {name: tensor}


def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """Write a state dict: tensors, arrays, numbers, strings, None in dicts, lists and tuples.

    The file is safetensors: the tensors under their path (`generator.0.weight`), all the rest as
    JSON in its header. A flat dict of tensors is what any program that reads safetensors expects.
    The file is written under a temporary name and renamed. Raises TypeError for anything else, and
    OSError where the disk refuses.
    """
    arrays: dict[str, np.ndarray] = {}
    flat = isinstance(obj, dict) and all(
        type(name) is str and isinstance(value, Tensor) for name, value in obj.items()
    )
    tree = _flatten(obj, (), arrays)
    save_arrays(arrays, f, {} if flat else {_TREE: tree})


def load(
    f: str | os.PathLike[str],
    map_location: str | Device | Callable[[Tensor, str], Tensor] | None = None,
    *,
    weights_only: bool = True,
) -> Any:
    """Read what `save` wrote, or any safetensors file; tensors go to `map_location` (the CPU).

    It may be a function of a tensor and "cpu", where it is, as in lambda storage, loc: storage.
    No file runs code here, so `weights_only` changes nothing. Raises FileError, which names the
    file, where it is missing, truncated or corrupt.
    """
    arrays, notes = load_arrays(f)
    place = _placing(map_location)
    if _TREE not in notes:
        return {name: wrap(place(array)) for name, array in arrays.items()}
    try:
        return _nest(notes[_TREE], arrays, place)
    except (KeyError, TypeError, IndexError) as error:
        raise FileError(f"{f}: its header does not describe its tensors ({error!r})") from error


def _placing(location: Any) -> Callable[[np.ndarray], Any]:
    """What brings an array of the host to where `map_location` says."""
    if callable(location):
        return lambda array: location(wrap(array), "cpu").array
    return backend_for("cpu" if location is None else location).from_host


def _flatten(value: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """The JSON for a value; arrays are put aside under their path."""
    if isinstance(value, (Tensor, np.ndarray)):
        name = ".".join(path)
        while name in arrays:  # {"a.b": x, "a": {"b": y}}
            name += "_"
        arrays[name] = host_array(value.array) if isinstance(value, Tensor) else value
        return {"tensor" if isinstance(value, Tensor) else "array": name}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        pairs = [[_key(k, path), _flatten(v, (*path, str(k)), arrays)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)):
        items = [_flatten(v, (*path, str(i)), arrays) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    raise TypeError(
        f"save: {'.'.join(path) or 'the object'} is a {type(value).__name__}; expected tensors, "
        "numbers, strings and None in dicts, lists and tuples (of a module, save its state_dict())"
    )


def _key(key: Any, path: tuple[str, ...]) -> Any:
    if key is None or isinstance(key, (bool, int, float, str)):
        return key
    raise TypeError(f"save: the key {key!r} of {'.'.join(path) or 'the dict'} is no string")


def _nest(value: Any, arrays: dict[str, np.ndarray], place: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "tensor":
        return wrap(place(arrays[content]))
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {k: _nest(v, arrays, place) for k, v in content}
    items = [_nest(v, arrays, place) for v in content]
    return tuple(items) if kind == "tuple" else items
