"""Philox 4x32-10: random numbers as a pure function of a key and a counter.

The state of a generator is one uint64 array [key, counter]. The functions here read it where it
lies and do not change it; the ops of `tinygan.ops.draw` draw with them and then add the number of
blocks used to the counter, as the kernels that replace those ops have to do themselves.

A block is four 32-bit words, Philox(key, counter + i) for the i-th. 32-bit numbers take a word
each, 64-bit ones two (the first is the lower half), so n numbers use ceil(n / 4) or ceil(n / 2)
blocks. They fill the shape in its logical C order:

    uniform  float32  (w >> 8) 2^-24               float64  (w >> 11) 2^-53
    normal   of the words w, v in turn: r cos(t), r sin(t) with r = sqrt(-2 log(u)), t = 2 pi v
             float32  u = w 2^-32 + 2^-33, v 2^-32
             float64  u = (w >> 11) 2^-53 + 2^-54, (v >> 11) 2^-53
    integer  low + w mod count                     w of 64 bits

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key's halves each round: golden ratio, sqrt(3) - 1
ROUNDS = 10
MASK = 0xFFFFFFFF
CHUNK = 4096  # blocks computed at a time, so that the intermediate arrays stay in the cache


def count_blocks(numbers: int, itemsize: int) -> int:
    """How far a draw of so many numbers of so many bytes moves the counter."""
    return -(-numbers * itemsize // 16)


def blocks(xp: Any, state: Any, start: int, count: int) -> Any:
    """Philox(key, counter + start + i), i < count, as a uint32 array of shape (count, 4)."""
    rounds = xp.arange(ROUNDS, dtype=xp.uint64)
    key0 = ((state[:1] & MASK) + WEYL[0] * rounds) & MASK
    key1 = ((state[:1] >> 32) + WEYL[1] * rounds) & MASK
    counter = state[1:2] + xp.arange(start, start + count, dtype=xp.uint64)
    return words(xp, (counter & MASK, counter >> 32, 0 * counter, 0 * counter), key0, key1)


def words(xp: Any, counter: tuple[Any, Any, Any, Any], key0: Any, key1: Any) -> Any:
    """The ten rounds on 32-bit numbers kept in uint64 arrays; keyN[i] is that of round i."""
    c0, c1, c2, c3 = counter
    for i in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = (p1 >> 32) ^ c1 ^ key0[i : i + 1], p1 & MASK
        c2, c3 = (p0 >> 32) ^ c3 ^ key1[i : i + 1], p0 & MASK
    result = xp.empty((c0.size, 4), dtype=xp.uint32)
    for i, c in enumerate((c0, c1, c2, c3)):
        result[:, i] = c
    return result


def uniform(xp: Any, state: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Numbers uniform in [0, 1): all multiples of 2^-24 (float32) or 2^-53 (float64)."""

    def convert(w: Any, out: Any) -> None:
        drop, scale = (8, 2.0**-24) if w.dtype == xp.uint32 else (11, 2.0**-53)
        xp.multiply((w >> drop).astype(dtype), scale, out=out)

    return _fill(xp, state, shape, dtype, convert)


def normal(xp: Any, state: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Standard normal numbers by the transform of Box and Muller."""

    def convert(w: Any, out: Any) -> None:
        scale = 2.0**-32
        if w.dtype == xp.uint64:
            w, scale = w >> 11, 2.0**-53
        u = w[0::2].astype(dtype) * scale + scale / 2
        angle = w[1::2].astype(dtype) * (2 * math.pi * scale)
        radius = xp.sqrt(-2 * xp.log(u))
        xp.multiply(radius, xp.cos(angle), out=out[0::2])
        xp.multiply(radius, xp.sin(angle), out=out[1::2])

    return _fill(xp, state, shape, dtype, convert)


def integers(xp: Any, state: Any, shape: tuple[int, ...], low: int, count: int) -> Any:
    """Integers in [low, low + count), count <= 2^64; the modulo's bias is below count / 2^64."""

    def convert(w: Any, out: Any) -> None:
        out[...] = (w if count == 1 << 64 else w % count).view(xp.int64)
        out += low

    return _fill(xp, state, shape, xp.int64, convert)


def _fill(
    xp: Any, state: Any, shape: tuple[int, ...], dtype: Any, convert: Callable[[Any, Any], None]
) -> Any:
    """`convert(words, out)` over chunks of the stream: 32-bit words, or 64-bit ones."""
    size = math.prod(shape)
    dtype = xp.dtype(dtype)
    word = xp.uint32 if dtype.itemsize == 4 else xp.uint64
    per_block = 16 // dtype.itemsize
    total = count_blocks(size, dtype.itemsize)
    out = xp.empty(total * per_block, dtype=dtype)
    for start, count in _chunks(total):
        piece = out[start * per_block : (start + count) * per_block]
        convert(blocks(xp, state, start, count).reshape(-1).view(word), piece)
    return out[:size].reshape(shape)


def _chunks(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, CHUNK):
        yield start, min(CHUNK, total - start)
