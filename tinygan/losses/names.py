"""Choosing by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from tinygan.backend.errors import unknown

Value = TypeVar("Value")


def choose(kind: str, name: str, known: Mapping[str, Value]) -> Value:
    """known[name]; an unknown name is a ValueError that names the nearest known one."""
    if name in known:
        return known[name]
    raise ValueError(unknown(kind, name, known))
