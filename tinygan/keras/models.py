"""Models, and models from files."""

from __future__ import annotations

from tinygan.keras.model import Functional, Model, Sequential
from tinygan.keras.saving import load_model, model_from_json


def clone_model(model: Model) -> Model:
    """A model of the same layers with new weights."""
    return model_from_json(model.to_json())


__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json"]
