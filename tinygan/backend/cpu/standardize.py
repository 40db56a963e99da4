"""Layer, group and instance normalisation: sets of numbers brought to mean 0 and variance 1.

A set is some lines in memory: a sample, or the pixels of a sample with a group's channels side by
side. A chunk is some sets; a set is read again while it is in the cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.blocks import PARALLEL
from tinygan.backend.cpu.compile import compiled, finish, inlined, summing, take
from tinygan.backend.cpu.loops import numbers_at
from tinygan.backend.cpu.memory import address
from tinygan.backend.kernels import launches

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
TOGETHER = 1 << 14  # numbers in a chunk, about

Loops = tuple[tuple[int, int], ...]  # how often, bytes from one to the next


@launches
def moments_over(x: Any, *, dims: tuple[int, ...], out: Any = None) -> Any:
    sets = _sets(x, dims)
    if sets is None:
        return NotImplemented
    kept = tuple(1 if d in {a % x.ndim for a in dims} else n for d, n in enumerate(x.shape))
    result = np.empty((2, *kept), x.dtype) if out is None else out
    if not result.flags.c_contiguous:
        return NotImplemented
    _run(_moments, x, sets, (address(x),), result.reshape(2, -1))
    return result


@launches
def standardize(x: Any, moments: Any, *, dims: tuple[int, ...], eps: float, out: Any = None) -> Any:
    sets, y = _sets(x, dims), np.empty_like(x) if out is None else out
    if sets is None or not _alike(x, y) or not _suit(x, moments):
        return NotImplemented
    _run(_standardize, x, sets, (address(x), x.dtype.type(eps), address(y)), moments.reshape(2, -1))
    return y


@launches
def standardize_grad(
    g: Any, x: Any, moments: Any, *, dims: tuple[int, ...], eps: float, out: Any = None
) -> Any:
    sets, y = _sets(x, dims), np.empty_like(x) if out is None else out
    if sets is None or not _suit(x, moments) or not (_alike(x, g) and _alike(x, y)):
        return NotImplemented
    places = (address(g), address(x), x.dtype.type(eps), address(y))
    _run(_standardize_grad, x, sets, places, moments.reshape(2, -1))
    return y


def _alike(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape lie in the same order."""
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    return all(n == 1 or s == t for n, s, t in zip(x.shape, x.strides, y.strides, strict=True))


def _suit(x: Any, moments: Any) -> bool:
    return bool(moments.dtype == x.dtype and moments.flags.c_contiguous)


def _sets(x: Any, dims: tuple[int, ...]) -> np.ndarray | None:
    """How the sets lie, as a table for kernels: loops over sets (2) and over lines, the width."""
    if x.dtype not in FLOATS or not x.size or not x.flags.aligned:
        return None
    return _table(x.shape, x.strides, tuple(sorted({d % x.ndim for d in dims})), x.itemsize)


@lru_cache(maxsize=256)
def _table(
    shape: tuple[int, ...], strides: tuple[int, ...], dims: tuple[int, ...], size: int
) -> np.ndarray | None:
    kept = _merged([(shape[d], strides[d]) for d in range(len(shape)) if d not in dims])
    inside = _merged(sorted([(shape[d], strides[d]) for d in dims], key=lambda loop: -loop[1]))
    if len(kept) > 2 or len(inside) > 2 or not inside or inside[-1][1] != size:
        return None
    once = (1, 0)
    (width, _), lines = inside[-1], inside[0] if len(inside) == 2 else once
    return np.array([*[once] * (2 - len(kept)), *kept, lines, (width, size)], np.int64)


def _merged(loops: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Loops, outermost first, of which those that continue each other are one."""
    result: list[tuple[int, int]] = []
    for count, step in loops:
        if count == 1:
            continue
        if result and result[-1][1] == count * step:
            count *= result.pop()[0]
        result.append((count, step))
    return result or [(1, loops[-1][1])] if loops else []


def _run(kernel: Any, x: Any, sets: np.ndarray, places: tuple[Any, ...], moments: Any) -> None:
    count = moments.shape[1]
    share = max(1, TOGETHER * count // x.size)
    number = threads.get_num_threads() if x.size > PARALLEL else 1
    threads.run(kernel, -(-count // share), (sets, share, moments, *places), number)


# -- kernels --------------------------------------------------------------------------------------


@inlined
def _start(sets, number):
    """How many bytes into the array a set begins."""
    return number // sets[1, 0] * sets[0, 1] + number % sets[1, 0] * sets[1, 1]


@summing
def _sum(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@summing
def _squares(x, mean):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += (x[i] - mean) * (x[i] - mean)
    return total


@summing
def _dot(g, x, mean):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += g[i] * (x[i] - mean)
    return total


@compiled
def _moments(counters, sets, share, moments, x):
    """The mean, then the variance around it."""
    lines, width = sets[2, 0], sets[3, 0]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for number in range(chunk * share, min((chunk + 1) * share, moments.shape[1])):
            start = x + _start(sets, number)
            total, squares = 0.0, 0.0
            for line in range(lines):
                total += _sum(numbers_at(start + line * sets[2, 1], width, moments))
            moments[0, number] = total / (lines * width)
            mean = moments[0, number]
            for line in range(lines):
                squares += _squares(numbers_at(start + line * sets[2, 1], width, moments), mean)
            moments[1, number] = squares / (lines * width)
    return finish(counters, done)


@compiled
def _standardize(counters, sets, share, moments, x, eps, y):
    lines, width = sets[2, 0], sets[3, 0]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for number in range(chunk * share, min((chunk + 1) * share, moments.shape[1])):
            start = _start(sets, number)
            mean = moments[0, number]
            inverse = 1 / np.sqrt(moments[1, number] + eps)
            for line in range(lines):
                xs = numbers_at(x + start + line * sets[2, 1], width, moments)
                ys = numbers_at(y + start + line * sets[2, 1], width, moments)
                for i in range(width):
                    ys[i] = (xs[i] - mean) * inverse
    return finish(counters, done)


@compiled
def _standardize_grad(counters, sets, share, moments, g, x, eps, y):
    """(g - mean(g) - normal x mean(g normal x)) / sqrt(var + eps)."""
    lines, width = sets[2, 0], sets[3, 0]
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        for number in range(chunk * share, min((chunk + 1) * share, moments.shape[1])):
            start = _start(sets, number)
            mean = moments[0, number]
            inverse = 1 / np.sqrt(moments[1, number] + eps)
            first, second = 0.0, 0.0
            for line in range(lines):
                place = start + line * sets[2, 1]
                gs, xs = (
                    numbers_at(g + place, width, moments),
                    numbers_at(x + place, width, moments),
                )
                first += _sum(gs)
                second += _dot(gs, xs, mean)
            shift = inverse * moments.dtype.type(first / (lines * width))
            by_x = inverse * inverse * inverse * moments.dtype.type(second / (lines * width))
            for line in range(lines):
                place = start + line * sets[2, 1]
                gs, xs = (
                    numbers_at(g + place, width, moments),
                    numbers_at(x + place, width, moments),
                )
                ys = numbers_at(y + place, width, moments)
                for i in range(width):
                    ys[i] = inverse * gs[i] - shift - (xs[i] - mean) * by_x
    return finish(counters, done)
