"""Update rules of `tinygan.optim` in one pass over a parameter, its gradient and its state."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, take
from tinygan.backend.cpu.memory import flat

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
SMALL = 1 << 12  # numbers that NumPy updates as fast
PARALLEL = 1 << 17  # numbers from which waking other threads costs less than it brings
PIECE = 1 << 14  # numbers per chunk


def adam(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    v_max: Any,
    step: Any,
    hyper: Any,
    *,
    decay: bool,
    decoupled: bool,
    maximize: bool,
) -> Any:
    if v_max is not None:
        return NotImplemented
    return _over(_adam, p, g, (m, v), (step, hyper, decay and decoupled, decay, maximize))


def sgd(
    p: Any,
    g: Any,
    buffer: Any,
    hyper: Any,
    *,
    first: bool,
    decay: bool,
    nesterov: bool,
    maximize: bool,
) -> Any:
    if first or buffer is None:
        return NotImplemented
    return _over(_momentum, p, g, (buffer,), (hyper, decay, nesterov, maximize))


def rmsprop(
    p: Any, g: Any, v: Any, mean: Any, buffer: Any, hyper: Any, *, decay: bool, maximize: bool
) -> Any:
    if mean is not None or buffer is not None:
        return NotImplemented
    return _over(_rmsprop, p, g, (v,), (hyper, decay, maximize))


def average(a: Any, w: Any, step: Any, hyper: Any, *, warmup: bool) -> Any:
    return _over(_average, a, w, (), (step, hyper, warmup))


def _over(kernel: Any, p: Any, g: Any, state: tuple[Any, ...], rest: tuple[Any, ...]) -> Any:
    """The kernel over all elements of p, g and the state, which have one type and order."""
    if p.size < SMALL or p.dtype not in FLOATS or any(a.dtype != p.dtype for a in (g, *state)):
        return NotImplemented
    runs = flat(p, g, *state)
    if runs is None:
        return NotImplemented
    number = threads.get_num_threads() if p.size > PARALLEL else 1
    threads.run(kernel, -(-p.size // PIECE), (*runs, *rest), number)
    return None


@compiled
def _adam(counters, p, g, m, v, step, hyper, shrinks, decays, maximize):
    number = p.dtype.type
    lr, b1, b2 = hyper[0], hyper[1], hyper[2]
    t = np.float64(step[()])
    keep_m, keep_v = number(b1), number(b2)
    new_m, new_v = number(1 - b1), number(1 - b2)
    correction, eps = number(np.sqrt(1 - b2**t)), number(hyper[3])
    rate = number(lr / (1 - b1**t))
    shrink = number(1 - lr * hyper[4] if shrinks else 1.0)
    weight_decay = number(hyper[4] if decays and not shrinks else 0.0)
    sign = number(-1 if maximize else 1)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start, end = chunk * PIECE, chunk * PIECE + PIECE
        ps, gs, ms, vs = p[start:end], g[start:end], m[start:end], v[start:end]
        for i in range(ps.size):
            value = ps[i] * shrink
            slope = sign * gs[i] + weight_decay * value
            ms[i] = keep_m * ms[i] + new_m * slope
            vs[i] = keep_v * vs[i] + new_v * slope * slope
            ps[i] = value - rate * ms[i] / (np.sqrt(vs[i]) / correction + eps)
    return finish(counters, done)


@compiled
def _momentum(counters, p, g, buffer, hyper, decays, nesterov, maximize):
    number = p.dtype.type
    lr, momentum, taken = number(hyper[0]), number(hyper[1]), number(1 - number(hyper[2]))
    weight_decay = number(hyper[3] if decays else 0.0)
    sign = number(-1 if maximize else 1)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start, end = chunk * PIECE, chunk * PIECE + PIECE
        ps, gs, bs = p[start:end], g[start:end], buffer[start:end]
        for i in range(ps.size):
            slope = sign * gs[i] + weight_decay * ps[i]
            bs[i] = momentum * bs[i] + taken * slope
            ps[i] -= lr * (slope + momentum * bs[i] if nesterov else bs[i])
    return finish(counters, done)


@compiled
def _rmsprop(counters, p, g, v, hyper, decays, maximize):
    number = p.dtype.type
    lr, alpha, new, eps = (
        number(hyper[0]),
        number(hyper[1]),
        number(1 - hyper[1]),
        number(hyper[2]),
    )
    weight_decay = number(hyper[3] if decays else 0.0)
    sign = number(-1 if maximize else 1)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start, end = chunk * PIECE, chunk * PIECE + PIECE
        ps, gs, vs = p[start:end], g[start:end], v[start:end]
        for i in range(ps.size):
            slope = sign * gs[i] + weight_decay * ps[i]
            vs[i] = alpha * vs[i] + new * slope * slope
            ps[i] -= lr * (slope / (np.sqrt(vs[i]) + eps))
    return finish(counters, done)


@compiled
def _average(counters, a, w, step, hyper, warmup):
    d = hyper[0]
    if warmup:
        t = np.float64(step[()])
        d = min(d, (1 + t) / (10 + t))
    new = a.dtype.type(1 - d)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        start, end = chunk * PIECE, chunk * PIECE + PIECE
        old, ws = a[start:end], w[start:end]
        for i in range(old.size):
            old[i] += new * (ws[i] - old[i])
    return finish(counters, done)
