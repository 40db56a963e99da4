"""The names that Keras gives to layers without one: dense, dense_1, dense_2, ..."""

from __future__ import annotations

import re
from collections import Counter

_given: Counter[str] = Counter()


def snake_case(name: str) -> str:
    """BatchNormalization -> batch_normalization, Conv2D -> conv2d, LeakyReLU -> leaky_re_lu."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def automatic(class_name: str) -> str:
    """The next free name for an object of a class."""
    stem = snake_case(class_name)
    number = _given[stem]
    _given[stem] += 1
    return f"{stem}_{number}" if number else stem


def forget() -> None:
    """Count from the beginning again."""
    _given.clear()
