"""The loops of the Markov random field: growing a tree of contexts, and walking down in it.

Symbols are N H W, uint8 in 0..q-1. A row of `steps` says which number of a pixel's context comes
next: (b, 0, 0) is bands[b] at the pixel, (-1, dy, dx) the symbol so far away, q if that is outside.
A node's branches are numbered by that number, -1 where there is none.
"""

from __future__ import annotations

import numpy as np

from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, take

STRENGTH = 30.0  # times t_k: how many observations a shorter context counts as


def grow(
    symbols: np.ndarray, steps: np.ndarray, bands: np.ndarray, q: int, least: int
) -> tuple[np.ndarray, np.ndarray]:
    """The tree of all contexts seen `least` times: branches (nodes, q + 1) and counts (nodes, q).

    counts[node, x] is how often symbol x was seen in the context. Depth by depth: every pixel knows
    the node that it has come to, -1 when its context has become too rare.
    """
    at = np.zeros(symbols.shape, np.int32)
    counts = [np.bincount(symbols.reshape(-1), minlength=q).astype(np.uint32)[None]]
    branches = []
    nodes = 1
    for step in range(len(steps)):
        seen = np.zeros((len(counts[-1]), q + 1), np.uint32)
        threads.run(_tally, 1, (symbols, at, bands, steps, step, q, seen), 1)
        kept = seen >= least
        if not kept.any():
            break
        below = np.full(seen.shape, -1, np.int32)
        below[kept] = np.arange(kept.sum(), dtype=np.int32)
        found = np.zeros((int(kept.sum()), q), np.uint32)
        threads.run(_descend, 1, (symbols, at, bands, steps, step, q, below, found), 1)
        branches.append(np.where(below >= 0, below + nodes, -1).astype(np.int32))
        counts.append(found)
        nodes += len(found)
    branches.append(np.full((len(counts[-1]), q + 1), -1, np.int32))
    return np.concatenate(branches), np.concatenate(counts)


def draw(
    u: np.ndarray, branches: np.ndarray, counts: np.ndarray, steps: np.ndarray, bands: np.ndarray
) -> np.ndarray:
    """Symbols N H W drawn pixel by pixel, where u (N, H, W) is uniform in [0, 1]."""
    symbols = np.zeros(u.shape, np.uint8)
    arguments = (symbols, u, branches, counts, steps, bands)
    threads.run(_draw, len(u), arguments, threads.get_num_threads())
    return symbols


def log_likelihood(
    symbols: np.ndarray,
    branches: np.ndarray,
    counts: np.ndarray,
    steps: np.ndarray,
    bands: np.ndarray,
) -> np.ndarray:
    """log p(image) of each, in nats: the sum over its pixels of log p(x_i | context)."""
    total = np.zeros(len(symbols))
    arguments = (symbols, total, branches, counts, steps, bands)
    threads.run(_judge, len(symbols), arguments, threads.get_num_threads())
    return total


@inlined
def _context(image, y, x, bands, steps, step, q):
    band, row, column = steps[step, 0], y + steps[step, 1], x + steps[step, 2]
    if band >= 0:
        return np.int64(bands[band, y, x])
    if row < 0 or column < 0 or column >= image.shape[1]:
        return np.int64(q)
    return np.int64(image[row, column])


@compiled
def _tally(counters, symbols, at, bands, steps, step, q, seen):
    done = 0
    while take(counters) >= 0:
        done += 1
        for n in range(len(symbols)):
            for y in range(symbols.shape[1]):
                for x in range(symbols.shape[2]):
                    node = at[n, y, x]
                    if node >= 0:
                        seen[node, _context(symbols[n], y, x, bands, steps, step, q)] += 1
    return finish(counters, done)


@compiled
def _descend(counters, symbols, at, bands, steps, step, q, below, found):
    done = 0
    while take(counters) >= 0:
        done += 1
        for n in range(len(symbols)):
            for y in range(symbols.shape[1]):
                for x in range(symbols.shape[2]):
                    node = at[n, y, x]
                    if node >= 0:
                        value = _context(symbols[n], y, x, bands, steps, step, q)
                        at[n, y, x] = below[node, value]
                        if below[node, value] >= 0:
                            found[below[node, value], symbols[n, y, x]] += 1
    return finish(counters, done)


@inlined
def _predict(p, image, y, x, branches, counts, steps, bands):
    """p <- p(. | context): from the root down, each node's counts with what came before as prior.

    p_k = (n_k + s t_k p_(k-1)) / (sum n_k + s t_k), t_k the number of different symbols seen there.
    """
    q = counts.shape[1]
    p[:] = 1.0 / q
    node, step = 0, 0
    while node >= 0:
        total, kinds = 0.0, 0.0
        for s in range(q):
            total += counts[node, s]
            kinds += STRENGTH * (counts[node, s] > 0)
        for s in range(q):
            p[s] = (counts[node, s] + kinds * p[s]) / (total + kinds)
        if step == len(steps):
            break
        node = branches[node, _context(image, y, x, bands, steps, step, q)]
        step += 1


@compiled
def _draw(counters, symbols, u, branches, counts, steps, bands):
    done = 0
    p = np.empty(counts.shape[1])
    n = take(counters)
    while n >= 0:
        done += 1
        for y in range(symbols.shape[1]):
            for x in range(symbols.shape[2]):
                _predict(p, symbols[n], y, x, branches, counts, steps, bands)
                symbol, left = 0, u[n, y, x] - p[0]
                while left > 0 and symbol < len(p) - 1:
                    symbol += 1
                    left -= p[symbol]
                symbols[n, y, x] = symbol
        n = take(counters)
    return finish(counters, done)


@compiled
def _judge(counters, symbols, total, branches, counts, steps, bands):
    done = 0
    p = np.empty(counts.shape[1])
    n = take(counters)
    while n >= 0:
        done += 1
        for y in range(symbols.shape[1]):
            for x in range(symbols.shape[2]):
                _predict(p, symbols[n], y, x, branches, counts, steps, bands)
                total[n] += np.log(p[symbols[n, y, x]])
        n = take(counters)
    return finish(counters, done)
