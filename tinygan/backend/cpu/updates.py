"""Update rules of `tinygan.optim`: one launch for all parameters of a group.

What a kernel needs of the arrays is in a table, a row by parameter: the first of its chunks, its
size, the addresses of the parameter, its gradient, its state arrays (0 for one that is not there)
and its step count. The last thread to finish counts the steps.
"""

from __future__ import annotations

from operator import is_
from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.cpu.copy import copy
from tinygan.backend.cpu.loops import nested, numbers_at
from tinygan.backend.cpu.memory import address, scratch
from tinygan.backend.kernels import launches

KINDS = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}
PARALLEL = 1 << 16  # numbers from which waking other threads costs less than it brings
PIECE = 1 << 13  # numbers per chunk

Arrays = list[Any]
CHUNK, SIZE, PARAMETER, GRADIENT, STATE = range(5)  # columns of the table


@launches
def adam(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    m: Arrays,
    v: Arrays,
    v_max: Arrays,
    step: Arrays,
    hyper: Any,
    *,
    decay: bool,
    decoupled: bool,
    maximize: bool,
) -> Any:
    choices = (decay and decoupled, decay, maximize)
    return _over(_adam, memory, p, g, [m, v, v_max], step, hyper, choices)


@launches
def sgd(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    buffer: Arrays,
    first: list[bool],
    hyper: Any,
    *,
    decay: bool,
    nesterov: bool,
    maximize: bool,
) -> Any:
    if any(first):
        return NotImplemented
    return _over(_sgd, memory, p, g, [buffer], None, hyper, (decay, nesterov, maximize))


@launches
def rmsprop(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    v: Arrays,
    mean: Arrays,
    buffer: Arrays,
    step: Arrays,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
) -> Any:
    return _over(_rmsprop, memory, p, g, [v, mean, buffer], step, hyper, (decay, maximize))


@launches
def average(
    memory: dict[str, Any], a: Arrays, w: Arrays, step: Any, hyper: Any, *, warmup: bool
) -> Any:
    return _over(_average, memory, a, w, [], step, hyper, (warmup,))


@launches
def follow(memory: dict[str, Any], a: Arrays, w: Arrays) -> Any:
    if threads.recording.tape is None:
        return NotImplemented
    return None if all(copy(x, y) for x, y in zip(w, a, strict=True)) else NotImplemented


# -- tables ---------------------------------------------------------------------------------------


def _over(
    kernel: Any,
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    state: list[Arrays],
    step: Any,
    hyper: Any,
    choices: tuple[bool, ...],
) -> Any:
    """Launch the kernel over all parameters; step: one for each, one for all, or None."""
    recorded = threads.recording.tape is not None
    known: tuple[Arrays, np.ndarray, np.ndarray, int] | None = memory.get("table")
    arrays = [p, *state, step if isinstance(step, list) else [step]]
    if recorded or known is None or not _same(known[0], arrays):
        table = _table(p, state, arrays[-1])
        if table is None:
            return NotImplemented
        steps = np.array([0 if s is None else address(s) for s in arrays[-1]])
        chunks = int(table[-1, CHUNK]) - (-int(table[-1, SIZE]) // PIECE)
        known = ([list(column) for column in arrays], table, steps, chunks)
        if not recorded:
            memory["table"] = known
    _, table, steps, chunks = known
    placed: list[np.ndarray] = []  # keeps copies alive
    for gradient, x in zip(g, p, strict=True):
        same = _like(gradient, x)
        if same is None:
            return NotImplemented
        placed.append(same)
    table[:, GRADIENT] = [address(x) for x in placed]
    number = threads.get_num_threads() if chunks * PIECE > PARALLEL else 1
    arguments = (KINDS[p[0].dtype], table, steps, hyper, *choices)
    threads.run(kernel, max(chunks, 1), arguments, number)
    return None


def _same(known: list[Arrays], arrays: list[Arrays]) -> bool:
    return all(len(a) == len(b) and all(map(is_, a, b)) for a, b in zip(known, arrays, strict=True))


def _table(p: Arrays, state: list[Arrays], steps: Arrays) -> np.ndarray | None:
    """The table but for the gradients; None if these arrays are left to the reference."""
    table = np.zeros((len(p), STATE + len(state) + 1), np.int64)
    chunk = 0
    for i, x in enumerate(p):
        own = [column[i] for column in state]
        if x.dtype != p[0].dtype or x.dtype not in KINDS or not _dense(x):
            return None
        if any(s is not None and (s.dtype != x.dtype or s.strides != x.strides) for s in own):
            return None
        step = steps[min(i, len(steps) - 1)]
        if step is not None and step.dtype != np.float32:
            return None
        places = [0 if a is None else address(a) for a in (*own, step)]
        table[i] = chunk, x.size, address(x), 0, *places
        chunk += -(-x.size // PIECE)
    return table


def _dense(x: np.ndarray) -> bool:
    """Whether its numbers lie one after the other, in whatever order."""
    return x.flags.c_contiguous or [d[1] for d in nested(x.shape, x.strides)] == [x.itemsize]


def _like(gradient: np.ndarray, p: np.ndarray) -> np.ndarray | None:
    """The gradient in the memory order of its parameter; None where it cannot be copied."""
    if gradient.dtype != p.dtype:
        return None
    if gradient.strides == p.strides or (gradient.flags.c_contiguous and p.flags.c_contiguous):
        return gradient
    order = sorted(range(p.ndim), key=lambda d: -p.strides[d])
    same = scratch([p.shape[d] for d in order], p.dtype)
    if not copy(gradient.transpose(order), same):
        return None
    return same


# -- kernels --------------------------------------------------------------------------------------


@inlined
def _find(table, row, chunk):
    """The row that a chunk belongs to, from an earlier one on."""
    while row + 1 < table.shape[0] and table[row + 1, CHUNK] <= chunk:
        row += 1
    return row


@inlined
def _part(table, row, chunk, column, kind):
    """The numbers of an array in a chunk; none if there is no such array."""
    start = (chunk - table[row, CHUNK]) * PIECE
    count = min(PIECE, table[row, SIZE] - start)
    place = table[row, column]
    return numbers_at(place + start * kind.itemsize, count if place else 0, kind)


@inlined
def _count(table, row):
    """The number of this update of a parameter."""
    return np.float64(numbers_at(table[row, table.shape[1] - 1], 1, STEP)[0]) + 1


@inlined
def _counted(counters, done, steps):
    """Finish; who is last counts the updates."""
    last = finish(counters, done)
    if last:
        for i in range(len(steps)):
            if steps[i]:
                numbers_at(steps[i], 1, STEP)[0] += np.float32(1)
    return last


STEP = np.empty(0, np.float32)


@compiled
def _adam(counters, kind, table, steps, hyper, shrinks, decays, maximize):
    number = kind.dtype.type
    lr, b1, b2, eps = hyper[0], hyper[1], hyper[2], number(hyper[3])
    keep_m, keep_v = number(b1), number(b2)
    new_m, new_v = number(1 - b1), number(1 - b2)
    shrink = number(1 - lr * hyper[4] if shrinks else 1.0)
    adds, weight_decay = decays and not shrinks, number(hyper[4])
    sign = number(-1 if maximize else 1)
    row = done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        row = _find(table, row, chunk)
        t = _count(table, row)
        correction, rate = number(np.sqrt(1 - b2**t)), number(lr / (1 - b1**t))
        p = _part(table, row, chunk, PARAMETER, kind)
        g = _part(table, row, chunk, GRADIENT, kind)
        m = _part(table, row, chunk, STATE, kind)
        v = _part(table, row, chunk, STATE + 1, kind)
        v_max = _part(table, row, chunk, STATE + 2, kind)
        if len(v_max):
            for i in range(len(p)):
                value = p[i] * shrink
                slope = sign * g[i]
                if adds:
                    slope += weight_decay * value
                m[i] = keep_m * m[i] + new_m * slope
                v[i] = keep_v * v[i] + new_v * slope * slope
                v_max[i] = np.maximum(v_max[i], v[i])
                p[i] = value - rate * m[i] / (np.sqrt(v_max[i]) / correction + eps)
        else:
            for i in range(len(p)):
                value = p[i] * shrink
                slope = sign * g[i]
                if adds:
                    slope += weight_decay * value
                m[i] = keep_m * m[i] + new_m * slope
                v[i] = keep_v * v[i] + new_v * slope * slope
                p[i] = value - rate * m[i] / (np.sqrt(v[i]) / correction + eps)
    return _counted(counters, done, steps)


@compiled
def _sgd(counters, kind, table, steps, hyper, decays, nesterov, maximize):
    number = kind.dtype.type
    lr, momentum, taken = number(hyper[0]), number(hyper[1]), number(1 - number(hyper[2]))
    weight_decay = number(hyper[3])
    sign = number(-1 if maximize else 1)
    row = done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        row = _find(table, row, chunk)
        p = _part(table, row, chunk, PARAMETER, kind)
        g = _part(table, row, chunk, GRADIENT, kind)
        buffer = _part(table, row, chunk, STATE, kind)
        if len(buffer):
            for i in range(len(p)):
                slope = sign * g[i]
                if decays:
                    slope += weight_decay * p[i]
                buffer[i] = momentum * buffer[i] + taken * slope
                p[i] -= lr * (slope + momentum * buffer[i] if nesterov else buffer[i])
        else:
            for i in range(len(p)):
                slope = sign * g[i]
                if decays:
                    slope += weight_decay * p[i]
                p[i] -= lr * slope
    return _counted(counters, done, steps)


@compiled
def _rmsprop(counters, kind, table, steps, hyper, decays, maximize):
    number = kind.dtype.type
    lr, alpha, eps, momentum = (
        number(hyper[0]),
        number(hyper[1]),
        number(hyper[2]),
        number(hyper[4]),
    )
    new = number(1 - hyper[1])
    weight_decay = number(hyper[3])
    sign = number(-1 if maximize else 1)
    row = done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        row = _find(table, row, chunk)
        p = _part(table, row, chunk, PARAMETER, kind)
        g = _part(table, row, chunk, GRADIENT, kind)
        v = _part(table, row, chunk, STATE, kind)
        mean = _part(table, row, chunk, STATE + 1, kind)
        buffer = _part(table, row, chunk, STATE + 2, kind)
        if len(mean) or len(buffer):
            for i in range(len(p)):
                slope = sign * g[i]
                if decays:
                    slope += weight_decay * p[i]
                v[i] = alpha * v[i] + new * slope * slope
                variance = v[i]
                if len(mean):
                    mean[i] = alpha * mean[i] + new * slope
                    variance -= mean[i] * mean[i]
                slope /= np.sqrt(variance) + eps
                if len(buffer):
                    buffer[i] = momentum * buffer[i] + slope
                    slope = buffer[i]
                p[i] -= lr * slope
        else:
            for i in range(len(p)):
                slope = sign * g[i]
                if decays:
                    slope += weight_decay * p[i]
                v[i] = alpha * v[i] + new * slope * slope
                p[i] -= lr * (slope / (np.sqrt(v[i]) + eps))
    return _counted(counters, done, steps)


@compiled
def _average(counters, kind, table, steps, hyper, warmup):
    row = done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        row = _find(table, row, chunk)
        d = hyper[0]
        if warmup:
            t = _count(table, row)
            d = min(d, (1 + t) / (10 + t))
        new = kind.dtype.type(1 - d)
        a = _part(table, row, chunk, PARAMETER, kind)
        w = _part(table, row, chunk, GRADIENT, kind)
        for i in range(len(a)):
            a[i] += new * (w[i] - a[i])
    return _counted(counters, done, steps)
