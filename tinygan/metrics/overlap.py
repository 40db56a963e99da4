"""How well two maps of classes agree."""

from __future__ import annotations

import numpy as np

from tinygan.autograd import Tensor
from tinygan.backend import host_array
from tinygan.metrics.errors import MetricError


def intersection_over_union(
    predicted: Tensor | np.ndarray, truth: Tensor | np.ndarray, classes: int
) -> np.ndarray:
    """|P_c n T_c| / |P_c u T_c| of each class c, (classes,): P_c, T_c the pixels said to be of c.

    Both are integers 0 .. classes - 1 of one shape, N H W say; pixels of all images are counted
    together. 1 is agreement, 0 none; what is nowhere in either has NaN. Of a class right / (right +
    wrong + missed). Source: Everingham et al., "The PASCAL Visual Object Classes (VOC) challenge",
    2010, section 4.1.3; without classes the index of Jaccard (1912).
    """
    p, t = (_classes(x, classes) for x in (predicted, truth))
    if p.shape != t.shape:
        raise MetricError(
            f"intersection_over_union: predicted is {p.shape} and truth {t.shape}; expected two "
            f"maps of one shape (of logits (N, C, H, W) take argmax(1))"
        )
    pairs = np.bincount(t.reshape(-1) * classes + p.reshape(-1), minlength=classes**2)
    counts = pairs.reshape(classes, classes)  # [true class, predicted class]
    both = np.diag(counts)
    either = counts.sum(0) + counts.sum(1) - both
    return np.divide(both, either, out=np.full(classes, np.nan), where=either > 0)


def _classes(x: Tensor | np.ndarray, classes: int) -> np.ndarray:
    x = host_array(x.array) if isinstance(x, Tensor) else np.asarray(x)
    if x.dtype.kind not in "iu":
        raise MetricError(f"intersection_over_union: expected classes as integers, got {x.dtype}")
    if x.size and not 0 <= x.min() <= x.max() < classes:
        raise MetricError(
            f"intersection_over_union: expected classes 0 to {classes - 1}, got {x.min()} to "
            f"{x.max()}"
        )
    return x.astype(np.int64)
