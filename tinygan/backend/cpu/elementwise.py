"""Activations, their derivatives and selection on float32, in one pass over memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.memory import flat

FLOAT = np.dtype(np.float32)
BOOL = np.dtype(np.bool_)
SMALL = 1 << 14  # numbers that NumPy computes as fast
PARALLEL = 1 << 18  # numbers from which waking other threads costs less than it brings
PIECE = 1 << 14  # numbers per chunk


def relu(x: Any, *, out: Any = None) -> Any:
    return _over(_relu, out, (x,), ())


def leaky_relu(x: Any, *, negative_slope: float, out: Any = None) -> Any:
    return _over(_leaky_relu, out, (x,), (np.float32(negative_slope),))


def leaky_relu_grad(g: Any, sign: Any, *, negative_slope: float, out: Any = None) -> Any:
    return _over(_leaky_relu_grad, out, (g, sign), (np.float32(negative_slope),))


def where(condition: Any, x: Any, other: Any, *, out: Any = None) -> Any:
    if condition.size < SMALL or condition.dtype != BOOL:
        return NotImplemented
    arrays = tuple([a for a in (x, other) if isinstance(a, np.ndarray)])
    if len(arrays) == 2:
        return _over(_where, out, arrays, (), condition)
    if not arrays:
        return NotImplemented
    keep = arrays[0] is x
    number = other if keep else x
    with np.errstate(over="ignore"):  # as float32 a large number is infinite
        return _over(_where_number, out, arrays, (np.float32(number), keep), condition)


def masked_fill(x: Any, mask: Any, value: Any, *, out: Any = None) -> Any:
    return where(mask, value, x, out=out)


def _over(
    kernel: Any, out: Any, arrays: tuple[Any, ...], numbers: tuple[Any, ...], mask: Any = None
) -> Any:
    """The kernel of all elements of arrays with one shape and order, written into `out`."""
    size, shape = arrays[0].size, arrays[0].shape
    if size < SMALL or any(a.dtype != FLOAT for a in arrays):
        return NotImplemented
    if mask is not None:
        arrays = (mask, *arrays)
    if any(a.shape != shape for a in arrays):
        return NotImplemented
    if out is None and len(shape) == 4 and flat(*arrays) is None:  # of two orders: channels last
        arrays = tuple(np.ascontiguousarray(a.transpose(0, 2, 3, 1)) for a in arrays)
        arrays = tuple(a.transpose(0, 3, 1, 2) for a in arrays)
    result = np.empty_like(arrays[-1]) if out is None else out
    runs = flat(*arrays, result) if result.dtype == FLOAT else None
    if runs is None:
        return NotImplemented
    number = threads.get_num_threads() if size > PARALLEL else 1
    threads.run(kernel, -(-size // PIECE), (*runs, *numbers), number)
    return result


@compiled
def _relu(counters, x, y):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start = chunk * PIECE
        xs, ys = x[start : start + PIECE], y[start : start + PIECE]
        for i in range(ys.size):
            ys[i] = np.float32(0) if xs[i] <= 0 else xs[i]
    return finish(counters, done)


@compiled
def _leaky_relu(counters, x, y, slope):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start = chunk * PIECE
        xs, ys = x[start : start + PIECE], y[start : start + PIECE]
        for i in range(ys.size):
            ys[i] = xs[i] if xs[i] > 0 else xs[i] * slope
    return finish(counters, done)


@compiled
def _leaky_relu_grad(counters, g, sign, x, slope):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start = chunk * PIECE
        end = start + PIECE
        gs, signs, xs = g[start:end], sign[start:end], x[start:end]
        for i in range(xs.size):
            xs[i] = gs[i] if signs[i] > 0 else gs[i] * slope
    return finish(counters, done)


@compiled
def _where(counters, mask, x, other, y):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start = chunk * PIECE
        end = start + PIECE
        masks, xs, others, ys = mask[start:end], x[start:end], other[start:end], y[start:end]
        for i in range(ys.size):
            chosen, rejected = xs[i], others[i]  # both are read, or the loop is no vector code
            ys[i] = chosen if masks[i] else rejected
    return finish(counters, done)


@compiled
def _where_number(counters, mask, x, y, number, keep):
    """x where mask == keep, else the number."""
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start = chunk * PIECE
        end = start + PIECE
        masks, xs, ys = mask[start:end], x[start:end], y[start:end]
        for i in range(ys.size):
            ys[i] = xs[i] if masks[i] == keep else number
    return finish(counters, done)
