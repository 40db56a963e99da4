"""The second half of an input gradient by way of columns: what each pixel gets, added up.

A product first gives every pixel of g the kh x kw x C numbers that it sends out; here each pixel
of the image adds up those that arrive. That is the better way for images with few channels, which
leave the lanes of `gather` empty, and for a small g under a large kernel, where most taps point
outside.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, take


class Arrivals(NamedTuple):
    """Along one axis: where in the columns the numbers that reach a place are.

    Those of place n are places[first[n]] to places[first[n + 1]], unsigned so that no index is
    taken for one that counts from the end.
    """

    first: np.ndarray
    places: np.ndarray


@lru_cache(maxsize=256)
def arrivals(
    size: int, count: int, kernel: int, stride: int, start: int, dilation: int, far: int, near: int
) -> Arrivals:
    """For an axis of `size`; windows are `far` apart in the columns, taps `near`."""
    first, places = [0], []
    for n in range(size):
        for tap in range(kernel):
            window, rest = divmod(n + start - tap * dilation, stride)
            if not rest and 0 <= window < count:
                places.append(window * far + tap * near)
        first.append(len(places))
    return Arrivals(np.array(first, np.uintp), np.array(places, np.uintp))


@compiled
def fold(counters, rows, across, columns, bias, images):
    """images[n] = bias + the columns (N, H' W' kh kw C) that arrive. A chunk: one image."""
    _, height, width, channels = images.shape
    done = 0
    while True:
        n = take(counters)
        if n < 0:
            break
        done += 1
        sent = columns[n]
        for h in range(height):
            line = images[n, h]
            for w in range(width):
                for c in range(channels):
                    total = bias[c]
                    for i in range(rows.first[h], rows.first[h + 1]):
                        row = rows.places[i] + np.uintp(c)
                        for j in range(across.first[w], across.first[w + 1]):
                            total += sent[row + across.places[j]]
                    line[w, c] = total
    return finish(counters, done)
