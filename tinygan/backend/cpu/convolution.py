"""The convolution trio: what `tinygan.ops.conv_trio` defines, by compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import (
    depthwise,
    gather,
    outer,
    plans,
    threads,
    weights,
    winograd,
    winograd_plans,
    winograd_weights,
)
from tinygan.backend.cpu.copy import copy, fits, ordered
from tinygan.backend.cpu.epilogue import Activation, epilogue
from tinygan.backend.cpu.memory import address, aligned, image_place, scratch
from tinygan.backend.cpu.rounding import rounded
from tinygan.backend.kernels import launches

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
PARALLEL = 1 << 19  # multiplications from which waking other threads costs less than it brings
LARGE_PACK = 1 << 15  # the same for weights to be laid out
FILLED = 0.8  # of the squares, from where the gradient by the weights gains by them
RUN = 64  # numbers side by side from which vectors are worth their beginning and end
KERNELS = {plans.SUMS: gather.gather, plans.DOTS: gather.dots, plans.DEPTHS: depthwise.depths}


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
    work = x.shape[0] * height * width * w.size
    if not work or min(height, width) < 1 or not _suit(x, w, bias, out):
        return NotImplemented
    x, w = rounded(x, precision), rounded(w, precision)
    image = _channels_last(x)
    tables = plans.forward(
        image.shape, w.shape, (height, width), stride, _start(padding), dilation, groups, x.dtype
    )
    shape = (x.shape[0], height, width, w.shape[0])
    squares = None
    if winograd_plans.suits(
        w.shape, stride, dilation, groups, x.shape[0], (height, width), x.dtype
    ):
        squares = winograd_plans.tables(image.shape, w.shape, shape, _start(padding), False)
    return _gather(tables, squares, image, w, bias, shape, work, out, activation)


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
    work = g.shape[0] * g.shape[2] * g.shape[3] * w.size
    if not work or min(size) < 1 or not _suit(g, w, bias, out):
        return NotImplemented
    g, w = rounded(g, precision), rounded(w, precision)
    image = _channels_last(g)
    tables = plans.backward(
        image.shape, w.shape, size, stride, _start(padding), dilation, groups, g.dtype
    )
    shape = (g.shape[0], *size, w.shape[1] * groups)
    squares = None
    if winograd_plans.suits(w.shape, stride, dilation, groups, *_pixels(g), g.dtype):
        squares = winograd_plans.tables(image.shape, w.shape, shape, _start(padding), True)
    return _gather(tables, squares, image, w, bias, shape, work, out, activation)


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
    o, c = g.shape[1], x.shape[1] // groups
    work = g.size * c * kernel[0] * kernel[1]
    if not work or not _suit(x, g, out):
        return NotImplemented
    x, g = rounded(x, precision), rounded(g, precision)
    image, right, exchanged = _channels_last(x), _channels_last(g), False
    kind = x.dtype
    number = threads.get_num_threads() if work > PARALLEL else 1
    result = np.empty((o, c, *kernel), kind) if out is None else out
    if not result.flags.c_contiguous:
        result = scratch(result.shape, kind)
    if groups > 1 and c == 1 and o == groups:
        depth = depthwise.tables(
            image.shape, right.shape, kernel, stride, _start(padding), dilation, kind
        )
        sums = aligned(depth.sums, kind)
        memory = outer.Memory(*image_place(image), *image_place(right), 0)
        arguments = (depth.plan, memory, depth.taps, sums)
        threads.run(depthwise.depth_outer, depth.chunks, arguments, number)
        return _unpack(depth, sums, result, out)
    if o < min(c, plans.lanes_of(kind) // 2) and groups == 1 and stride == dilation == (1, 1):
        # with the sides exchanged the channels that are more fill the lanes; the taps are mirrored
        padding = tuple(  # type: ignore[assignment]
            (k - 1 - a, k - 1 - b) for k, (a, b) in zip(kernel, padding, strict=True)
        )
        image, right, exchanged = right, image, True
    tables = outer.tables(
        image.shape, right.shape, kernel, stride, _start(padding), dilation, groups, exchanged,
        kind,
    )  # fmt: skip
    wanted = 0
    how = stride, dilation, groups, *_pixels(g), kind
    if winograd_plans.suits(result.shape, *how, filled=FILLED):
        squares = winograd_plans.gradient_tables(image.shape, right.shape, _start(padding))
        spoilt = winograd_weights.gradient(squares, image, right, result, number)
        wanted = address(spoilt)  # which lives until the last launch
    memory = outer.Memory(*image_place(image), *image_place(right), wanted)
    sums = aligned(tables.sums, kind)
    threads.run(
        outer.outer,
        tables.chunks,
        (tables.plan, memory, tables.groups, tables.parts, sums, tables.zeros),
        number,
    )
    return _unpack(tables, sums, result, out, wanted)


def _unpack(
    tables: outer.Tables | depthwise.Tables,
    sums: np.ndarray,
    result: np.ndarray,
    out: Any,
    wanted: int = 0,
) -> Any:
    """The weights, in `result`, from their sums."""
    number = threads.get_num_threads() if sums.size > LARGE_PACK else 1
    arguments = (tables.plan, sums, tables.rows, result.reshape(-1), wanted)
    threads.run(weights.unpack, tables.unpack_chunks, arguments, number)
    return _delivered(result, out)


def _gather(
    tables: plans.Tables,
    squares: winograd_plans.Tables | None,
    image: np.ndarray,
    w: Any,
    bias: Any,
    shape: tuple[int, ...],
    work: int,
    out: Any,
    activation: Activation,
) -> Any:
    """The images of `shape` (N, H, W, C) that the tables describe, as N C H W."""
    after = epilogue(activation)
    if after is None:
        return NotImplemented
    relu, slope, function = int(after.relu), after.slope, after.function
    plan, kind = tables.plan, image.dtype
    number = threads.get_num_threads() if work > PARALLEL else 1
    target = np.empty(shape, kind) if out is None else out.transpose(0, 2, 3, 1)
    if target.strides[3] != kind.itemsize and shape[3] > 1:
        target = scratch(shape, kind)
    apart = function is not None and (squares is not None or not _in_runs(plan, target))
    w = ordered(w, (0, 1, 2, 3))
    bias = None if bias is None else ordered(bias, (0,))
    wanted = 0
    if squares is not None:
        spoilt = winograd.results(squares, image, target, w, bias, slope, relu, number)
        wanted = address(spoilt)  # which lives until the last launch
    packed = aligned((plan.groups * tables.rows * plan.packed,), kind)
    start = scratch(plan.groups * plan.packed, kind)
    given = (address(w), 0 if bias is None else address(bias))
    if plan.mode == plans.DOTS:
        more = (plan, tables.steps, tables.phases, tables.sources, *given, packed, start)
        threads.run(weights.pack_dots, len(tables.phases) * plan.groups, more, 1)
    else:
        arguments = (plan, tables.steps, tables.places, *given, packed, start, wanted)
        several = number if packed.size > LARGE_PACK else 1
        threads.run(weights.pack, tables.pack_chunks, arguments, several)
    memory = gather.Memory(
        *image_place(image), *image_place(target),
        address(packed), packed.nbytes // plan.groups, address(start), wanted,
    )  # fmt: skip
    threads.run(
        KERNELS[plan.mode],
        tables.chunks,
        (plan, memory, tables.taps, tables.phases, tables.zeros, slope, relu,
         0 if apart else after.address(kind)),
        number,
    )  # fmt: skip
    if function is not None and apart:
        function(target, out=target)
    return _delivered(target.transpose(0, 3, 1, 2), out)


def _in_runs(plan: plans.Plan, target: np.ndarray) -> bool:
    """Whether a chunk writes runs that are long enough for a function to pass over them."""
    if min(plan.panel, plan.columns) >= RUN:
        return True
    dense = target.strides[2] == plan.columns * target.itemsize
    return dense and plan.out_step_w == 1 and target.shape[2] * plan.columns >= RUN


def _delivered(result: np.ndarray, out: Any) -> Any:
    if out is None:
        return result
    if address(out) != address(result):
        copy(result, out)
    return out


def _pixels(g: Any) -> tuple[int, Pair]:
    """How many images, and of what size."""
    return g.shape[0], g.shape[2:]


def _start(padding: Pads) -> Pair:
    return padding[0][0], padding[1][0]


def _suit(*arrays: Any) -> bool:
    kind = arrays[0].dtype
    return kind in FLOATS and all(
        a is None or (a.dtype == kind and a.flags.aligned and fits(a)) for a in arrays
    )


def _channels_last(x: Any) -> np.ndarray:
    """(N, H, W, C) with the numbers of a pixel side by side; a view where x allows it."""
    image: np.ndarray = x.transpose(0, 2, 3, 1)
    _, _, columns, channels = image.shape
    few = channels <= plans.lanes_of(x.dtype) // 2  # so that taps side by side are one run
    if (channels == 1 or image.strides[3] == image.itemsize) and (
        not few or columns == 1 or image.strides[2] == channels * image.itemsize
    ):
        return image
    return ordered(x, (0, 2, 3, 1)).transpose(0, 2, 3, 1)
