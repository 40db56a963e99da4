"""Random numbers: what `tinygan.backend.philox` defines, by compiled kernels.

For float32 logarithm, sine and cosine are Taylor polynomials on small intervals, which the compiler
turns into vector code; they are good to the last or last but one bit, as the reference is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend import philox
from tinygan.backend.cpu import threads
from tinygan.backend.cpu.compile import compiled, finish, inlined, take
from tinygan.backend.kernels import launches

FLOAT, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
BLOCKS = 1024  # in a chunk
SHARE = 1 << 15  # numbers for which waking one more thread costs less than it brings

M0, M1, W0, W1, LOW = (np.uint64(n) for n in (*philox.MULTIPLIERS, *philox.WEYL, philox.MASK))
HALF = np.uint64(32)
LOW53 = (1 << 53) - 1
ROUNDS = philox.ROUNDS
TURN = np.float32(2 * np.pi / 2**32)
LOG2 = np.float32(np.log(2))


@launches
def random_uniform(state: Any, *, shape: tuple[int, ...], dtype: Any, out: Any = None) -> Any:
    return _draw({FLOAT: _uniform, DOUBLE: _uniform_double}, state, shape, dtype, out)


@launches
def random_normal(state: Any, *, shape: tuple[int, ...], dtype: Any, out: Any = None) -> Any:
    return _draw({FLOAT: _normal, DOUBLE: _normal_double}, state, shape, dtype, out)


@launches
def dropout_mask(state: Any, like: Any, *, p: float, dims: int, out: Any = None) -> Any:
    if like.dtype not in (FLOAT, DOUBLE) or not like.size:
        return NotImplemented
    if dims == like.ndim:
        result = np.empty_like(like) if out is None else out
    else:
        shape = like.shape[:dims] + (1,) * (like.ndim - dims)
        result = np.empty(shape, like.dtype) if out is None else out
    turned = result.transpose(0, *range(2, result.ndim), 1) if result.ndim > 1 else result
    if result.flags.c_contiguous:
        first = len(result) if result.ndim > 1 else 1
        images = result.reshape(first, 1, -1)  # as one pixel: in order
    elif turned.flags.c_contiguous:
        images = turned.reshape(len(result), -1, result.shape[1])
    else:
        return NotImplemented
    keep = like.dtype.type(0 if p == 1 else 1 / (1 - p))
    blocks = philox.count_blocks(result.size, FLOAT.itemsize)
    arguments = (state, np.float32(p), keep, images, blocks)
    threads.run(_mask, len(images), arguments, _threads(result.size))
    return result


def _draw(kernels: Any, state: Any, shape: tuple[int, ...], dtype: Any, out: Any) -> Any:
    dtype = np.dtype(dtype)
    kernel = kernels.get(dtype)
    if kernel is None or not (out is None or (out.dtype == dtype and out.flags.c_contiguous)):
        return NotImplemented
    result = np.empty(shape, dtype) if out is None else out
    blocks = philox.count_blocks(result.size, dtype.itemsize)
    arguments = (state, blocks, result.reshape(-1))
    threads.run(kernel, -(-blocks // BLOCKS), arguments, _threads(result.size))
    return result


def _threads(size: int) -> int:
    return min(threads.get_num_threads(), size // SHARE)


# -- kernels --------------------------------------------------------------------------------------


@inlined
def _words(state, first, blocks, words):
    """The words of some blocks, the first of them `first` beyond the counter."""
    key, counter = state[0], state[1] + np.uint64(first)
    for b in range(blocks):
        n = counter + np.uint64(b)
        c0, c1, c2, c3 = n & LOW, n >> HALF, np.uint64(0), np.uint64(0)
        k0, k1 = key & LOW, key >> HALF
        for _ in range(ROUNDS):
            p, q = c0 * M0, c2 * M1
            c0, c1, c2, c3 = (q >> HALF) ^ c1 ^ k0, q & LOW, (p >> HALF) ^ c3 ^ k1, p & LOW
            k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
        words[4 * b] = c0
        words[4 * b + 1] = c1
        words[4 * b + 2] = c2
        words[4 * b + 3] = c3


@inlined
def _advanced(counters, done, state, blocks):
    """Finish; who is last moves the counter on."""
    last = finish(counters, done)
    if last:
        state[1] += np.uint64(blocks)
    return last


@compiled
def _uniform(counters, state, blocks, out):
    words = np.empty(4 * BLOCKS, np.uint32)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = chunk * BLOCKS
        _words(state, first, min(BLOCKS, blocks - first), words)
        y = out[4 * first : 4 * (first + BLOCKS)]
        for i in range(len(y)):
            y[i] = np.float32(np.int32(words[i] >> np.uint32(8))) * np.float32(2.0**-24)
    return _advanced(counters, done, state, blocks)


@compiled
def _normal(counters, state, blocks, out):
    words = np.empty(4 * BLOCKS, np.uint32)
    angles = words.view(np.int32)
    u = np.empty(2 * BLOCKS, np.float32)
    bits = u.view(np.int32)
    pairs = np.empty(4 * BLOCKS, np.float32)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = chunk * BLOCKS
        count = min(BLOCKS, blocks - first)
        _words(state, first, count, words)
        for i in range(2 * count):
            u[i] = np.float32(words[2 * i]) * np.float32(2.0**-32) + np.float32(2.0**-33)
        for i in range(2 * count):
            # u = m 2^e with m in about [1 / sqrt(2), sqrt(2)); log(m) = 2 atanh(s)
            e = (bits[i] - np.int32(0x3F3504F3)) >> np.int32(23)
            bits[i] -= e << np.int32(23)
            s = (u[i] - np.float32(1)) / (u[i] + np.float32(1))
            t = s * s
            series = np.float32(1 / 7) + t * np.float32(1 / 9)
            series = np.float32(1 / 3) + t * (np.float32(1 / 5) + t * series)
            log = np.float32(e) * LOG2 + np.float32(2) * (s + s * t * series)
            radius = np.sqrt(np.float32(-2) * log)
            # the angle is a multiple of a quarter turn plus x in [-pi / 4, pi / 4)
            w = angles[2 * i + 1]
            quarter = (w + np.int32(1 << 29)) >> np.int32(30)
            x = np.float32(w - (quarter << np.int32(30))) * TURN
            z = x * x
            sine = np.float32(-1 / 5040) + z * np.float32(1 / 362880)
            sine = np.float32(-1 / 6) + z * (np.float32(1 / 120) + z * sine)
            sine = x + x * z * sine
            cosine = np.float32(1 / 40320) + z * np.float32(-1 / 3628800)
            cosine = np.float32(1 / 24) + z * (np.float32(-1 / 720) + z * cosine)
            cosine = np.float32(1) + z * (np.float32(-1 / 2) + z * cosine)
            odd = (quarter & np.int32(1)) != 0
            a = sine if odd else cosine
            b = cosine if odd else sine
            pairs[2 * i] = -radius * a if ((quarter + np.int32(1)) & np.int32(2)) else radius * a
            pairs[2 * i + 1] = -radius * b if (quarter & np.int32(2)) else radius * b
        y = out[4 * first : 4 * (first + BLOCKS)]
        y[:] = pairs[: len(y)]
    return _advanced(counters, done, state, blocks)


@compiled
def _uniform_double(counters, state, blocks, out):
    words = np.empty(4 * BLOCKS, np.uint32)
    pairs = words.view(np.int64)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = chunk * BLOCKS
        _words(state, first, min(BLOCKS, blocks - first), words)
        y = out[2 * first : 2 * (first + BLOCKS)]
        for i in range(len(y)):
            y[i] = np.float64((pairs[i] >> 11) & LOW53) * 2.0**-53
    return _advanced(counters, done, state, blocks)


@compiled
def _normal_double(counters, state, blocks, out):
    words = np.empty(4 * BLOCKS, np.uint32)
    pairs = words.view(np.int64)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = chunk * BLOCKS
        _words(state, first, min(BLOCKS, blocks - first), words)
        y = out[2 * first : 2 * (first + BLOCKS)]
        for i in range(0, len(y), 2):
            u = np.float64((pairs[i] >> 11) & LOW53) * 2.0**-53 + 2.0**-54
            angle = np.float64((pairs[i + 1] >> 11) & LOW53) * (2 * np.pi * 2.0**-53)
            radius = np.sqrt(-2 * np.log(u))
            y[i] = radius * np.cos(angle)
            if i + 1 < len(y):
                y[i + 1] = radius * np.sin(angle)
    return _advanced(counters, done, state, blocks)


@compiled
def _mask(counters, state, p, keep, images, blocks):
    """`keep` where a number is at least p, else 0; images are N, pixels, channels in memory.

    The numbers fill an image channel by channel. A chunk: an image.
    """
    pixels, channels = images.shape[1:]
    size = pixels * channels
    words = np.empty(size + 8, np.uint32)
    values = np.empty(size, images.dtype)
    done = 0
    while True:
        chunk = take(counters)
        if chunk < 0:
            break
        done += 1
        first = chunk * size // 4
        skipped = chunk * size - 4 * first
        _words(state, first, (skipped + size + 3) // 4, words)
        drawn = words[skipped : skipped + size]
        for i in range(size):
            kept = np.float32(np.int32(drawn[i] >> np.uint32(8))) * np.float32(2.0**-24) >= p
            values[i] = keep if kept else images.dtype.type(0)
        if pixels == 1:
            images[chunk, 0] = values
        else:
            for i in range(pixels):
                row = images[chunk, i]
                for c in range(channels):
                    row[c] = values[c * pixels + i]
    return _advanced(counters, done, state, blocks)
