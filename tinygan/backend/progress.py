"""Who is told that a kernel is being compiled: light, so that the CLI can ask without Numba."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, float | None], None]

_listeners: list[Listener] = []


def on_compile(listener: Listener) -> None:
    """Have `listener(name, None)` called before a kernel is compiled, `listener(name, s)` after.

    Nothing is called for a kernel that comes from the cache on disk. CuPy's cache does not tell
    beforehand: of a GPU's kernels only the second call comes.
    """
    _listeners.append(listener)


def announce(name: str, seconds: float | None) -> None:
    """Tell the listeners that a kernel begins to be compiled (None), or how long it took."""
    for listener in _listeners:
        listener(name, seconds)
