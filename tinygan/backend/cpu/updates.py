"""Update rules of `tinygan.optim`: one launch for all parameters of a group."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, take
from tinygan.backend.cpu.copy import copy
from tinygan.backend.cpu.parameters import (
    GRADIENT,
    PARAMETER,
    STATE,
    Arrays,
    counted,
    find_row,
    over,
    part,
    update_number,
)
from tinygan.backend.kernels import launches


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
    return over(_adam, memory, p, g, [m, v, v_max], step, hyper, choices)


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
    return over(_sgd, memory, p, g, [buffer], None, hyper, (decay, nesterov, maximize))


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
    return over(_rmsprop, memory, p, g, [v, mean, buffer], step, hyper, (decay, maximize))


@launches
def adagrad(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    total: Arrays,
    step: Arrays,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
) -> Any:
    return over(_adagrad, memory, p, g, [total], step, hyper, (decay, maximize))


@launches
def average(
    memory: dict[str, Any], a: Arrays, w: Arrays, step: Any, hyper: Any, *, warmup: bool
) -> Any:
    return over(_average, memory, a, w, [], step, hyper, (warmup,))


@launches
def follow(memory: dict[str, Any], a: Arrays, w: Arrays) -> Any:
    if threads.recording.tape is None:
        return NotImplemented
    return None if all(copy(x, y) for x, y in zip(w, a, strict=True)) else NotImplemented


# -- kernels --------------------------------------------------------------------------------------


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
        row = find_row(table, row, chunk)
        t = update_number(table, row)
        correction, rate = number(np.sqrt(1 - b2**t)), number(lr / (1 - b1**t))
        p = part(table, row, chunk, PARAMETER, kind)
        g = part(table, row, chunk, GRADIENT, kind)
        m = part(table, row, chunk, STATE, kind)
        v = part(table, row, chunk, STATE + 1, kind)
        v_max = part(table, row, chunk, STATE + 2, kind)
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
    return counted(counters, done, steps)


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
        row = find_row(table, row, chunk)
        p = part(table, row, chunk, PARAMETER, kind)
        g = part(table, row, chunk, GRADIENT, kind)
        buffer = part(table, row, chunk, STATE, kind)
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
    return counted(counters, done, steps)


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
        row = find_row(table, row, chunk)
        p = part(table, row, chunk, PARAMETER, kind)
        g = part(table, row, chunk, GRADIENT, kind)
        v = part(table, row, chunk, STATE, kind)
        mean = part(table, row, chunk, STATE + 1, kind)
        buffer = part(table, row, chunk, STATE + 2, kind)
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
    return counted(counters, done, steps)


@compiled
def _adagrad(counters, kind, table, steps, hyper, decays, maximize):
    number = kind.dtype.type
    lr, lr_decay, eps, weight_decay = hyper[0], hyper[1], number(hyper[2]), number(hyper[3])
    sign = number(-1 if maximize else 1)
    row = done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        row = find_row(table, row, chunk)
        rate = number(lr / (1 + (update_number(table, row) - 1) * lr_decay))
        p = part(table, row, chunk, PARAMETER, kind)
        g = part(table, row, chunk, GRADIENT, kind)
        total = part(table, row, chunk, STATE, kind)
        for i in range(len(p)):
            slope = sign * g[i]
            if decays:
                slope += weight_decay * p[i]
            total[i] += slope * slope
            p[i] -= rate * slope / (np.sqrt(total[i]) + eps)
    return counted(counters, done, steps)


@compiled
def _average(counters, kind, table, steps, hyper, warmup):
    row = done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        row = find_row(table, row, chunk)
        d = hyper[0]
        if warmup:
            t = update_number(table, row)
            d = min(d, (1 + t) / (10 + t))
        new = kind.dtype.type(1 - d)
        a = part(table, row, chunk, PARAMETER, kind)
        w = part(table, row, chunk, GRADIENT, kind)
        for i in range(len(a)):
            a[i] += new * (w[i] - a[i])
    return counted(counters, done, steps)
