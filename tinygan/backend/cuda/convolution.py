"""The convolution trio: what `tinygan.ops.conv_trio` defines, as products that read images."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda import cudnn, geometry
from tinygan.backend.cuda.activations import finished
from tinygan.backend.cuda.copy import contiguous
from tinygan.backend.cuda.geometry import Pair, Static, Steps
from tinygan.backend.cuda.product import ACTIVATIONS, Activation, Tiled, on_tensor_cores
from tinygan.backend.cuda.source import FLOATS, Kernel
from tinygan.backend.kernels import launches

Pads = tuple[Pair, Pair]

SMALL = 1 << 12  # weights that are read as they lie, rather than laid out by a launch before

CONVOLUTION = Tiled("convolution.cu", "convolution")
WEIGHT_GRADIENT = Tiled("convolution.cu", "weight_gradient")
GROUPED = Kernel("grouped.cu", "grouped", FLOATS)
GROUPED_WEIGHT_GRADIENT = Kernel("grouped.cu", "grouped_weight_gradient", FLOATS)


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
    precision: str | None = None,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    height, width = ((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    static = Static(stride, (padding[0][0], padding[1][0]), dilation, groups)
    shape = (x.shape[0], w.shape[0], height, width)
    return _convolved(x, w, bias, shape, static, False, precision, out, activation)


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
    precision: str | None = None,
    out: Any = None,
    activation: Activation = None,
) -> Any:
    static = Static(stride, (padding[0][0], padding[1][0]), dilation, groups)
    shape = (g.shape[0], w.shape[1] * groups, *size)
    return _convolved(g, w, bias, shape, static, True, precision, out, activation)


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
    precision: str | None = None,
    out: Any = None,
) -> Any:
    static = Static(stride, (padding[0][0], padding[1][0]), dilation, groups)
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    if not _suit(shape, out, x, g):
        return NotImplemented
    w = backend_for("cuda").xp.empty(shape, x.dtype) if out is None else out
    steps = _weight_steps(w, groups, False)
    if cudnn.convolved("weights", x, w, g, static, precision):
        return w
    tensor = on_tensor_cores(x.dtype, precision)
    plan = geometry.plan(
        "weights", _where(x), (shape, steps), _where(g), static, x.itemsize, tensor
    )
    if plan is None:
        return NotImplemented
    arguments = (x, g, w, plan.geometry, plan.sums(w), np.int32(plan.parts))
    if plan.tile is None:
        launch = GROUPED_WEIGHT_GRADIENT[x.dtype]
        launch(plan.grid, plan.threads, (*arguments, np.int32(tensor)))
    else:
        WEIGHT_GRADIENT[x.dtype, plan.tile, tensor](plan.grid, plan.threads, arguments)
    return w


def _convolved(
    x: Any,
    w: Any,
    bias: Any,
    shape: tuple[int, ...],
    static: Static,
    transposed: bool,
    precision: str | None,
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
    what, image, output = ("transposed", y, x) if transposed else ("forward", x, y)
    if cudnn.convolved(what, image, w, output, static, precision):
        if bias is not None or name:
            bias = 0.0 if bias is None else bias.reshape(-1, 1, 1)
            finished(y, bias, ACTIVATIONS.get(name, 0), slope, out=y)
        return y
    groups, given, steps = static.groups, w, _weight_steps(w, static.groups, transposed)
    tiles = not geometry.narrow(groups, x.shape[1] // groups, channels // groups)
    if tiles and steps[1] != kind.itemsize and w.size > SMALL:
        given, steps = _laid_out(w, groups, transposed)
    tensor = on_tensor_cores(kind, precision)
    plan = geometry.plan(
        what, _where(x), (w.shape, steps), _where(y), static, kind.itemsize, tensor
    )  # fmt: skip
    if plan is None:
        return NotImplemented
    arguments = (
        *(x, given, y, y if bias is None else _dense(bias)),
        *(np.int32(bias is not None), np.int32(ACTIVATIONS.get(name, 0)), kind.type(slope)),
        plan.geometry,
    )
    if plan.tile is None:
        GROUPED[kind](plan.grid, plan.threads, (*arguments, np.int32(tensor)))
    else:
        launch = CONVOLUTION[kind, plan.tile, tensor]
        launch(plan.grid, plan.threads, (*arguments, plan.sums(y), np.int32(plan.parts)))
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
    w = _dense(w)
    group, row, column, read, written = w.strides
    return w, (group, written, read, row, column)


def _dense(x: Any) -> Any:
    return x if x.flags.c_contiguous else contiguous(x)
