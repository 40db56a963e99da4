"""Samples as the rows of a matrix, and the distances between all rows of two, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, no_grad, wrap
from tinygan.backend import backend_of, host_array
from tinygan.metrics.errors import MetricError
from tinygan.ops import matmul

ENTRIES = 1 << 24  # numbers in a block: 64 MB of float32, and as much again to work with
NARROW = 16  # columns at most whose differences are taken one after the other
PART = 10_000  # of many samples, those looked at together

Samples = Tensor | np.ndarray


def rows(samples: Samples) -> Any:
    """Samples N ... as a float32 array N D on their device; refuses numbers that are not finite."""
    x = samples.array if isinstance(samples, Tensor) else samples
    if x.ndim >= 2 and not len(x):
        raise MetricError("there are no samples to judge; give 1 or more")
    if x.ndim < 2 or not x.size:
        raise MetricError(f"expected samples of shape N D or N C H W, got {x.shape}")
    x = x.reshape(len(x), -1).astype(np.float32)
    if not bool(backend_of(x).xp.isfinite(x).all()):
        raise MetricError("the samples hold numbers that are not finite")
    return x


def pair(x: Samples, y: Samples) -> tuple[Any, Any]:
    """Both as `rows`; they must have as many columns."""
    a, b = rows(x), rows(y)
    if a.shape[1] != b.shape[1]:
        raise MetricError(
            f"the samples have {a.shape[1]} and {b.shape[1]} numbers each; expected as many in both"
        )
    return a, b


def product_blocks(x: Any, y: Any) -> Iterator[tuple[slice, Any]]:
    """x y^T of x (N, D) and y (M, D), a few rows at a time: which rows, and the block (n, M)."""
    with no_grad():
        columns = wrap(y.T)
        for part in _parts(x, y):
            yield part, matmul(wrap(x[part]), columns).array


def _parts(x: Any, y: Any) -> Iterator[slice]:
    """Rows of x whose pairs with all of y are a block."""
    step = max(1, ENTRIES // len(y))
    for start in range(0, len(x), step):
        yield slice(start, min(start + step, len(x)))


def distance_blocks(x: Any, y: Any) -> Iterator[tuple[slice, Any]]:
    """|x_i - y_j|^2, a few rows i at a time.

    Of few columns by the differences, exact up to rounding however near the rows are. Of many as
    |x_i|^2 + |y_j|^2 - 2 x_i y_j, both moved first so that y's mean is 0: what cancels is then no
    larger than the spread.
    """
    xp = backend_of(x).xp
    if x.shape[1] <= NARROW:
        for part in _parts(x, y):
            block = xp.zeros((part.stop - part.start, len(y)), x.dtype)
            difference = xp.empty_like(block)
            for a, b in zip(x[part].T, y.T, strict=True):
                xp.subtract(a[:, None], b, out=difference)
                difference *= difference
                block += difference
            yield part, block
        return
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    x_squares, y_squares = (x * x).sum(axis=1), (y * y).sum(axis=1)
    for part, block in product_blocks(x, y):
        block *= -2
        block += x_squares[part, None]
        block += y_squares
        yield part, xp.maximum(block, 0, out=block)


def blocks_by_parts(a: Any, y: Samples, own: np.ndarray | None) -> Iterator[tuple[int, slice, Any]]:
    """The `distance_blocks` of rows a and y, a part of y at a time: where it begins, and a block.

    y may be large and of uint8: only a part of it becomes float32. The distance to y_own[i], where
    given, is infinite, so that it is passed over.
    """
    there = backend_of(a).from_host
    for start in range(0, len(y), PART):
        _, b = pair(a[:1], y[start : start + PART])
        for part, block in distance_blocks(a, b):
            if own is not None:
                inside = np.flatnonzero((own[part] >= start) & (own[part] < start + len(b)))
                block[there(inside), there(own[part][inside] - start)] = np.inf
            yield start, part, block


def nearest(x: Samples, y: Samples, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """argmin_j |x_i - y_j| and the distance, for each i; y_own[i], where given, is passed over.

    The distance is taken anew from the difference, in float64: that of a copy is exactly 0.
    """
    a = rows(x)
    xp = backend_of(a).xp
    indices = np.zeros(len(a), np.int64)
    least = np.full(len(a), np.inf)
    for start, part, block in blocks_by_parts(a, y, own):
        found = block.argmin(axis=1)
        squares = host_array(block[xp.arange(len(block)), found]).astype(np.float64)
        better = squares < least[part]
        indices[part][better] = start + host_array(found)[better]
        least[part][better] = squares[better]
    return indices, _distances(a, y, indices)


def _distances(x: Any, y: Samples, indices: np.ndarray) -> np.ndarray:
    """|x_i - y_indices[i]|, from the differences."""
    distances = np.empty(len(indices))
    step = max(1, ENTRIES // x.shape[1])
    for start in range(0, len(indices), step):
        part = slice(start, start + step)
        other = host_array(rows(y[indices[part]]))
        difference = host_array(x[part]).astype(np.float64) - other
        distances[part] = np.sqrt((difference * difference).sum(axis=1))
    return distances


def neighbourhood(x: Any, k: int) -> Any:
    """The squared distance of each row to its k-th nearest other row."""
    xp = backend_of(x).xp
    radii = []
    for part, block in distance_blocks(x, x):
        at = xp.arange(part.start, part.stop)
        block[at - part.start, at] = -1  # itself comes first, whatever rounding says
        radii.append(least(block, k + 1)[:, k].copy())
    return xp.concatenate(radii)


def least(block: Any, count: int) -> Any:
    """The `count` least numbers of each row, in order.

    All are sorted: the lanes of a warp that CuPy's partition leaves it to go without the barriers
    that GPUs ask for since Volta.
    """
    return backend_of(block).xp.sort(block, axis=1)[:, :count]


def spread(count: int, n: int) -> np.ndarray:
    """At most n of so many indices, evenly spread."""
    return np.linspace(0, count - 1, min(count, n)).astype(np.int64)


def distinct(samples: Samples) -> np.ndarray:
    """The index of the first of each group of equal samples, in their order."""
    first: dict[bytes, int] = {}
    for start in range(0, len(samples), PART):
        part = host_array(rows(samples[start : start + PART])) + 0.0  # -0 is 0
        for i, row in enumerate(part, start):
            first.setdefault(sha256(row).digest(), i)
    return np.array(list(first.values()))


def principal(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (N, D) in their first principal directions (N, count); each one's share of the variance.

    The directions are eigenvectors of the covariance, signed so that the largest entry is positive.
    """
    centred = x.astype(np.float64) - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)  # in rising order
    first = vectors[:, ::-1][:, :count]
    first = first * np.sign(first[np.abs(first).argmax(axis=0), np.arange(count)])
    return centred @ first, values[::-1][:count] / max(values.sum(), 1e-300)
