"""glyphs: 28 x 28 grey digits, drawn here, so that nothing has to be downloaded.

Each digit is drawn large once per stroke width with Pillow's built-in font. A sample looks at one
of these drawings through a random map: rotation, scale, shear and position, and quadratic and
cubic terms that bend straight lines the way a hand does. All samples are warped at once.
"""

from __future__ import annotations

import numpy as np

from tinygan.data.cache import key_of, recall, remember
from tinygan.data.dataset import Images

SIZE = 28
VERSION = 1  # of the drawing; raise it when the same seed gives other pictures
STROKES = (0, 3, 6, 10, 14)  # added to the outline of the large drawing, in its pixels
LARGE, SMALL = 384, 96  # side of the drawing, and of what is kept of it
CHUNK = 500  # samples warped together: what fits into a core's cache


def glyphs(count: int = 20_000, seed: int = 0) -> Images:
    """`count` images of digits with their labels, the same for the same seed."""
    key = key_of(["glyphs", VERSION, count, seed])
    arrays = recall("glyphs", key)
    if arrays is None or set(arrays) != {"images", "labels"}:
        images, labels = draw(count, seed)
        arrays = {"images": images, "labels": labels}
        remember("glyphs", key, arrays)
    return Images(
        arrays["images"],
        arrays["labels"],
        classes=[str(digit) for digit in range(10)],
        name="glyphs",
        source=f"drawn with Pillow's built-in font, seed {seed}",
    )


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images N 28 28 1 and labels N, both uint8."""
    drawings = atlas()
    random = np.random.PCG64(seed)

    def uniform(low: float, high: float) -> np.ndarray:
        raw = random.random_raw(count) >> np.uint64(11)  # the raw stream never changes
        return (low + (high - low) * (raw * 2.0**-53)).astype(np.float32)

    labels = np.minimum(uniform(0, 10).astype(np.uint8), 9)
    strokes = np.minimum(uniform(0, len(STROKES)).astype(np.int64), len(STROKES) - 1)
    tangent = uniform(-0.11, 0.11)  # of half the angle: +-12.6 degrees
    cosine = (1 - tangent**2) / (1 + tangent**2)
    sine = 2 * tangent / (1 + tangent**2)
    width, height = uniform(0.8, 1.15), uniform(0.86, 1.08)
    shear = uniform(-0.1, 0.35)
    # From a pixel of the sample (u right, v down, -1..1) to a place in the drawing (x, y, -1..1).
    matrix = np.stack(
        [
            cosine * width,
            (shear * cosine - sine) * width,
            sine * height,
            (cosine + shear * sine) * height,
        ]
    )
    shift = np.stack([uniform(-0.09, 0.09), uniform(-0.09, 0.09)])
    bend = np.stack([uniform(-0.2, 0.2) for _ in range(6)])
    images = np.empty((count, SIZE, SIZE, 1), np.uint8)
    for first in range(0, count, CHUNK):
        part = slice(first, min(first + CHUNK, count))
        sources = drawings[labels[part].astype(np.int64) * len(STROKES) + strokes[part]]
        x, y = places(matrix[:, part], shift[:, part], bend[:, part])
        images[part, :, :, 0] = sampled(sources, x, y)
    return images, labels


def places(matrix: np.ndarray, shift: np.ndarray, bend: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where each pixel of each sample looks: x and y, N 28 28."""
    line = ((np.arange(SIZE, dtype=np.float32) + 0.5) / (SIZE / 2)) - 1
    u = line[None, None, :] - shift[0][:, None, None]
    v = line[None, :, None] - shift[1][:, None, None]
    a, b, c, d = matrix[:, :, None, None]
    p, q, r, s, k, m = bend[:, :, None, None]
    x = a * u + b * v + p * (v * v) + q * (v * v * v - 0.4 * v) + k * (u * v)
    y = c * u + d * v + r * (u * u) + s * (u * u * u - 0.4 * u) + m * (u * v)
    return x, y


def sampled(sources: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values of drawings N S S at places -1..1, interpolated linearly between their pixels."""
    side = sources.shape[1]
    x = np.clip((x + 1) * np.float32(side / 2) - np.float32(0.5), 0, side - 1.001)
    y = np.clip((y + 1) * np.float32(side / 2) - np.float32(0.5), 0, side - 1.001)
    column, row = x.astype(np.int32), y.astype(np.int32)
    x -= column
    y -= row
    flat = sources.reshape(-1)
    start = np.arange(len(sources), dtype=np.int32)[:, None, None] * np.int32(side * side)
    corner = start + row * np.int32(side) + column
    top = flat[corner] * (1 - x) + flat[corner + 1] * x
    bottom = flat[corner + side] * (1 - x) + flat[corner + side + 1] * x
    return (top * (1 - y) + bottom * y + np.float32(0.5)).astype(np.uint8)


def atlas() -> np.ndarray:
    """The drawings, float32 (10 * len(STROKES)) SMALL SMALL, 0..255, digit by digit."""
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    font = ImageFont.load_default(size=310)
    drawings = []
    for digit in range(10):
        for stroke in STROKES:
            picture = Image.new("L", (LARGE, LARGE))
            ImageDraw.Draw(picture).text(
                (LARGE / 2, LARGE / 2),
                str(digit),
                fill=255,
                font=font,
                anchor="mm",
                stroke_width=stroke,
            )
            # A sample has a third of the pixels per side: blurred first, it shows no jagged edges.
            small = picture.reduce(LARGE // SMALL).filter(ImageFilter.GaussianBlur(1.2))
            drawings.append(np.asarray(small, dtype=np.float32))
    return np.stack(drawings)
