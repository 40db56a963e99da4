"""Products of matrices: which kernel computes them, and how they are cut into chunks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.cpu import choice, threads
from tinygan.backend.cpu.compile import LANES
from tinygan.backend.cpu.epilogue import Activation, epilogue
from tinygan.backend.cpu.memory import address, scratch
from tinygan.backend.cpu.product import PLAN, pack_panels, panels, product
from tinygan.backend.cpu.product_tiles import ROWS
from tinygan.backend.cpu.rounding import rounded
from tinygan.backend.kernels import launches

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
PARALLEL = 1 << 18  # multiplications for which waking other threads costs less than it brings
PARALLEL_PACK = 1 << 14  # numbers to pack; others wrote them, so one thread would wait for memory
CHUNK = 1 << 17  # multiplications in a chunk, at least
PACKING_ROWS = 64  # in a chunk that packs its panel itself, at least
PIECES = 8  # that BLAS is called for, whatever the number of threads
CHUNKS = 32  # more than there are threads, so that a busy core takes fewer


@launches
def matmul(x: Any, w: Any, *, precision: str | None = None, out: Any = None) -> Any:
    if x.ndim < 2 or w.ndim < 2 or x.shape[-1] != w.shape[-2]:
        return NotImplemented
    x, w = rounded(x, precision), rounded(w, precision)
    if w.ndim == 2:
        return _rows(x, w, None, out, None)
    if x.ndim == w.ndim == 3 and len(x) == len(w):
        return _product(x, w, None, out, None)
    return NotImplemented


@launches
def linear(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    precision: str | None = None,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    if x.ndim < 2 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        return NotImplemented
    if bias is not None and (bias.dtype != x.dtype or bias.shape != weight.shape[:1]):
        return NotImplemented
    return _rows(rounded(x, precision), rounded(weight, precision).T, bias, out, activation)


def _rows(x: Any, w: Any, bias: Any, out: Any, activation: Activation) -> Any:
    """x (..., k) @ w (k, n), as the product of two matrices."""
    shape = (*x.shape[:-1], w.shape[1])
    if x.ndim > 2:
        x = x.reshape(-1, x.shape[-1]) if x.size and _mergeable(x) else None
        if out is not None and x is not None:
            out = out.reshape(-1, shape[-1]) if _mergeable(out) else None
            if out is None:
                return NotImplemented
    if x is None:
        return NotImplemented
    y = _product(x[None], w[None], bias, None if out is None else out[None], activation)
    return y if y is NotImplemented else y.reshape(shape)


def _mergeable(x: Any) -> bool:
    """Whether all dimensions but the last lie as one in memory."""
    return all(x.strides[i] == x.strides[i + 1] * x.shape[i + 1] for i in range(x.ndim - 2))


class _Form(NamedTuple):
    """How a product is computed: what is known without its memory."""

    plan: np.ndarray
    across: bool
    packed: int  # numbers to pack before
    packing: int  # chunks of that
    chunks: int
    parallel: bool


@lru_cache(maxsize=1024)
def _form(
    size: int,
    batch: int,
    m: int,
    k: int,
    n: int,
    left: tuple[int, ...],
    right: tuple[int, ...],
    out: tuple[int, ...],
    relu: bool,
) -> _Form | None:
    """For numbers of `size` bytes and these strides; None where neither order of w suits."""
    lanes = 4 * LANES // size
    across = right[2] != size and m <= n and size in left[1:]
    across |= n < m and n <= lanes // 2 and left[1] == size  # vectors of rows: columns are few
    if across:  # the transposed product
        m, n = n, m
        left, right = (right[0], right[2], right[1]), (left[0], left[2], left[1])
    if right[2] != size and right[1] != size:
        return None
    packs = right[2] != size
    vectors = -(-n // lanes)
    count = panels(vectors)
    work = batch * m * k * n
    wanted = -(-min(CHUNKS, max(1, work // CHUNK)) // (batch * count))
    least = ROWS if packs else PACKING_ROWS
    blocks = max(1, min(wanted, m // least))
    height = -(-m // (blocks * ROWS)) * ROWS
    blocks = -(-m // height)
    depth = -(-k // lanes)
    packed = depth * vectors * lanes * lanes if packs else 0
    values = (m, n, k, size, *left[1:], left[0], *right[1:], right[0], packed * size, *out[1:2],
              out[0], across, relu, vectors, count, blocks, height)  # fmt: skip
    return _Form(
        np.array([values], PLAN),
        across,
        packed * batch,
        depth * batch,
        batch * count * blocks,
        work > PARALLEL,
    )


def _product(x: Any, w: Any, bias: Any, out: Any, activation: Activation) -> Any:
    """f(x (b, m, k) @ w (b, k, n) + bias)."""
    batch, m, k = x.shape
    n, dtype = w.shape[2], x.dtype
    if dtype not in FLOATS or w.dtype != dtype or not (batch and m and k and n):
        return NotImplemented
    if out is not None and (out.dtype != dtype or out.strides[2] != dtype.itemsize):
        return NotImplemented
    if bias is not None and bias.strides[0] != dtype.itemsize:
        return NotImplemented
    if not all(a is None or a.flags.aligned for a in (x, w, bias, out)):
        return NotImplemented
    y = np.empty((batch, m, n), dtype) if out is None else out
    if batch == 1 and choice.by_blas(dtype, m, k, n, _own, _by_blas):
        if threads.recording.tape is not None or activation is not None:
            return NotImplemented  # the caller applies the activation to what BLAS gives
        _by_blas(x[0], w[0], y[0])
        if bias is not None:
            with np.errstate(all="ignore"):
                y += bias
        return y
    return _launched(x, w, bias, y, activation)


def _own(x: Any, w: Any) -> None:
    """x @ w, as `choice` times it."""
    _launched(x[None], w[None], None, np.empty((1, len(x), w.shape[1]), x.dtype), None)


def _by_blas(x: Any, w: Any, y: Any = None) -> None:
    """The same by NumPy's BLAS, called by our threads for pieces of the longer side of y."""
    rows, columns = len(x), w.shape[1]
    result = np.empty((rows, columns), x.dtype) if y is None else y
    step = -(-max(rows, columns) // PIECES)

    def piece(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        with np.errstate(all="ignore"):  # every thread has a state of its own
            if rows >= columns:
                np.matmul(x[part], w, out=result[part])
            else:
                np.matmul(x, w[:, part], out=result[:, part])

    threads.run_each(piece, PIECES, threads.get_num_threads())


def _launched(x: Any, w: Any, bias: Any, y: Any, activation: Activation) -> Any:
    """The same by our kernel."""
    batch, m, k = x.shape
    n, dtype = w.shape[2], x.dtype
    after = epilogue(activation)
    if after is None:
        return NotImplemented
    form = _form(dtype.itemsize, batch, m, k, n, x.strides, w.strides, y.strides, after.relu)
    if form is None:
        return NotImplemented
    one = dtype.type(1)
    number = threads.get_num_threads() if form.parallel else 1
    left, right = (w, x) if form.across else (x, w)
    panel = 0
    if form.packed:
        packed = scratch(form.packed, dtype)
        panel = address(packed)
        helpers = number if form.packed > PARALLEL_PACK else 1
        threads.run(pack_panels, form.packing, (form.plan, address(right), packed, one), helpers)
    addresses = (address(left), address(right), panel, address(y))
    shift = 0 if bias is None else address(bias)
    threads.run(
        product,
        form.chunks,
        (form.plan, *addresses, shift, dtype.type(after.slope), after.address(dtype), one),
        number,
    )
    return y
