"""Cross entropy of softmax with classes: a row at a time, the reduction by who is last."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, summing, take
from tinygan.backend.cpu.memory import scratch
from tinygan.backend.cpu.polynomials import exp, log
from tinygan.backend.kernels import launches

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
SHARE = 1 << 12  # numbers in a chunk, about
PARALLEL = 1 << 14
REDUCTIONS = {"none": 0, "sum": 1, "mean": 2}


@launches
def softmax_cross_entropy(
    x: Any, target: Any, *, ignore_index: int, reduction: str, out: Any = None
) -> Any:
    if not _suits(x, target, ignore_index):
        return NotImplemented
    kind = REDUCTIONS[reduction]
    result = np.empty(() if kind else len(x), x.dtype) if out is None else out
    losses = scratch(len(x), x.dtype) if kind else result
    arguments = (x, target, ignore_index, kind, losses, result.reshape(-1))
    _run(_losses, x, arguments)
    return result


@launches
def softmax_cross_entropy_grad(
    g: Any, x: Any, target: Any, *, ignore_index: int, reduction: str, out: Any = None
) -> Any:
    result = np.empty_like(x) if out is None else out
    if not _suits(x, target, ignore_index) or not (isinstance(g, np.ndarray) and _plain(g)):
        return NotImplemented
    if g.dtype != x.dtype or not _plain(result):
        return NotImplemented
    arguments = (g.reshape(-1), x, target, ignore_index, REDUCTIONS[reduction], result)
    _run(_slopes, x, arguments)
    return result


def _plain(x: Any) -> bool:
    flags = x.flags
    return bool(flags.c_contiguous and flags.aligned)


def _suits(x: Any, target: Any, ignore_index: int) -> bool:
    """Whether kernels take these; while nothing is recorded the classes are looked at as well."""
    if x.dtype not in FLOATS or target.dtype != np.int64 or not (_plain(x) and _plain(target)):
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
def _top(x):
    """The largest number, nan if there is one."""
    top = x[0]
    for i in range(len(x)):
        top = x[i] if x[i] > top or x[i] != x[i] else top
    return top


@summing
def _sum_of_exponentials(x, top):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += exp(x[i] - top)
    return total


@inlined
def _valid(target, ignored):
    """How many rows count."""
    count = 0
    for n in range(len(target)):
        count += target[n] != ignored
    return count


@compiled
def _losses(counters, x, target, ignored, reduction, losses, result, rows):
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
                if 0 <= c < x.shape[1]:
                    top = _top(x[n])
                    losses[n] = log(_sum_of_exponentials(x[n], top)) + top - x[n, c]
    last = finish(counters, done)
    if last and reduction:
        total = 0.0
        for n in range(len(losses)):
            total += np.float64(losses[n])
        result[0] = total if reduction == 1 else total / np.float64(_valid(target, ignored))
    return last


@compiled
def _slopes(counters, g, x, target, ignored, reduction, y, rows):
    kind = x.dtype.type
    count = kind(_valid(target, ignored)) if reduction == 2 else kind(1)
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
            top = _top(x[n])
            scale = (g[0] if reduction else g[n]) / count
            share = kind(1) / _sum_of_exponentials(x[n], top)
            for i in range(x.shape[1]):
                y[n, i] = exp(x[n, i] - top) * share * scale
            if 0 <= c < x.shape[1]:
                y[n, c] -= scale
            else:  # as the loss is: a step that learned from it would go unnoticed
                y[n] = np.nan
    return finish(counters, done)
