"""Mistakes of input, told without a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

Value = TypeVar("Value")


class UserError(Exception):
    """A mistake of input. The message is complete in itself: what was given, what to do."""


class UnknownNameError(UserError, ValueError):
    """A name that does not exist; the message tells the nearest right one."""


def choose(what: str, name: str, known: Mapping[str, Value]) -> Value:
    """known[name], or UnknownNameError."""
    if name not in known:
        raise UnknownNameError(unknown(what, name, known))
    return known[name]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist, with the nearest right one."""
    known = sorted(known)
    near = get_close_matches(name, known, 1)
    if near and len(known) > 20:
        return f"unknown {what} {name!r}; did you mean {near[0]!r}?"
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}there are: {', '.join(known)}"
