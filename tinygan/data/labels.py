"""The class of each image, in the forms in which people keep it."""

from __future__ import annotations

import numpy as np

from tinygan.data.errors import DataError

MOST = 100_000  # classes: a network that is told of them has weights for each


def as_labels(array: np.ndarray, count: int) -> np.ndarray | None:
    """(N,) int64 of N labels: (N,) or (N, 1) whole numbers of any type, or one-hot (N, K).

    None where the array holds something else; DataError where numbers are no classes.
    """
    if array.dtype.kind not in "buif" or array.ndim not in (1, 2) or len(array) != count:
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        ones = ((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all()
        return array.argmax(axis=1) if ones else None
    return checked(array) if (array == np.rint(array)).all() else None


def checked(labels: np.ndarray) -> np.ndarray:
    """The labels as int64; DataError unless they are whole numbers from 0 to MOST - 1."""
    if labels.dtype.kind not in "buif" or (labels != np.rint(labels)).any():
        raise DataError(f"labels of type {labels.dtype}; expected whole numbers from 0 on")
    low, high = (labels.min(), labels.max()) if labels.size else (0, 0)
    if low < 0 or high >= MOST:
        raise DataError(
            f"labels from {low} to {high}; expected whole numbers from 0 to {MOST - 1}: number "
            "the classes from 0 on"
        )
    return labels.astype(np.int64)
