"""Joining, padding, reversing and the like as copies, for recorded steps.

Otherwise NumPy does as well; only what adds, as the adjoint of padding does, is always used.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from tinygan.backend.cpu import copy as copies
from tinygan.backend.cpu import lines, reductions, threads
from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.edges import Widths, edges, inside
from tinygan.backend.kernels import launches

SHARE = 1 << 13  # numbers in a chunk


@launches
def cat(*tensors: Any, dim: int, out: Any = None) -> Any:
    start, parts = 0, []
    for x in tensors:
        end = start + x.shape[dim]
        parts.append((x, (slice(None),) * (dim % x.ndim) + (slice(start, end),)))
        start = end
    return _put_together(out, parts)


@launches
def fill(x: Any, value: Any, *, out: Any = None) -> Any:
    return _put_together(out, [(value, ())])


@launches
def copy(x: Any, source: Any, *, out: Any = None) -> Any:
    return _put_together(out, [(source, ())])


@launches
def slice_grad(x: Any, *, key: tuple[Any, ...], shape: tuple[int, ...], out: Any = None) -> Any:
    return _put_together(out, [(0, ()), (x, key)])


@launches
def slice_set(x: Any, value: Any, *, key: tuple[Any, ...], out: Any = None) -> Any:
    return _put_together(out, [(x, ()), (value, key)])


@launches
def pad_constant(x: Any, *, widths: Widths, value: float, out: Any = None) -> Any:
    return _put_together(out, [(value, ()), (x, inside(widths, x.shape))])


@launches
def pad_edges(x: Any, *, widths: Widths, mode: str, out: Any = None) -> Any:
    if out is None:
        return NotImplemented
    parts: list[Any] = [(x, inside(widths, x.shape))]
    for d, ((before, after), n) in enumerate(zip(widths, x.shape, strict=True)):
        line = (slice(None),) * d
        for edge, source in edges(before, after, n, mode):
            parts.append((out[(*line, source)], (*line, edge)))
    return _put_together(out, parts)


@launches
def flip(x: Any, *, dims: tuple[int, ...], out: Any = None) -> Any:
    return _put_together(out, [(np.flip(x, dims), ())])


@launches
def roll(x: Any, *, shifts: tuple[int, ...], dims: tuple[int, ...], out: Any = None) -> Any:
    if not x.ndim:
        return NotImplemented
    moves = [0] * x.ndim
    for shift, dim in zip(shifts, dims, strict=True):
        moves[dim] += shift
    halves = [_halves(shift, n) for shift, n in zip(moves, x.shape, strict=True)]
    parts = [tuple(zip(*chosen, strict=True)) for chosen in product(*halves)]
    return _put_together(out, [(x[source], target) for source, target in parts])


def _halves(shift: int, size: int) -> Iterator[tuple[slice, slice]]:
    """From where to where the parts of a dimension go that is shifted around."""
    shift = shift % size if size else 0
    yield slice(0, size - shift), slice(shift, size)
    if shift:
        yield slice(size - shift, size), slice(0, shift)


def _put_together(out: Any, parts: list[Any]) -> Any:
    """Copy arrays or numbers to parts of the result, one after the other, by launches."""
    if out is None:
        return NotImplemented
    for value, key in parts:
        target = out[key if ... in key else (*key, ...)]
        if not isinstance(value, np.ndarray):
            done = copies.fill(target, value)
        else:
            done = copies.copy(np.broadcast_to(value, target.shape), target)
        if not done:
            return NotImplemented
    return out


@launches
def fold_edges(x: Any, *, widths: Widths, mode: str, out: Any = None) -> Any:
    if x.dtype not in lines.FLOATS or not x.size or x.ndim > 4:
        return NotImplemented
    order = lines.order_of(x)
    back = [order.index(d) for d in range(x.ndim)]
    y = scratch([x.shape[d] for d in order], x.dtype).transpose(back)
    copies.copy(x, y)
    shape = tuple(n - before - after for n, (before, after) in zip(x.shape, widths, strict=True))
    for d, ((before, after), n) in reversed(list(enumerate(zip(widths, shape, strict=True)))):
        line = (slice(None),) * d
        for edge, source in edges(before, after, n, mode):
            target, added = y[(*line, source)], y[(*line, edge)]
            total, part = scratch(target.shape, x.dtype), scratch(target.shape, x.dtype)
            if mode == "replicate":
                if reductions.sum(added, dim=d, keepdim=True, out=part) is NotImplemented:
                    return NotImplemented
            else:
                copies.copy(added, part)
            copies.copy(target, total)
            threads.run(_add, -(-part.size // SHARE), (part.reshape(-1), total.reshape(-1)), 1)
            copies.copy(total, target)
    if out is None:
        out = np.empty([shape[d] for d in order], x.dtype).transpose(back)
    return _put_together(out, [(y[inside(widths, shape)], ())])


@compiled
def _add(counters, x, y):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for i in range(chunk * SHARE, min(len(y), (chunk + 1) * SHARE)):
            y[i] += x[i]
    return finish(counters, done)
