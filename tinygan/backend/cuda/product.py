"""Products of matrices by product.cu, and into which tiles and parts they are cut."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.precision import allow_tf32
from tinygan.backend.cuda.source import FLOATS, Kernel, Launch
from tinygan.backend.kernels import launches

Activation = tuple[str, float] | None  # its name and slope

ACTIVATIONS = {"relu": 1, "leaky_relu": 2}
MOST_BLOCKS = 65535  # along the second and third dimension of a grid
FEW = 8  # columns
COUNTED = 1 << 14  # parts of all tiles, the same as in gemm.cuh


class Tile(NamedTuple):
    """A tile of tiles.cuh, and what a multiprocessor makes of it."""

    rows: int
    columns: int
    threads: int
    resident: int  # blocks at a time
    rate: float  # multiplications in a clock, at most


TILES = (
    Tile(128, 64, 128, 2, 128),
    Tile(64, 64, 128, 3, 105),
    Tile(32, 32, 128, 4, 75),
    Tile(64, 8, 128, 4, 30),
)
LARGEST = 0  # a thread has no registers for its part of it in double precision


class Tiled:
    """A kernel by tiles: of float32 exactly or on tensor cores, and of float64."""

    def __init__(self, source: str, name: str) -> None:
        single, double = FLOATS
        tiles = range(len(TILES))
        self._kernels = {
            (single, 0): Kernel(source, name, (single,), tiles, (0,)),
            (single, 1): Kernel(source, name, (single,), tiles, (1,)),
            (double, 0): Kernel(source, name, (double,), tiles[LARGEST + 1 :], (0,)),
        }

    def __getitem__(self, values: tuple[np.dtype[Any], int, int]) -> Launch:
        kind, tile, tensor = values
        return self._kernels[kind, tensor][kind, tile, tensor]


def on_tensor_cores(kind: np.dtype[Any]) -> int:
    return int(kind == np.float32 and allow_tf32())


PRODUCT = Tiled("product.cu", "product")

# of an H100, for the estimate below
MULTIPROCESSORS = 132
LATENCY = 700  # clocks from one panel to the next, where nothing else is to be done
STALLED = 2  # warps that wait, of those that are resident
MEETING = 1200  # clocks of a meeting of parts, beside their sums
BANDWIDTH = 32  # bytes a clock that a multiprocessor writes or reads of these
TENSOR_RATE = 4  # times the rate of the tiles, by tensor cores
MOST_PARTS = 64
LEAST_PANELS = 2  # of a part


def _clocks(tile: Tile, tiles: int, parts: int, steps: int, itemsize: int, tensor: int) -> float:
    """How long the busiest multiprocessor takes, roughly, for tiles in parts of so many steps."""
    blocks = -(-tiles * parts // MULTIPROCESSORS)
    warps = min(blocks, tile.resident) * tile.threads / 32
    rate = tile.rate * warps / (warps + STALLED) * (TENSOR_RATE if tensor else 1)
    size = tile.rows * tile.columns
    clocks = max(
        blocks * steps * size * (64 // itemsize) / rate,
        -(-blocks // tile.resident) * steps * LATENCY,
    )
    if parts > 1:
        clocks += blocks * 2 * size * itemsize / BANDWIDTH + (parts.bit_length() - 1) * MEETING
    return clocks


@lru_cache(maxsize=4096)
def tiling(batch: int, m: int, n: int, k: int, itemsize: int, tensor: int) -> tuple[int, int]:
    """The tile (its number), and the parts of the depth, for products (m, k) @ (k, n).

    They follow from shapes alone, as the order in which numbers are added must. The choice is the
    one with the shortest estimate of the time that the busiest multiprocessor needs.
    """
    panels = -(-k * itemsize // 64)
    best: tuple[float, int, int] | None = None
    for number, tile in enumerate(TILES):
        if (tile.columns <= FEW) != (n <= FEW) or (number == LARGEST and itemsize == 8):
            continue
        tiles = batch * -(-m // tile.rows) * -(-n // tile.columns)
        most = max(1, min(MOST_PARTS, panels // LEAST_PANELS, COUNTED // tiles))
        for parts in (1 << meetings for meetings in range(most.bit_length())):
            clocks = _clocks(tile, tiles, parts, -(-panels // parts), itemsize, tensor)
            if best is None or clocks < best[0]:
                best = clocks, number, parts
    assert best is not None
    return best[1:]


def parts_memory(size: int, parts: int, y: Any) -> Any:
    """Where all blocks leave their sums; any array where the depth is not split."""
    return y if parts == 1 else backend_for("cuda").xp.empty(size, y.dtype)


@launches
def matmul(x: Any, w: Any, *, out: Any = None) -> Any:
    if not x.ndim or not w.ndim or x.shape[-1] != w.shape[max(w.ndim - 2, 0)]:
        return NotImplemented
    return _matmul(x, w, None, out, None)


@launches
def linear(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    if not x.ndim or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        return NotImplemented
    if bias is not None and (bias.dtype != x.dtype or bias.shape != weight.shape[:1]):
        return NotImplemented
    return _matmul(x, weight.T, bias, out, activation)


def _matmul(x: Any, w: Any, bias: Any, out: Any, activation: Activation) -> Any:
    """f(x (..., m, k) @ w (..., k, n) + bias), either of them without its m or n."""
    if x.dtype not in FLOATS or w.dtype != x.dtype or not (x.size and w.size):
        return NotImplemented
    if activation is not None and activation[0] not in ACTIVATIONS:
        return NotImplemented
    left, right = x[None] if x.ndim == 1 else x, w[:, None] if w.ndim == 1 else w
    try:
        lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        return NotImplemented
    (m, k), n = left.shape[-2:], right.shape[-1]
    shape = (*lead, *([m] if x.ndim > 1 else []), *([n] if w.ndim > 1 else []))
    if out is not None and (out.dtype != x.dtype or out.shape != shape):
        return NotImplemented
    y = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    target = y[..., None] if w.ndim == 1 else y
    target = target[..., None, :] if x.ndim == 1 else target
    batch = math.prod(lead)
    rows = [_step(a, (*lead, m), 1) for a in (left, target)] if right.ndim == 2 else [None]
    steps: list[tuple[Any, Any]]
    if None not in rows:  # one product instead of a batch of them
        batch, m = 1, batch * m
        steps = [(0, rows[0]), (0, right.strides[0]), (0, rows[1])]
    else:
        if _step(left, lead, 2) is None:
            left = _broadcast(left, lead)
        if _step(right, lead, 2) is None:
            right = _broadcast(right, lead)
        steps = [(_step(a, lead, 2), a.strides[-2]) for a in (left, right, target)]
        if steps[2][0] is None:
            return NotImplemented
    operands = [(a, *s, a.strides[-1]) for a, s in zip((left, right, target), steps, strict=True)]
    return y if _launched(operands, bias, (batch, m, n, k), activation) else NotImplemented


def _step(x: Any, sizes: tuple[int, ...], inner: int) -> int | None:
    """The step of all dimensions but `inner` ones, broadcast to `sizes`, as one; None if uneven."""
    outer = x.ndim - inner
    shape = (*[1] * (len(sizes) - outer), *x.shape[:outer])
    strides = (*[0] * (len(sizes) - outer), *x.strides[:outer])
    step, length = 0, 1
    for size, own, stride in reversed(list(zip(sizes, shape, strides, strict=True))):
        if size == 1:
            continue
        stride = stride if own == size else 0
        if length == 1:
            step = stride
        elif stride != step * length:
            return None
        length *= size
    return step


def _broadcast(x: Any, lead: tuple[int, ...]) -> Any:
    xp = backend_for("cuda").xp
    return xp.ascontiguousarray(xp.broadcast_to(x, (*lead, *x.shape[-2:])))


def _launched(
    operands: list[tuple[Any, Any, int, int]],
    bias: Any,
    sizes: tuple[int, int, int, int],
    activation: Activation,
) -> bool:
    """Launch the product of operands, each with its steps in bytes; False if it has no grid."""
    batch, m, n, k = sizes
    left, right, y = operands
    result, kind = y[0], y[0].dtype
    bias_steps = (0, 0 if bias is None else bias.strides[0])
    if m <= FEW < n:  # the transposed product has few columns
        m, n = n, m
        left, right, y = (_transposed(a) for a in (right, left, y))
        bias_steps = bias_steps[::-1]
    tensor = on_tensor_cores(kind)
    number, parts = tiling(batch, m, n, k, kind.itemsize, tensor)
    tile = TILES[number]
    grid = (-(-m // tile.rows), -(-n // tile.columns), batch * parts)
    if max(grid[1:]) > MOST_BLOCKS or max(m, n, k) >= 1 << 31:
        return False
    name, slope = activation or ("", 1.0)
    arguments = [y[0] if bias is None else bias, np.int32(bias is not None)]
    arguments += [np.int64(s // kind.itemsize) for s in bias_steps]
    arguments += [np.int32(ACTIVATIONS.get(name, 0)), kind.type(slope)]
    arguments += [np.int32(a) for a in (m, k, n)]
    arguments += [
        parts_memory(math.prod(grid) * tile.rows * tile.columns, parts, result),
        np.int32(parts),
    ]
    for operand in (y, right, left):
        steps = [np.int64(s // kind.itemsize) for s in operand[1:]]
        arguments = [operand[0], *steps, *arguments]
    PRODUCT[kind, number, tensor](grid, (tile.threads,), arguments)
    return True


def _transposed(operand: tuple[Any, Any, int, int]) -> tuple[Any, Any, int, int]:
    x, batch, row, column = operand
    return x, batch, column, row
