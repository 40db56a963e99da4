"""The convolution trio: what `tinygan.ops.conv_trio` defines, as products that read images."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.product import (
    ACTIVATIONS,
    MOST_BLOCKS,
    TILES,
    Activation,
    kernels,
    on_tensor_cores,
    parts_memory,
    tiling,
)
from tinygan.backend.cuda.source import FLOATS
from tinygan.backend.kernels import launches

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
Steps = tuple[int, ...]

SMALL = 1 << 12  # weights that are read as they lie, rather than laid out by a launch before
FEW = 64  # positions in an image for which tiles take the same one of all images

CONVOLUTION = kernels("convolution.cu", "convolution")
WEIGHT_GRADIENT = kernels("convolution.cu", "weight_gradient")

GEOMETRY = np.dtype(  # the same as Geometry in windows.cuh
    [
        *((name, np.int32, count) for name, count in (("x", 4), ("w", 5), ("y", 4))),
        *((name, np.int32, 2) for name in ("x_size", "y_size", "kernel")),
        *((name, np.int32, 2) for name in ("stride", "padding", "dilation")),
        *((name, np.int32) for name in ("images", "groups", "read", "written")),
        *((name, np.int32) for name in ("transposed", "images_first")),
    ]
)


class _Static(NamedTuple):
    """How the windows of a convolution lie."""

    stride: Pair
    start: Pair  # the padding above and on the left
    dilation: Pair
    groups: int


@launches
def conv2d(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    height, width = ((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    static = _Static(stride, (padding[0][0], padding[1][0]), dilation, groups)
    shape = (x.shape[0], w.shape[0], height, width)
    return _convolved(x, w, bias, shape, static, False, out, activation)


@launches
def conv2d_input_grad(
    g: Any,
    w: Any,
    bias: Any = None,
    *,
    size: Pair,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    static = _Static(stride, (padding[0][0], padding[1][0]), dilation, groups)
    shape = (g.shape[0], w.shape[1] * groups, *size)
    return _convolved(g, w, bias, shape, static, True, out, activation)


@launches
def conv2d_weight_grad(
    x: Any,
    g: Any,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    out: Any = None,
) -> Any:
    static = _Static(stride, (padding[0][0], padding[1][0]), dilation, groups)
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    if not _suit(shape, out, x, g):
        return NotImplemented
    w = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    steps = _weight_steps(w, groups, False)
    tensor = on_tensor_cores(x.dtype)
    plan = _plan("weights", _where(x), (shape, steps), _where(g), static, x.itemsize, tensor)
    if plan is None:
        return NotImplemented
    arguments = (x, g, w, plan.geometry, plan.sums(w), np.int32(plan.parts))
    launch = WEIGHT_GRADIENT[tensor][x.dtype, plan.tile, tensor]
    launch(plan.grid, (TILES[plan.tile].threads,), arguments)
    return w


def _convolved(
    x: Any,
    w: Any,
    bias: Any,
    shape: tuple[int, ...],
    static: _Static,
    transposed: bool,
    out: Any,
    activation: Activation,
) -> Any:
    """The images of `shape` that a convolution, or a transposed one, makes of x."""
    name, slope = activation or ("", 1.0)
    if not _suit(shape, out, x, w, bias) or (name and name not in ACTIVATIONS):
        return NotImplemented
    xp, kind = backend_for("cuda").xp, x.dtype
    n, channels, *size = shape
    y = xp.empty((n, *size, channels), kind).transpose(0, 3, 1, 2) if out is None else out
    steps = _weight_steps(w, static.groups, transposed)
    read = w
    if steps[1] != kind.itemsize and w.size > SMALL:
        read, steps = _laid_out(w, static.groups, transposed)
    what = "transposed" if transposed else "forward"
    tensor = on_tensor_cores(kind)
    plan = _plan(what, _where(x), (w.shape, steps), _where(y), static, kind.itemsize, tensor)
    if plan is None:
        return NotImplemented
    arguments = (
        *(x, read, y, y if bias is None else xp.ascontiguousarray(bias)),
        *(np.int32(bias is not None), np.int32(ACTIVATIONS.get(name, 0)), kind.type(slope)),
        *(plan.geometry, plan.sums(y), np.int32(plan.parts)),
    )
    launch = CONVOLUTION[tensor][kind, plan.tile, tensor]
    launch(plan.grid, (TILES[plan.tile].threads,), arguments)
    return y


def _suit(shape: tuple[int, ...], out: Any, *arrays: Any) -> bool:
    kind = arrays[0].dtype
    return (
        kind in FLOATS
        and all(a is None or (a.dtype == kind and a.size) for a in arrays)
        and min(shape) > 0
        and (out is None or (out.dtype == kind and out.shape == shape))
    )


def _where(x: Any) -> tuple[Steps, Steps]:
    return x.shape, x.strides


def _weight_steps(w: Any, groups: int, transposed: bool) -> Steps:
    """Steps in bytes by group, channel that is written, channel that is read, row, column."""
    o, c, row, column = w.strides
    group = w.shape[0] // groups * o
    return (group, c, o, row, column) if transposed else (group, o, c, row, column)


def _laid_out(w: Any, groups: int, transposed: bool) -> tuple[Any, Steps]:
    """Weights with the channels that are written side by side, and their steps."""
    o, c, height, width = w.shape
    order = (0, 3, 4, 1, 2) if transposed else (0, 3, 4, 2, 1)
    w = w.reshape(groups, o // groups, c, height, width).transpose(order)
    w = backend_for("cuda").xp.ascontiguousarray(w)
    group, row, column, read, written = w.strides
    return w, (group, written, read, row, column)


class _Plan(NamedTuple):
    """A launch: what is known without its arrays."""

    geometry: np.ndarray
    grid: tuple[int, int, int]
    tile: int
    parts: int

    def sums(self, y: Any) -> Any:
        return parts_memory(TILES[self.tile], math.prod(self.grid), self.parts, y)


@lru_cache(maxsize=1024)
def _plan(
    what: str,
    x: tuple[Steps, Steps],
    w: tuple[Steps, Steps],
    y: tuple[Steps, Steps],
    static: _Static,
    itemsize: int,
    tensor: int,
) -> _Plan | None:
    """For a convolution of x that gives y, one of them perhaps for gradients; None if too large."""
    (n, c, *x_size), kernel, y_size = x[0], w[0][2:], y[0][2:]
    groups, transposed = static.groups, what == "transposed"
    read, written = c // groups, y[0][1] // groups
    offsets = [sum((m - 1) * abs(s) for m, s in zip(*a, strict=True)) for a in (x, y)]
    if max(*offsets, math.prod(w[0]) * itemsize) // itemsize >= 1 << 31:
        return None
    phases, positions, meets = 1, list(y_size), list(kernel)
    if transposed:
        for i, (stride, dilation) in enumerate(zip(static.stride, static.dilation, strict=True)):
            phases *= min(stride, y_size[i])
            positions[i] = -(-y_size[i] // stride)
            meets[i] = -(-kernel[i] * math.gcd(stride, dilation) // stride)
    few = math.prod(positions) <= FEW
    if few and what != "weights":  # most of the taps may meet padding only
        meets = [min(a, b) for a, b in zip(meets, x_size, strict=True)]
    m, k = n * math.prod(positions), read * math.prod(meets)
    if what == "weights":
        m, k = read * math.prod(kernel), m
    number, parts = tiling(phases * groups, m, written, k, itemsize, tensor)
    tile = TILES[number]
    grid = (-(-m // tile.rows), -(-written // tile.columns), phases * groups * parts)
    if max(grid[1:]) > MOST_BLOCKS:
        return None
    steps = [tuple(s // itemsize for s in a[1]) for a in (x, w, y)]
    numbers = (n, groups, read, written, transposed, few)
    values = (*steps, x_size, y_size, kernel, *static[:3], *numbers)
    geometry = np.zeros((), GEOMETRY)
    for name, value in zip(GEOMETRY.names or (), values, strict=True):
        geometry[name] = value
    return _Plan(geometry, grid, number, parts)
