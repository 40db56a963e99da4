"""Pictures in a terminal: two pixels a character, the upper half block in colour."""

from __future__ import annotations

import numpy as np
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style


def can_show(console: Console) -> bool:
    """Whether the console is a terminal with enough colours and Unicode."""
    return (
        console.is_terminal
        and not console.no_color
        and console.color_system in ("truecolor", "256")
        and console.encoding.lower().startswith("utf")
    )


def half_blocks(pixels: np.ndarray, columns: int, rows: int, aspect: int) -> Segments:
    """(H, W, 3) uint8 scaled to `columns` characters and cut to at most `rows` lines.

    The cut falls between tiles of `aspect` pixels, so that no sample is shown in part.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = min(1.0, columns / width)
    tiles = max(1, int(rows * 2 / scale) // aspect)
    pixels = pixels[: min(height, tiles * aspect)]
    size = (int(width * scale), max(2, int(len(pixels) * scale) // 2 * 2))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    segments = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        start = 0
        pairs = np.concatenate([upper, lower], axis=1)
        changes = np.flatnonzero((pairs[1:] != pairs[:-1]).any(axis=1)) + 1
        for end in [*changes, len(pairs)]:  # one segment a run of equal colours
            r, g, b, *below = (int(c) for c in pairs[start])
            style = Style(color=Color.from_rgb(r, g, b), bgcolor=Color.from_rgb(*below))
            segments.append(Segment("▀" * int(end - start), style))
            start = end
        segments.append(Segment.line())
    return Segments(segments)
