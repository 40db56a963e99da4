"""Pictures that look alike: a perceptual hash finds them, small pictures of both confirm it.

The hash has a bit for each of the lowest 8 x 8 frequencies of a picture but the constant one: is
its coefficient above their median? It hardly changes when a picture is scaled, encoded anew or
made a little lighter, which changes the coefficients together. (The idea is that of Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1.) Of
small simple pictures many share a hash, so pairs must also differ little in light and colour.

Measured: of pictures of 96 x 96 every one is found again when it is halved or doubled, and as JPEG
of quality 75; of MNIST, Fashion-MNIST and glyphs, 28 x 28, all when doubled or as JPEG. Halved, so
few pixels depend on the filter: Lanczos' keeps 53 to 88 % alike, the bicubic one 20 to 64 %, a box
19 to 45 %, the bilinear one 2 % at most, the nearest pixels none. So do sprites of 32 x 32, 82 % by
Lanczos' filter and none in the worst case; of them 86 % or more are found doubled, but 54 % as JPEG
after doubling and 8 % as they are, where it spoils half of their colour. No two of 3,000 images of
one of these sets are taken for one; the nearest are 1.2 times as far apart as ALIKE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygan.data.dataset import as_picture

SIDE, LOW, SMALL = 32, 8, 12  # pixels that are transformed, frequencies kept, pixels compared
NEUTRAL = 128.0  # the chroma of grey
BITS = 8  # in which the hashes of a pair may differ, of 63
# |x - y| / sqrt((|x - x0|^2 + |y - y0|^2) / 2) of a pair at most, x0 being a grey as light as x
ALIKE = 0.08
BLOCK = 1 << 22  # pairs of hashes compared at a time
PAIRS = 1 << 12  # pairs of small pictures, which stay in a cache


class Looks(NamedTuple):
    """What pictures look like: a hash of 63 bits for each (N,), and a small one (N, 12 * 12, 3)."""

    hashes: np.ndarray
    small: np.ndarray


def look(picture: Any) -> tuple[np.ndarray, np.ndarray]:
    """A PIL image in L or RGB as its luminance, 32 x 32, and as 12 x 12 in YCbCr."""
    from PIL import Image

    def scaled(mode: str, side: int, how: Image.Resampling) -> np.ndarray:
        return np.asarray(picture.convert(mode).resize((side, side), how), np.float32)

    grey = scaled("L", SIDE, Image.Resampling.BILINEAR)
    return grey, scaled("YCbCr", SMALL, Image.Resampling.LANCZOS).reshape(-1, 3)


def looks(pictures: list[tuple[np.ndarray, np.ndarray]]) -> Looks:
    """Of what `look` gave for each picture."""
    grey = np.stack([pair[0] for pair in pictures])
    k = np.arange(LOW)[:, None]
    cosines = np.cos(np.pi * k * (np.arange(SIDE) + 0.5) / SIDE)
    low = (cosines @ grey @ cosines.T).reshape(len(grey), -1)[:, 1:]
    above = low > np.median(low, axis=1, keepdims=True)
    hashes = (above << np.arange(above.shape[1], dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    return Looks(hashes, np.stack([pair[1] for pair in pictures]))


def looks_of(images: np.ndarray, progress: Callable[[int], None] | None = None) -> Looks:
    """Of images N H W C, uint8."""
    found = []
    for i, image in enumerate(images):
        found.append(look(as_picture(image)))
        if progress is not None and i % 1000 == 0:
            progress(i)
    return looks(found)


def alike(found: Looks) -> list[list[int]]:
    """Groups of two or more pictures that look alike, by their numbers in rising order."""
    leader = np.arange(len(found.hashes))

    def head(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for i, j in _near(found):
        first, second = sorted((head(i), head(j)))
        leader[second] = first
    groups: dict[int, list[int]] = {}
    for i in range(len(leader)):
        groups.setdefault(head(i), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _near(found: Looks) -> Iterator[tuple[int, int]]:
    """The pairs whose hashes are near and whose small pictures are alike."""
    hashes, small = found
    even = np.full((len(small), 1, 3), NEUTRAL, np.float32)  # greys as light as the pictures
    even[:, 0, 0] = small[:, :, 0].mean(axis=1)
    varies = ((small - even) ** 2).sum(axis=(1, 2))
    step = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(hashes), step):
        rows = hashes[start : start + step, None]
        pairs = start + np.argwhere(np.bitwise_count(rows ^ hashes[start:]) <= BITS)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        for some in range(0, len(pairs), PAIRS):  # of digits, millions of pairs share a hash
            i, j = pairs[some : some + PAIRS].T
            apart = ((small[i] - small[j]) ** 2).sum(axis=(1, 2))
            close = apart <= ALIKE**2 * np.maximum((varies[i] + varies[j]) / 2, 1)
            yield from zip(i[close].tolist(), j[close].tolist(), strict=True)
