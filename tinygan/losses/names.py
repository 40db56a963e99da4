"""Choosing by name, with an error that offers the nearest right one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

Value = TypeVar("Value")


def choose(kind: str, name: str, known: Mapping[str, Value]) -> Value:
    """known[name]; an unknown name is a ValueError that names the nearest known one."""
    if name in known:
        return known[name]
    near = get_close_matches(str(name).replace("-", "_"), known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown {kind} {name!r}; {hint}known are {', '.join(known)}")
