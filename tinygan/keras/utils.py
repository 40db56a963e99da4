"""Helpers by Keras's names."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

import tinygan
from tinygan.keras import names


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """1 at the class of every element and 0 elsewhere: integers (...) -> float32 (..., classes)."""
    classes = np.asarray(x).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    if classes.size and classes.min() < 0:
        raise ValueError(f"to_categorical: expected classes from 0 on, got {classes.min()}")
    count = int(classes.max()) + 1 if num_classes is None else num_classes
    found: np.ndarray = np.zeros((classes.size, count), dtype=np.float32)
    found[np.arange(classes.size), classes.reshape(-1)] = 1
    return found.reshape(*classes.shape, count)


def set_random_seed(seed: int) -> None:
    """Seed Python's, NumPy's and tinygan's random numbers."""
    random.seed(seed)
    np.random.seed(seed)
    tinygan.manual_seed(seed)


def clear_session() -> None:
    """Name layers from the beginning again."""
    names.forget()


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """x / |x| along an axis, 0 where |x| is 0."""
    array = np.asarray(x)
    length = np.linalg.norm(array, order, axis, keepdims=True)
    found: np.ndarray = array / np.where(length == 0, 1, length)
    return found
