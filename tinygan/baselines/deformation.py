"""Smooth deformations of images, and how they are found: the registration of images to a template.

v(p) = sum_k a_k B_k(p), B_k(p) = cos(pi i (y + 1/2) / H) cos(pi j (x + 1/2) / W) for waves i, j
from 0 on: k = 0 is a shift, the first ones nearly affine. Coefficients are (N, 2, K): y, then x.
"""

from __future__ import annotations

import numpy as np

SHORTER = (0.5, 0.2)
CHUNK = 64  # images registered together: what fits into a core's cache, or nearly


def waves(height: int, width: int, count: int) -> np.ndarray:
    """B (H W, count^2) float32."""
    y = (np.arange(height) + 0.5) / height
    x = (np.arange(width) + 0.5) / width
    k = np.arange(count)
    rows, columns = np.cos(np.pi * y[:, None] * k), np.cos(np.pi * x[:, None] * k)
    together = rows[:, None, :, None] * columns[None, :, None, :]
    return together.reshape(height * width, -1).astype(np.float32)


def places(a: np.ndarray, basis: np.ndarray, height: int, width: int) -> np.ndarray:
    """p + v(p), (N, 2, H W), kept within the image."""
    grid = np.indices((height, width)).reshape(2, -1).astype(np.float32)
    found = grid + a @ basis.T
    limits = np.array([height - 1, width - 1], np.float32)[:, None]
    return np.minimum(np.maximum(found, 0), limits)


def corners(at: np.ndarray, height: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The four pixels around each place, as numbers in 0..H W - 1, and their bilinear weights."""
    y, x = at[:, 0], at[:, 1]
    row = np.minimum(y.astype(np.int64), max(0, height - 2))
    column = np.minimum(x.astype(np.int64), max(0, width - 2))
    v, u = y - row, x - column
    start = row * width + column
    down, right = (width if height > 1 else 0), (1 if width > 1 else 0)
    return [
        (start, (1 - v) * (1 - u)),
        (start + right, (1 - v) * u),
        (start + down, v * (1 - u)),
        (start + down + right, v * u),
    ]


def warped(template: np.ndarray, at: np.ndarray, height: int, width: int) -> np.ndarray:
    """T(p + v(p)) of a template (H W, C), or of one for each image (N, H W, C); N, H W, C."""
    many = template.ndim == 3
    which = np.arange(len(at))[:, None]
    result = np.zeros((*at.shape[::2], template.shape[-1]), np.float32)
    for pixel, weight in corners(at, height, width):
        result += weight[..., None] * (template[which, pixel] if many else template[pixel])
    return result


def register(
    images: np.ndarray,
    template: np.ndarray,
    a: np.ndarray,
    basis: np.ndarray,
    prior: np.ndarray,
    noise: float,
    height: int,
    width: int,
) -> np.ndarray:
    """One step of Gauss and Newton for each image (N, H W, C) towards

        argmin_a |I - T(p + v_a(p))|^2 / noise + a^T prior^-1 a,

    of full length or of those of SHORTER, whichever leads furthest down.
    """
    better = np.empty_like(a)
    precision = np.linalg.inv(prior).astype(np.float32)
    pixels = template.reshape(height, width, -1)
    slopes = [  # a single row has none
        (np.gradient(pixels, axis=axis) if pixels.shape[axis] > 1 else 0 * pixels).reshape(
            height * width, -1
        )
        for axis in (0, 1)
    ]

    def residual(a: np.ndarray, part: slice) -> np.ndarray:
        at = places(a.reshape(len(a), 2, -1), basis, height, width)
        return (images[part] - warped(template, at, height, width)).reshape(len(a), -1)

    def objective(a: np.ndarray, part: slice) -> np.ndarray:
        expected = np.einsum("ni,ij,nj->n", a, precision, a)
        return (residual(a, part) ** 2).sum(axis=1) / noise + expected

    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        now = a[part].reshape(len(a[part]), -1)
        at = places(a[part], basis, height, width)
        both = [warped(slope, at, height, width)[..., None] * basis[:, None] for slope in slopes]
        j = np.concatenate(both, axis=3).reshape(*residual(now, part).shape, -1)
        curvature = j.transpose(0, 2, 1) @ j / noise + precision
        downhill = np.einsum("npi,np->ni", j, residual(now, part)) / noise - now @ precision
        step = np.linalg.solve(curvature, downhill[..., None])[..., 0]
        tried = np.stack([now + length * step for length in (1.0, *SHORTER, 0.0)]).astype(a.dtype)
        found = np.stack([objective(x, part) for x in tried])
        best = tried[found.argmin(axis=0), np.arange(len(now))]
        better[part] = best.reshape(a[part].shape)
    return better
