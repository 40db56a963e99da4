"""Softmax along a dimension, and its cross entropy with classes.

Cross entropy goes a row at a time; the reduction is made by who is last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import lines, threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, summing, take
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.cpu.polynomials import exp, log
from tinygan.backend.kernels import launches

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
SHARE = 1 << 12  # numbers in a chunk, about
PARALLEL = 1 << 14
REDUCTIONS = {"none": 0, "sum": 1, "mean": 2}
NONE = {t: np.empty(0, t) for t in FLOATS}  # in place of weights


PROBABILITIES, LOGARITHMS, SUMS = range(3)  # what to make of exponentials


@launches
def softmax(x: Any, *, dim: int, out: Any = None) -> Any:
    return _normalised(x, dim, PROBABILITIES, out)


@launches
def log_softmax(x: Any, *, dim: int, out: Any = None) -> Any:
    return _normalised(x, dim, LOGARITHMS, out)


@launches
def logsumexp(x: Any, *, dim: Any, keepdim: bool = False, out: Any = None) -> Any:
    if x.dtype not in FLOATS:
        return NotImplemented
    reduction = lines.reduction(x, dim, keepdim, x.dtype, out)
    if reduction is None:
        return NotImplemented
    _exponentials(reduction.x, reduction.y[:, None], SUMS)
    return reduction.done()


def _normalised(x: Any, dim: int, kind: int, out: Any) -> Any:
    result = np.empty_like(x) if out is None else out
    if x.dtype not in FLOATS or result.dtype != x.dtype or not x.size or not x.ndim:
        return NotImplemented
    order = lines.order_of(result)
    if not result.transpose(order).flags.c_contiguous:
        return NotImplemented
    x, y = (lines.as_lines(a, order, (dim % x.ndim,)) for a in (x, result))
    if x is None or y is None:
        return NotImplemented
    _exponentials(x, y, kind)
    return result


def _exponentials(x: np.ndarray, y: np.ndarray, kind: int) -> None:
    if x.shape[2] == 1:
        lines.run(_rows, x, (x[:, :, 0], y[:, :, 0], kind))
    else:
        lines.run(_columns, x, (x, y, kind))


@launches
def softmax_cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
    out: Any = None,
) -> Any:
    if not _suits(x, target, weight, ignore_index):
        return NotImplemented
    kind = REDUCTIONS[reduction]
    result = np.empty(() if kind else len(x), x.dtype) if out is None else out
    losses = scratch(len(x), x.dtype) if kind else result
    weights = NONE[x.dtype] if weight is None else weight
    arguments = (x, target, weights, smoothing, ignore_index, kind, losses, result.reshape(-1))
    _run(_losses, x, arguments)
    return result


@launches
def softmax_cross_entropy_grad(
    g: Any,
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
    out: Any = None,
) -> Any:
    result = np.empty_like(x) if out is None else out
    if not _suits(x, target, weight, ignore_index):
        return NotImplemented
    if not (isinstance(g, np.ndarray) and _plain(g) and g.dtype == x.dtype and _plain(result)):
        return NotImplemented
    weights = NONE[x.dtype] if weight is None else weight
    kind = REDUCTIONS[reduction]
    arguments = (g.reshape(-1), x, target, weights, smoothing, ignore_index, kind, result)
    _run(_slopes, x, arguments)
    return result


def _plain(x: Any) -> bool:
    flags = x.flags
    return bool(flags.c_contiguous and flags.aligned)


def _suits(x: Any, target: Any, weight: Any, ignore_index: int) -> bool:
    """Whether kernels take these; while nothing is recorded the classes are looked at as well."""
    if x.dtype not in FLOATS or target.dtype != np.int64 or not (_plain(x) and _plain(target)):
        return False
    if weight is not None and (weight.dtype != x.dtype or not _plain(weight)):
        return False
    if threads.recording.tape is not None:
        return True
    wrong = (target < 0) | (target >= x.shape[1])
    return not (wrong & (target != ignore_index)).any()


def _run(kernel: Any, x: Any, arguments: tuple[Any, ...]) -> None:
    rows = max(1, SHARE // x.shape[1])
    number = threads.get_num_threads() if x.size > PARALLEL else 1
    threads.run(kernel, -(-len(x) // rows), (*arguments, rows), number)


@inlined
def _larger(a, b):
    """The larger number; b where there is none."""
    return a if a > b else b


@inlined
def _top(x):
    """The largest number, eight side by side; a nan is passed over unless it comes first.

    It comes out of the sum of the exponentials then.
    """
    n = len(x)
    a = b = c = d = e = f = g = h = x[0]
    for i in range(0, n - 7, 8):
        a, b = _larger(x[i], a), _larger(x[i + 1], b)
        c, d = _larger(x[i + 2], c), _larger(x[i + 3], d)
        e, f = _larger(x[i + 4], e), _larger(x[i + 5], f)
        g, h = _larger(x[i + 6], g), _larger(x[i + 7], h)
    for i in range(n - n % 8, n):
        a = _larger(x[i], a)
    a, b, c, d = _larger(a, e), _larger(b, f), _larger(c, g), _larger(d, h)
    return _larger(_larger(a, c), _larger(b, d))


@summing
def _sum_of_exponentials(x, top):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += exp(x[i] - top)
    return total


@summing
def _sum(x):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i]
    return total


@inlined
def _exponentials_of(x, top, y):
    """y = exp(x - top), and its sum: in one loop its order would depend on how near y is to x."""
    for i in range(len(x)):
        y[i] = exp(x[i] - top)
    return _sum(y)


@compiled
def _rows(counters, x, y, kind, group, share):
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for n in range(chunk * share, min(len(x), (chunk + 1) * share)):
            xs, ys = x[n], y[n]
            top = _top(xs)
            if kind == SUMS and not abs(top) < np.inf:
                top = x.dtype.type(0)
            if kind == PROBABILITIES:
                total = _exponentials_of(xs, top, ys)
                for i in range(len(xs)):
                    ys[i] /= total
                continue
            total = _sum_of_exponentials(xs, top)
            if kind == LOGARITHMS:
                total = log(total)
                for i in range(len(xs)):
                    ys[i] = (xs[i] - top) - total
            else:
                ys[0] = log(total) + top
    return finish(counters, done)


@compiled
def _columns(counters, x, y, kind, group, share):
    tops = np.empty(group, x.dtype)
    totals = np.empty(group, x.dtype)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first, last = lines.tiles_of(chunk, x, group, share)
        for number in range(first, last):
            n, start, end = lines.tile(number, x, group)
            top, total = tops[: end - start], totals[: end - start]
            top[:] = x[n, 0, start:end]
            total[:] = 0
            for i in range(1, x.shape[1]):
                xs = x[n, i, start:end]
                for c in range(xs.size):
                    top[c] = _larger(xs[c], top[c])
            if kind == SUMS:
                for c in range(top.size):
                    top[c] = top[c] if abs(top[c]) < np.inf else 0
            for i in range(x.shape[1]):
                xs, ys = x[n, i, start:end], y[n, i if kind == PROBABILITIES else 0, start:end]
                for c in range(xs.size):
                    e = exp(xs[c] - top[c])
                    total[c] += e
                    if kind == PROBABILITIES:
                        ys[c] = e
            if kind != PROBABILITIES:
                for c in range(total.size):
                    total[c] = log(total[c])
            for i in range(y.shape[1]):
                xs, ys = x[n, i, start:end], y[n, i, start:end]
                if kind == PROBABILITIES:
                    for c in range(ys.size):
                        ys[c] /= total[c]
                elif kind == LOGARITHMS:
                    for c in range(ys.size):
                        ys[c] = (xs[c] - top[c]) - total[c]
                else:
                    for c in range(ys.size):
                        ys[c] = total[c] + top[c]
    return finish(counters, done)


# -- cross entropy --------------------------------------------------------------------------------


@inlined
def _count(target, ignored, weight):
    """How many rows count, each as much as the weight of its class."""
    count = 0.0
    for n in range(len(target)):
        c = target[n]
        if c != ignored:
            count += np.float64(weight[c]) if 0 <= c < weight.size else 1.0
    return count


@compiled
def _losses(
    counters, x, target, weight, smoothing, ignored, reduction, losses, result, rows
):  # fmt: skip
    kind = x.dtype.type
    classes = x.shape[1]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for n in range(chunk * rows, min(len(x), (chunk + 1) * rows)):
            c = target[n]
            losses[n] = 0
            if c != ignored:
                losses[n] = np.nan
                if 0 <= c < classes:
                    top = _top(x[n])
                    total = log(_sum_of_exponentials(x[n], top)) + top
                    loss = total - x[n, c]
                    if weight.size:
                        loss *= weight[c]
                    if smoothing:
                        spread = kind(0)
                        for i in range(classes):
                            spread += (total - x[n, i]) * (weight[i] if weight.size else kind(1))
                        loss = kind(1 - smoothing) * loss + kind(smoothing / classes) * spread
                    losses[n] = loss
    last = finish(counters, done)
    if last and reduction:
        total = 0.0
        for n in range(len(losses)):
            total += np.float64(losses[n])
        result[0] = total if reduction == 1 else total / _count(target, ignored, weight)
    return last


@compiled
def _slopes(counters, g, x, target, weight, smoothing, ignored, reduction, y, rows):
    kind = x.dtype.type
    classes = x.shape[1]
    count = kind(_count(target, ignored, weight)) if reduction == 2 else kind(1)
    spread = kind(smoothing / classes)
    spread_sum = kind(smoothing)
    if weight.size:
        spread_sum = kind(0)
        for i in range(classes):
            spread_sum += spread * weight[i]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for n in range(chunk * rows, min(len(x), (chunk + 1) * rows)):
            c = target[n]
            if c == ignored:
                y[n] = 0
                continue
            if not 0 <= c < classes:  # as the loss is: a step that learned from it would
                y[n] = np.nan  # go unnoticed
                continue
            top = _top(x[n])
            scale = (g[0] if reduction else g[n]) / count
            picked = scale
            if smoothing:
                picked *= kind(1 - smoothing)
            if weight.size:
                picked *= weight[c]
            whole = picked + scale * spread_sum if smoothing else picked
            whole /= _exponentials_of(x[n], top, y[n])
            for i in range(classes):
                y[n, i] *= whole
            y[n, c] -= picked
            if smoothing:
                scale *= spread
                for i in range(classes):
                    y[n, i] -= scale * weight[i] if weight.size else scale
    return finish(counters, done)
