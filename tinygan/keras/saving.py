"""Models in files: safetensors, with the configuration as JSON in the header."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygan.backend.files import FileError, load_arrays, save_arrays
from tinygan.keras.configured import class_named, deserialized, serialized
from tinygan.keras.symbolic import Graph, KerasTensor, flat, over
from tinygan.ops.files import _flatten, _nest

if TYPE_CHECKING:
    from tinygan.keras.layer import Layer
    from tinygan.keras.model import Model

FORMAT = "tinygan.keras"


# -- configurations -------------------------------------------------------------------------------


def layer_config(layer: Layer) -> dict[str, Any]:
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def graph_config(graph: Graph, name: str, trainable: bool) -> dict[str, Any]:
    """The layers, the calls of them, and which symbols go in and come out."""
    numbers = {id(node): i for i, node in enumerate(graph.nodes)}

    def symbol(x: Any) -> Any:
        if isinstance(x, KerasTensor):
            return {"call": numbers[id(x.node)], "output": x.index}
        return serialized(x)

    calls = [
        {
            "layer": node.layer.name,
            "args": over(symbol, list(node.args)),
            "kwargs": over(symbol, node.keywords),
        }
        for node in graph.nodes
    ]
    return {
        "name": name,
        "trainable": trainable,
        "layers": [layer_config(layer) for layer in graph.layers],
        "calls": calls,
        "inputs": over(symbol, graph.inputs),
        "outputs": over(symbol, graph.outputs),
    }


def graph_from(config: dict[str, Any], custom_objects: Mapping[str, Any]) -> tuple[Any, Any]:
    """Symbolic inputs and outputs, with new layers between them."""
    layers = {layer.name: layer for layer in stack_from(config, custom_objects)}
    made: list[Any] = []

    def symbol(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"call", "output"}:
            return flat(made[value["call"]])[value["output"]]
        if isinstance(value, dict):
            return {key: symbol(item) for key, item in value.items()}
        return [symbol(item) for item in value] if isinstance(value, list) else value

    for call in config["calls"]:
        layer = layers[call["layer"]]
        if call["args"] or call["kwargs"]:
            made.append(layer(*symbol(call["args"]), **symbol(call["kwargs"])))
        else:
            made.append(layer.nodes[0].outputs)
    return symbol(config["inputs"]), symbol(config["outputs"])


def stack_config(
    stack: list[Layer], name: str, trainable: bool, graph: Graph | None
) -> dict[str, Any]:
    """The layers of a Sequential, and the shape that it was built for."""
    shape = None if graph is None else list(flat(graph.inputs)[0].shape)
    layers = [layer_config(layer) for layer in stack]
    return {"name": name, "trainable": trainable, "layers": layers, "input_shape": shape}


def stack_from(config: dict[str, Any], custom_objects: Mapping[str, Any]) -> list[Layer]:
    found = []
    for entry in config["layers"]:
        kind = class_named(entry["class_name"], custom_objects)
        layer = kind.from_config(entry["config"])
        layer._trainable = entry["config"].get("trainable", True)
        found.append(layer)
    return found


def to_json(model: Model) -> str:
    return json.dumps(layer_config(model))


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model that `to_json` described, with new weights."""
    return _made(json.loads(text), custom_objects or {})


def _made(entry: dict[str, Any], custom_objects: Mapping[str, Any]) -> Model:
    model: Model = class_named(entry["class_name"], custom_objects).from_config(entry["config"])
    model._trainable = entry["config"].get("trainable", True)
    return model


# -- files ----------------------------------------------------------------------------------------


def _weights(model: Model) -> dict[str, np.ndarray]:
    """By position, so that a model made again by the same program finds its own."""
    if not model.weights:
        raise ValueError(f"{model.name!r} has no weights yet: build it, or call it on data")
    return {
        f"weights.{number:04d}.{variable.path}": variable.numpy()
        for number, variable in enumerate(model.weights)
    }


def _check_free(path: str | os.PathLike[str], overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")


def save_weights(model: Model, path: str | os.PathLike[str], overwrite: bool) -> None:
    _check_free(path, overwrite)
    save_arrays(_weights(model), path, {"format": FORMAT})


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    arrays, _ = _read(path)
    own = [arrays[name] for name in sorted(arrays) if name.startswith("weights.")]
    try:
        model.set_weights(own)
    except ValueError as error:
        raise ValueError(f"{path} does not fit {model.name!r}: {error}") from None


def save_model(model: Model, path: str | os.PathLike[str], overwrite: bool) -> None:
    _check_free(path, overwrite)
    notes: dict[str, Any] = {"format": FORMAT, "model": layer_config(model)}
    arrays = _weights(model)
    if model.compiled and model.optimizer is not None:
        notes["compiled"] = {k: serialized(v) for k, v in model.compile_config.items()}
        notes["iterations"] = model.optimizer.iterations
        if model.optimizer.inner is not None:
            kept: dict[str, np.ndarray] = {}
            tree = _flatten(model.optimizer.inner.state_dict(), ("optimizer",), kept)
            notes["optimizer"] = tree
            arrays |= kept
    save_arrays(arrays, path, notes)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
) -> Model:
    """The model that `save` wrote, compiled as it was if `compile`.

    Classes of your own are found by name among those that are defined, and in `custom_objects`.
    """
    arrays, notes = _read(filepath)
    if "model" not in notes:
        raise FileError(f"{filepath} holds weights only: make the model and call load_weights()")
    model = _made(notes["model"], custom_objects or {})
    load_weights(model, filepath)
    if compile and "compiled" in notes:
        known = custom_objects or {}
        given = {k: deserialized(v, known) for k, v in notes["compiled"].items()}
        model.compile(**given)
        if "optimizer" in notes and model.optimizer is not None:
            model.optimizer.build([w.tensor for w in model.trainable_weights])
            state = _nest(notes["optimizer"], arrays, lambda array: array)
            model.optimizer.inner.load_state_dict(state)
            model.optimizer.iterations = notes["iterations"]
    return model


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with open(path, "rb") as file:
        begin = file.read(8)
    if begin[:2] == b"PK" or begin[1:4] == b"HDF":
        raise FileError(
            f"{path} was written by Keras itself (a .keras archive or HDF5); here models are "
            "safetensors: pass the weights over by get_weights() and set_weights()"
        )
    arrays, notes = load_arrays(path)
    if notes.get("format") != FORMAT:
        raise FileError(f"{path} is no file of tinygan.keras")
    return arrays, notes
