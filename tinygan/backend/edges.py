"""The geometry of padding: where an input lies in its padded form, and what its edges repeat."""

from __future__ import annotations

from collections.abc import Sequence

Widths = tuple[tuple[int, int], ...]  # of every dimension: before, after


def inside(widths: Widths, shape: Sequence[int]) -> tuple[slice, ...]:
    """Where the input of that shape lies in its padded form."""
    return tuple(slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True))


def edges(before: int, after: int, size: int, mode: str) -> list[tuple[slice, slice]]:
    """Along one padded dimension the two edges and the places that they repeat."""
    end = before + size
    if mode == "reflect":
        last = end - 2 - after
        sources = slice(2 * before, before, -1), slice(end - 2, last if last >= 0 else None, -1)
    elif mode == "replicate":
        sources = slice(before, before + 1), slice(end - 1, end)
    else:
        sources = slice(end - before, end), slice(before, before + after)
    pairs = [(slice(0, before), sources[0]), (slice(end, end + after), sources[1])]
    return [pair for pair, width in zip(pairs, (before, after), strict=True) if width]
