"""Products of matrices by product.cu, and into which tiles and parts they are cut."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.copy import contiguous
from tinygan.backend.cuda.precision import allow_tf32
from tinygan.backend.cuda.source import FLOATS, Kernel, Launch, by_value
from tinygan.backend.kernels import launches

Activation = tuple[str, float] | None  # its name and slope
Steps = tuple[int, ...]
Where = tuple[Steps, Steps]  # shape, strides

ACTIVATIONS = {"relu": 1, "leaky_relu": 2, "tanh": 3, "sigmoid": 4}
MOST_BLOCKS = 65535  # along the second and third dimension of a grid
FEW = 8  # columns
COUNTED = 1 << 14  # parts of all tiles, the same as in gemm.cuh


class Tile(NamedTuple):
    """A tile of tiles.cuh, and what a multiprocessor makes of it."""

    rows: int
    columns: int
    threads: int
    resident: int  # blocks at a time, in float32 and TF32: RESIDENT in tiles.cuh


TILES = (Tile(128, 64, 128, 3), Tile(64, 64, 128, 4), Tile(32, 32, 128, 4), Tile(64, 8, 128, 4))
LARGEST = 0  # a thread has no registers for its part in double precision, nor for three products


# how factors are rounded, and by what name; the same as in tensor_cores.cuh
EXACT, TF32, TF32X3 = 0, 1, 2
ROUNDED = {"float16": 3, "bfloat16": 4}


class Tiled:
    """A kernel by tiles: of float32 exactly or on tensor cores, and of float64."""

    def __init__(self, source: str, name: str) -> None:
        single, double = FLOATS
        tiles = range(len(TILES))
        self._kernels = {
            (single, tensor): Kernel(source, name, (single,), tiles, (tensor,))
            for tensor in (EXACT, TF32, *ROUNDED.values())
        }
        for kind, tensor in ((single, TF32X3), (double, EXACT)):
            kernel = Kernel(source, name, (kind,), tiles[LARGEST + 1 :], (tensor,))
            self._kernels[kind, tensor] = kernel

    def __getitem__(self, values: tuple[np.dtype[Any], int, int]) -> Launch:
        kind, tile, tensor = values
        return self._kernels[kind, tensor][kind, tile, tensor]


def on_tensor_cores(kind: np.dtype[Any], precision: str | None) -> int:
    if kind != np.float32:
        return EXACT
    if precision is not None:
        return ROUNDED[precision]
    return {False: EXACT, True: TF32, "x3": TF32X3}[allow_tf32()]


PRODUCT = Tiled("product.cu", "product")
LAYOUT = np.dtype(  # the same as Layout in product.cu
    [*((name, np.int64, 3) for name in "xwy"), ("bias", np.int64, 2), ("sizes", np.int32, 4)]
)

# of an H100, for the estimate below
MULTIPROCESSORS = 132
LATENCY = 700  # clocks from one panel to the next, where nothing else is to be done
STALLED = 2  # warps that wait, of those that are resident
MEETING = 1200  # clocks of a meeting of parts, beside their sums
TOGETHER = (1, 2, 3, 3)  # how many meet, by tile: 2 to this power, the same as in gemm.cuh
BANDWIDTH = 32  # bytes a clock that a multiprocessor writes or reads of these
# multiplications in a clock of a multiprocessor that never waits, by how factors are rounded and by
# tile: from the instructions of a step, which benchmarks/cuda_loops.py counts
RATES = {
    EXACT: (102, 90, 52, 34),
    TF32: (388, 254, 81, 39),
    TF32X3: (0, 134, 55, 35),
    **dict.fromkeys(ROUNDED.values(), (639, 413, 142, 74)),
}
MOST_PARTS = 64
LEAST_PANELS = 2  # of a part


def panel_depth(itemsize: int, tensor: int) -> int:
    """How deep a panel is: so many words, each of which is two halves where factors are halves."""
    return 64 // itemsize * (2 if tensor > TF32X3 else 1)


def _clocks(number: int, tiles: int, parts: int, steps: int, itemsize: int, tensor: int) -> float:
    """How long the busiest multiprocessor takes, roughly, for tiles in parts of so many steps."""
    tile, wide = TILES[number], itemsize == 8 or (tensor > TF32 and number <= 1)
    resident = 2 if wide else tile.resident
    blocks = -(-tiles * parts // MULTIPROCESSORS)
    warps = min(blocks, resident) * tile.threads / 32
    rate = RATES[tensor][number] * warps / (warps + STALLED)
    size = tile.rows * tile.columns
    clocks = max(
        blocks * steps * size * panel_depth(itemsize, tensor) / rate,
        -(-blocks // resident) * steps * LATENCY,
    )
    if parts > 1:
        meetings = -(-(parts.bit_length() - 1) // TOGETHER[number])
        clocks += blocks * 2 * size * itemsize / BANDWIDTH + meetings * MEETING
    return clocks


@lru_cache(maxsize=4096)
def tiling(batch: int, m: int, n: int, k: int, itemsize: int, tensor: int) -> tuple[int, int]:
    """The tile (its number), and the parts of the depth, for products (m, k) @ (k, n).

    They follow from shapes alone, as the order in which numbers are added must. The choice is the
    one with the shortest estimate of the time that the busiest multiprocessor needs.
    """
    return min(tilings(batch, m, n, k, itemsize, tensor))[1:]


def tilings(
    batch: int, m: int, n: int, k: int, itemsize: int, tensor: int
) -> list[tuple[float, int, int]]:
    """What `tiling` chooses from: estimates in clocks, tiles and parts."""
    panels = -(-k // panel_depth(itemsize, tensor))
    found = []
    for number, tile in enumerate(TILES):
        if (tile.columns <= FEW) != (n <= FEW):
            continue
        if number == LARGEST and (itemsize == 8 or tensor == TF32X3):
            continue
        tiles = batch * -(-m // tile.rows) * -(-n // tile.columns)
        most = max(1, min(MOST_PARTS, panels // LEAST_PANELS, COUNTED // tiles))
        for parts in (1 << power for power in range(most.bit_length())):
            clocks = _clocks(number, tiles, parts, -(-panels // parts), itemsize, tensor)
            found.append((clocks, number, parts))
    return found


def parts_memory(size: int, parts: int, y: Any) -> Any:
    """Where all blocks leave their sums; any array where the depth is not split."""
    return y if parts == 1 else backend_for("cuda").xp.empty(size, y.dtype)


@launches
def matmul(x: Any, w: Any, *, precision: str | None = None, out: Any = None) -> Any:
    return _matmul(x, w, (w.shape, w.strides), None, precision, out, None)


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
    if weight.ndim != 2:
        return NotImplemented
    if bias is not None and (bias.dtype != x.dtype or bias.shape != weight.shape[:1]):
        return NotImplemented
    transposed = (weight.shape[::-1], weight.strides[::-1])
    return _matmul(x, weight, transposed, bias, precision, out, activation)


def _matmul(
    x: Any,
    w: Any,
    w_where: Where,
    bias: Any,
    precision: str | None,
    out: Any,
    activation: Activation,
) -> Any:
    """f(x (..., m, k) @ w (..., k, n) + bias), either of them without its m or n."""
    kind, shape = x.dtype, _shape(x.shape, w_where[0])
    name, slope = activation or ("", 1.0)
    if kind not in FLOATS or w.dtype != kind or shape is None or (name and name not in ACTIVATIONS):
        return NotImplemented
    if out is not None and (out.dtype != kind or out.shape != shape):
        return NotImplemented
    xp, tensor = backend_for("cuda").xp, on_tensor_cores(kind, precision)
    y = xp.empty(shape, kind) if out is None else out
    bias_step = 0 if bias is None else bias.strides[0]
    y_where = (shape, y.strides)
    plan = _plan((x.shape, x.strides), w_where, y_where, bias_step, kind.itemsize, tensor)
    if plan is None:  # batches that broadcast unevenly, perhaps
        lead = np.broadcast_shapes(x.shape[:-2], w_where[0][:-2])
        if x.ndim > 2:
            x = contiguous(xp.broadcast_to(x, (*lead, *x.shape[-2:])))
        if w.ndim > 2:
            w = contiguous(xp.broadcast_to(w, (*lead, *w.shape[-2:])))
            w_where = (w.shape, w.strides)
        plan = _plan((x.shape, x.strides), w_where, y_where, bias_step, kind.itemsize, tensor)
    if plan is None:
        return NotImplemented
    tile = TILES[plan.tile]
    blocks = math.prod(plan.grid)
    PRODUCT[kind, plan.tile, tensor](
        plan.grid,
        (tile.threads,),
        (
            *((w, x) if plan.transposed else (x, w)),
            *(y, y if bias is None else bias, np.int32(bias is not None)),
            *(np.int32(ACTIVATIONS.get(name, 0)), kind.type(slope), plan.layout),
            parts_memory(blocks * tile.rows * tile.columns, plan.parts, y),
        ),
    )
    return y


class _Plan(NamedTuple):
    """A launch: what is known without its arrays."""

    layout: np.ndarray
    grid: tuple[int, int, int]
    tile: int
    parts: int
    transposed: bool  # w^T x^T is computed


@lru_cache(maxsize=1024)
def _shape(x: Steps, w: Steps) -> Steps | None:
    """The shape of a product, None if there is none or it is empty."""
    if not x or not w or x[-1] != w[max(len(w) - 2, 0)] or 0 in x or 0 in w:
        return None
    try:
        lead = np.broadcast_shapes(x[:-2], w[:-2])
    except ValueError:
        return None
    return (*lead, *x[-2:-1], *w[-1:][: len(w) - 1])


@lru_cache(maxsize=1024)
def _plan(x: Where, w: Where, y: Where, bias_step: int, itemsize: int, tensor: int) -> _Plan | None:
    """For arrays by their shapes and their steps in bytes.

    None if their batches are uneven, or a matrix is longer than an offset of 32 bits.
    """
    row, column = len(x[0]) > 1, len(w[0]) > 1
    k, m, n = x[0][-1], x[0][-2] if row else 1, w[0][-1] if column else 1
    matrices: list[Any] = [  # steps by row and column; dimensions of a batch
        ((x[1][-2] if row else 0, x[1][-1]), _front(x, 2)),
        ((w[1][-2], w[1][-1]) if column else (w[1][-1], 0), _front(w, 2)),
        ((y[1][-1 - column] if row else 0, y[1][-1] if column else 0), _front(y, row + column)),
    ]
    lead = matrices[2][1][0]
    batch, rows = math.prod(lead), None
    if len(w[0]) <= 2 and row:  # perhaps one product instead of a batch of them
        fronts = [_front(x, 1), _front(y, column)]
        rows = [_step(front, (*lead, m)) for front in fronts]
    if rows is not None and None not in rows:
        batches: list[Any] = [0, 0, 0]
        (a, b, c), batch, m = [steps for steps, _ in matrices], 1, batch * m
        a, c = (rows[0], a[1]), (rows[1], c[1])
    else:
        batches = [_step(front, lead) for _, front in matrices]
        a, b, c = [steps for steps, _ in matrices]
    if None in batches:
        return None
    bias = (0, bias_step)
    transposed = m <= FEW < n  # so that it has few columns
    if transposed:
        m, n = n, m
        a, b, c, bias = b[::-1], a[::-1], c[::-1], bias[::-1]
        batches[:2] = batches[1::-1]
    number, parts = tiling(batch, m, n, k, itemsize, tensor)
    tile = TILES[number]
    grid = (-(-m // tile.rows), -(-n // tile.columns), batch * parts)
    ends = [(m - 1) * abs(a[0]) + (k - 1) * abs(a[1]), (k - 1) * abs(b[0]) + (n - 1) * abs(b[1])]
    if max(grid[1:]) > MOST_BLOCKS or max(m, n, k, *(end // itemsize for end in ends)) >= 1 << 31:
        return None
    layout = np.zeros((), LAYOUT)
    for name, steps in zip("xwy", zip(batches, (a, b, c), strict=True), strict=True):
        layout[name] = [s // itemsize for s in (steps[0], *steps[1])]
    layout["bias"] = [s // itemsize for s in bias]
    layout["sizes"] = (m, k, n, parts)
    return _Plan(by_value(layout), grid, number, parts, transposed)


def _front(x: Where, inner: int) -> Where:
    """Without its last dimensions."""
    return x[0][: max(len(x[0]) - inner, 0)], x[1][: max(len(x[0]) - inner, 0)]


def _step(x: Where, sizes: Steps) -> int | None:
    """The step of all dimensions, broadcast to `sizes`, as one; None if they are uneven."""
    missing = len(sizes) - len(x[0])
    step, length = 0, 1
    for size, own, stride in reversed(
        list(zip(sizes, (*[1] * missing, *x[0]), (*[0] * missing, *x[1]), strict=True))
    ):
        if size == 1:
            continue
        stride = stride if own == size else 0
        if length == 1:
            step = stride
        elif stride != step * length:
            return None
        length *= size
    return step
