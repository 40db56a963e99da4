"""The second half of an input gradient by way of columns: each pixel's column added into the image.

A product first gives every pixel of g the kh x kw x C numbers that it sends out; here they are
added up where they arrive. That is the better way for images with few channels, which leave the
lanes of `gather` empty, and for a small g under a large kernel, where most taps point outside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.backend.cpu.compile import compiled, finish, take


class Plan(NamedTuple):
    height: int  # of g
    width: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    top: int
    left: int
    dilation_h: int
    dilation_w: int


@compiled
def fold(counters, plan, columns, bias, images):
    """images[n] = bias + the columns (N, H' W', kh kw C) of image n. A chunk: one image."""
    _, height, width, channels = images.shape
    row = plan.kernel_w * channels
    done = 0
    while True:
        n = take(counters)
        if n < 0:
            break
        done += 1
        image = images[n]
        for h in range(height):
            for w in range(width):
                for c in range(channels):
                    image[h, w, c] = bias[c]
        sent = columns[n].reshape(-1)
        for i in range(plan.height):
            for a in range(plan.kernel_h):
                h = i * plan.stride_h + a * plan.dilation_h - plan.top
                if h < 0 or h >= height:
                    continue
                line = image[h].reshape(-1)
                for b in range(plan.kernel_w):
                    shift = b * plan.dilation_w - plan.left
                    first = max(0, (plan.stride_w - 1 - shift) // plan.stride_w)
                    last = min(plan.width, (width - shift + plan.stride_w - 1) // plan.stride_w)
                    # unsigned, so that no index is taken for one that counts from the end
                    place = np.uintp((first * plan.stride_w + shift) * channels)
                    source = np.uintp(
                        ((i * plan.width + first) * plan.kernel_h + a) * row + b * channels
                    )
                    for _ in range(first, last):
                        for c in range(channels):
                            line[place + np.uintp(c)] += sent[source + np.uintp(c)]
                        place += np.uintp(plan.stride_w * channels)
                        source += np.uintp(plan.kernel_h * row)
    return finish(counters, done)
