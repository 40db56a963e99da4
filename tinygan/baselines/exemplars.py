"""The loops of the baselines that copy: pixel by pixel, and patch by patch along a cut.

The examples are H W C E: what lies at one place of all of them is next to each other in memory, so
that a neighbourhood is compared with E of them by vectors. An example is looked up at most `reach`
pixels away from the place that is being filled.
"""

from __future__ import annotations

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, summing, take

NONE = -1
FEW = 16  # examples: of so few, one may go on in the next patch


def grow_textures(
    u: np.ndarray, examples: np.ndarray, weights: np.ndarray, reach: int, tolerance: float
) -> np.ndarray:
    """Images N H W C; u (N, H, W) is uniform in [0, 1] and chooses among what fits.

    `weights` (h + 1, 2 h + 1) are those of the pixels above, and in the last row to the left.
    """
    height, width, channels, _ = examples.shape
    images = np.zeros((len(u), height, width, channels), np.float32)
    arguments = (images, u, examples, weights, reach, tolerance)
    threads.run(_grow_textures, len(u), arguments, threads.get_num_threads())
    return images


def quilt(
    u: np.ndarray, examples: np.ndarray, patch: int, overlap: int, reach: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Images N H W C of patches, and the example that each pixel is from, N H W.

    u (N, rows, columns) is uniform in [0, 1] and chooses among the patches that fit.
    """
    height, width, channels, _ = examples.shape
    images = np.zeros((len(u), height, width, channels), np.float32)
    origins = np.full((len(u), height, width), NONE, np.int32)
    arguments = (images, origins, u, examples, patch, patch - overlap, reach, tolerance)
    threads.run(_quilt, len(u), arguments, threads.get_num_threads())
    return images, origins


@summing
def _add_squares(errors, values, value, weight):
    """errors += weight (values - value)^2."""
    for e in range(len(errors)):
        difference = values[e] - value
        errors[e] += weight * difference * difference


@inlined
def _choose(errors, limit, u):
    """One of the errors that are no larger than `limit`, by u in [0, 1]: its place, row by row."""
    count = 0
    for k in range(errors.shape[0]):
        for e in range(errors.shape[1]):
            count += errors[k, e] <= limit
    left = min(int(u * count), count - 1)
    for k in range(errors.shape[0]):
        for e in range(errors.shape[1]):
            if errors[k, e] <= limit:
                if left == 0:
                    return k, e
                left -= 1
    return 0, 0


@compiled
def _grow_textures(counters, images, u, examples, weights, reach, tolerance):
    done = 0
    height, width, channels, number = examples.shape
    half = len(weights) - 1
    span = 2 * min(reach, max(height, width)) + 1
    errors = np.empty((span * span, number), np.float32)
    n = take(counters)
    while n >= 0:
        done += 1
        image = images[n]
        for y in range(height):
            for x in range(width):
                up, left, right = min(half, y), min(half, x), min(half, width - 1 - x)
                top, bottom = max(up, y - reach), min(height - 1, y + reach)
                first, last = max(left, x - reach), min(width - 1 - right, x + reach)
                columns = last - first + 1
                found = (bottom - top + 1) * columns
                for k in range(found):
                    row, column = top + k // columns, first + k % columns
                    errors[k] = 0
                    for dy in range(-up, 1):
                        for dx in range(-left, right + 1 if dy < 0 else 0):
                            for c in range(channels):
                                _add_squares(
                                    errors[k],
                                    examples[row + dy, column + dx, c],
                                    image[y + dy, x + dx, c],
                                    weights[half + dy, half + dx],
                                )
                limit = errors[:found].min() * (1 + tolerance)
                k, e = _choose(errors[:found], limit, u[n, y, x])
                for c in range(channels):
                    image[y, x, c] = examples[top + k // columns, first + k % columns, c, e]
        n = take(counters)
    return finish(counters, done)


@compiled
def _quilt(counters, images, origins, u, examples, patch, step, reach, tolerance):
    done = 0
    height, width, channels, number = examples.shape
    span = 2 * min(reach, max(height, width)) + 1
    errors = np.empty((span * span, number), np.float32)
    new = np.empty((patch, patch, channels), np.float32)
    taken = np.empty((patch, patch), np.bool_)
    n = take(counters)
    while n >= 0:
        done += 1
        image, origin = images[n], origins[n]
        for i in range(u.shape[1]):
            for j in range(u.shape[2]):
                y, x = min(i * step, height - patch), min(j * step, width - patch)
                above = 0 if i == 0 else (i - 1) * step + patch - y  # rows that are there already
                before = 0 if j == 0 else (j - 1) * step + patch - x
                top, bottom = max(0, y - reach), min(height - patch, y + reach)
                first, last = max(0, x - reach), min(width - patch, x + reach)
                columns = last - first + 1
                found = (bottom - top + 1) * columns
                for k in range(found):
                    row, column = top + k // columns, first + k % columns
                    errors[k] = 0
                    for dy in range(patch):
                        for dx in range(patch if dy < above else before):
                            for c in range(channels):
                                _add_squares(
                                    errors[k],
                                    examples[row + dy, column + dx, c],
                                    image[y + dy, x + dx, c],
                                    np.float32(1),
                                )
                if number > FEW:  # or one example would go on for ever, at no error at all
                    for dy in range(patch):
                        for dx in range(patch if dy < above else before):
                            errors[:found, origin[y + dy, x + dx]] = np.inf
                limit = errors[:found].min() * (1 + tolerance)
                k, e = _choose(errors[:found], limit, u[n, i, j])
                row, column = top + k // columns, first + k % columns
                for dy in range(patch):
                    for dx in range(patch):
                        for c in range(channels):
                            new[dy, dx, c] = examples[row + dy, column + dx, c, e]
                taken[:] = True
                _cut(image[y : y + patch, x : x + patch], new, before, taken)
                _cut(
                    image[y : y + patch, x : x + patch].transpose(1, 0, 2),
                    new.transpose(1, 0, 2),
                    above,
                    taken.T,
                )
                for dy in range(patch):
                    for dx in range(patch):
                        if taken[dy, dx]:
                            image[y + dy, x + dx] = new[dy, dx]
                            origin[y + dy, x + dx] = e
        n = take(counters)
    return finish(counters, done)


@inlined
def _cut(old, new, overlap, taken):
    """Leave what lies left of the cheapest path from top to bottom of the overlap as it is.

    E_(y,x) = e_(y,x) + min(E_(y-1,x-1), E_(y-1,x), E_(y-1,x+1)), e the squared difference.
    """
    if overlap == 0:
        return
    rows = len(new)
    cost = np.zeros((rows, overlap), np.float32)
    for y in range(rows):
        for x in range(overlap):
            for c in range(new.shape[2]):
                difference = new[y, x, c] - old[y, x, c]
                cost[y, x] += difference * difference
            if y > 0:
                cost[y, x] += cost[y - 1, max(0, x - 1) : min(overlap, x + 2)].min()
    x = cost[rows - 1].argmin()
    for y in range(rows - 1, -1, -1):
        for k in range(x):
            taken[y, k] = False
        if y > 0:
            first = max(0, x - 1)
            x = first + cost[y - 1, first : min(overlap, x + 2)].argmin()
