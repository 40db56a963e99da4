"""Arrays put into larger ones: next to each other, or with something around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.changes import write
from tinygan.backend.cuda.copy import DIMS, THREADS, WORDS, copy, grid_of, merged, word_of
from tinygan.backend.cuda.mapping import empty
from tinygan.backend.cuda.source import Kernel, by_value
from tinygan.backend.kernels import launches

BOX = np.dtype(
    [(name, np.int32, DIMS) for name in ("sizes", "first", "step", "count")]
    + [("from", np.int64, DIMS)]
)
MOST = 8  # arrays joined by a launch
PARTS = np.dtype([("from", np.int64, MOST), ("end", np.int64, MOST)])

_enclose = Kernel("copy.cu", "enclose", WORDS)
_join = Kernel("copy.cu", "join", (*WORDS, 16))

Span = tuple[int, int, int]  # along a dimension: first, step, count


@launches
def pad_constant(
    x: Any, *, widths: tuple[tuple[int, int], ...], value: float, out: Any = None
) -> Any:
    shape = tuple(before + n + after for (before, after), n in zip(widths, x.shape, strict=True))
    y = like(x, shape) if out is None else out
    spans = [(before, 1, n) for (before, _), n in zip(widths, x.shape, strict=True)]
    return y if _enclosed(x, y, spans, x.strides, value) else NotImplemented


@launches
def slice_grad(x: Any, *, key: tuple[Any, ...], shape: tuple[int, ...], out: Any = None) -> Any:
    found = _spans(key, shape, x.strides)
    if found is None:
        return NotImplemented
    y = like(x, shape) if out is None else out
    return y if _enclosed(x, y, *found, 0) else NotImplemented


@launches
def slice_set(x: Any, value: Any, *, key: tuple[Any, ...], out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    if not copy(x, y):
        return NotImplemented
    part = y[key if ... in key else (*key, ...)]
    return y if write(part, value) else NotImplemented


@launches
def flip(x: Any, *, dims: tuple[int, ...], out: Any = None) -> Any:
    y = empty([x], x.dtype) if out is None else out
    turned = x[tuple([slice(None, None, -1 if d in dims else 1) for d in range(x.ndim)])]
    return y if copy(turned, y) else NotImplemented


@launches
def cat(*tensors: Any, dim: int, out: Any = None) -> Any:
    first = tensors[0]
    if any(x.dtype != first.dtype for x in tensors) or first.itemsize not in WORDS:
        return NotImplemented
    size = sum(x.shape[dim] for x in tensors)
    y = like(first, (*first.shape[:dim], size, *first.shape[dim + 1 :])) if out is None else out
    tensors = tuple(x for x in tensors if x.size)
    if _joined(tensors, dim, y):
        return y
    end = 0
    for x in tensors:
        begin, end = end, end + x.shape[dim]
        if not copy(x, y[(slice(None),) * dim + (slice(begin, end),)]):
            return NotImplemented
    return y


def _joined(tensors: Sequence[Any], dim: int, y: Any) -> bool:
    """Whether one launch did it: for few arrays, in which the result's rows lie together."""
    order = memory_order(y)
    if not 0 < len(tensors) <= MOST or not 0 < y.size < 1 << 31:
        return False
    if not all(x.transpose(order).flags.c_contiguous for x in (*tensors, y)):
        return False
    inner = order[order.index(dim) :]
    widths = [prod([x.shape[d] for d in inner]) * x.itemsize for x in tensors]
    addresses = [x.data.ptr for x in (*tensors, y)]
    word = next(n for n in (16, *WORDS[::-1]) if not any(k % n for k in (*widths, *addresses)))
    parts = np.zeros((), PARTS)
    parts["from"][: len(tensors)] = addresses[:-1]
    parts["end"][: len(tensors)] = [end // word for end in accumulate(widths)]
    count = y.nbytes // word
    numbers = np.uint32(sum(widths) // word), np.uint32(count)
    _join[word](grid_of(count), (THREADS,), (by_value(parts), y, *numbers))
    return True


def _spans(
    key: tuple[Any, ...], shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[list[Span], list[int]] | None:
    """What a basic index picks along every dimension, and the steps of the result in them."""
    spans: list[Span] = []
    steps: list[int] = []
    remaining = iter(strides)
    used = sum(item is not None and item is not ... for item in key)
    for item in key if ... in key else (*key, ...):
        if item is None:
            next(remaining)
            continue
        items = [slice(None)] * (len(shape) - used) if item is ... else [item]
        for item in items:
            size = shape[len(spans)]
            if isinstance(item, slice):
                picked = range(*item.indices(size))
                steps.append(next(remaining))
            else:
                picked = range(item % size, item % size + 1)
                steps.append(0)
            spans.append((picked.start, picked.step, len(picked)))
    return None if any(step < 1 for _, step, _ in spans) else (spans, steps)


def _enclosed(x: Any, y: Any, spans: Sequence[Span], steps: Sequence[int], outside: float) -> bool:
    """Write x into its place in y and a number around it; False if no kernel does."""
    if x.dtype != y.dtype or x.itemsize not in WORDS:
        return False
    box = _box(y.shape, y.strides, tuple(spans), tuple(steps), x.itemsize)
    if box is None:
        return False
    if y.size:
        numbers = word_of(outside, y.dtype), np.uint32(y.size)
        _enclose[x.itemsize](grid_of(y.size), (THREADS,), (x, y, *box, *numbers))
    return True


@lru_cache(maxsize=4096)
def _box(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    spans: tuple[Span, ...],
    steps: tuple[int, ...],
    itemsize: int,
) -> tuple[np.ndarray, np.int32] | None:
    """The box as the kernel takes it, and its dimensions; None if y is too scattered or large."""
    order = sorted(range(len(shape)), key=lambda d: -abs(strides[d]))
    kept = [d for d in order if shape[d] > 1 or not spans[d][2]]
    lines = [(shape[d], strides[d] // itemsize) for d in order]
    if len(kept) > DIMS or prod(shape) >= 1 << 31 or any(step % itemsize for step in steps):
        return None
    if 0 not in shape and merged(lines) not in ([(prod(shape), 1)], [(1, 0, 0)]):
        return None
    box = np.zeros((), BOX)
    for name, values in (
        ("sizes", shape),
        ("first", [first for first, _, _ in spans]),
        ("step", [step for _, step, _ in spans]),
        ("count", [count for _, _, count in spans]),
        ("from", [step // itemsize for step in steps]),
    ):
        box[name][: len(kept)] = [values[d] for d in kept]
    return by_value(box), np.int32(len(kept))


def memory_order(x: Any) -> list[int]:
    """The dimensions as they lie in memory, outermost first."""
    if x.flags.c_contiguous:
        return list(range(x.ndim))
    return sorted(range(x.ndim), key=lambda d: -abs(x.strides[d]))


def like(x: Any, shape: tuple[int, ...]) -> Any:
    """Memory for another shape in the order of x."""
    order = memory_order(x) if x.ndim == len(shape) else list(range(len(shape)))
    y = backend_for("cuda").xp.empty(tuple([shape[d] for d in order]), x.dtype)
    return y.transpose(sorted(range(len(order)), key=order.__getitem__))
