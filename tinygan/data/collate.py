"""Lists of items as batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.autograd import Tensor, wrap
from tinygan.backend import backend_of


def default_collate(items: list[Any]) -> Any:
    """Items stacked along a new first dimension, through tuples, lists and dicts, as PyTorch does.

    Tensors and arrays are stacked (images C H W in channels-last memory), numbers become a tensor
    (floats float64, integers int64), strings stay a list.
    """
    first = items[0]
    if isinstance(first, Tensor):
        _same_shapes([tuple(x.shape) for x in items])
        return wrap(_stacked([x.array for x in items]))
    if isinstance(first, (np.ndarray, np.generic)):
        _same_shapes([np.shape(x) for x in items])
        return wrap(_stacked([np.asarray(x) for x in items]))
    if isinstance(first, (bool, int, float)):
        return wrap(np.asarray(items))
    if isinstance(first, (str, bytes)):
        return items
    if isinstance(first, dict):
        return {name: default_collate([item[name] for item in items]) for name in first}
    if isinstance(first, (tuple, list)):
        if any(len(item) != len(first) for item in items):
            raise ValueError("default_collate: the items of a batch have different lengths")
        parts = [default_collate(list(part)) for part in zip(*items, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*parts)
        return tuple(parts) if isinstance(first, tuple) else parts
    raise TypeError(
        "default_collate: expected tensors, arrays, numbers, strings, or tuples, lists and dicts "
        f"of them, got {type(first).__name__}; give the DataLoader a collate_fn"
    )


def _same_shapes(shapes: list[tuple[int, ...]]) -> None:
    other = next((shape for shape in shapes if shape != shapes[0]), None)
    if other is not None:
        raise ValueError(
            f"default_collate: a batch needs items of one shape, got {shapes[0]} and {other}; "
            "resize them, or give the DataLoader a collate_fn"
        )


def _stacked(arrays: list[Any]) -> Any:
    xp = backend_of(arrays[0]).xp
    if arrays[0].ndim == 3:
        return xp.stack([a.transpose(1, 2, 0) for a in arrays]).transpose(0, 3, 1, 2)
    return xp.stack(arrays)
