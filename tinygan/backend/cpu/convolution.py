"""The convolution trio on float32: what `tinygan.ops.conv_trio` defines, by compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cpu import fold, gather, outer, plans, threads
from tinygan.backend.cpu.compile import LANES
from tinygan.backend.cpu.memory import address

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]

FLOAT = np.dtype(np.float32)
SMALL = 1 << 15  # multiplications that are not worth a compiler
PARALLEL = 1 << 21  # multiplications from which waking other threads costs less than it brings
LARGE_PACK = 1 << 16  # the same for weights to be laid out


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
) -> Any:
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    height, width = ((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    work = x.shape[0] * height * width * w.size
    if groups != 1 or work < SMALL or min(height, width) < 1 or not _suit(x, w, bias):
        return NotImplemented
    image, merged = _image(x, w.shape, padding, dilation)
    tables = plans.forward(
        image.shape, w.shape, (height, width), stride, _start(padding), dilation, merged
    )
    return _gather(tables, image, w, bias, (x.shape[0], height, width, w.shape[0]), work, out)


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
) -> Any:
    work = g.shape[0] * g.shape[2] * g.shape[3] * w.size
    if groups != 1 or work < SMALL or min(size) < 1 or not _suit(g, w, bias):
        return NotImplemented
    image = _channels_last(g)
    taps = w.shape[2] * w.shape[3]
    tables = None
    if w.shape[1] > LANES // 4:
        tables = plans.backward(image.shape, w.shape, size, stride, _start(padding), dilation)
    if tables is None or tables.visits > 2 * g.shape[2] * g.shape[3] * taps:
        return _fold(image, w, bias, size, stride, _start(padding), dilation, work, out)
    return _gather(tables, image, w, bias, (g.shape[0], *size, w.shape[1]), work, out)


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
    o, c = g.shape[1], x.shape[1]
    if o < LANES // 4 <= c and groups == 1 and stride == dilation == (1, 1):
        last, (rows, columns) = (kernel[0] - 1, kernel[1] - 1), padding
        mirrored = (
            (last[0] - rows[0], last[0] - rows[1]),
            (last[1] - columns[0], last[1] - columns[1]),
        )
        if min(map(min, mirrored)) >= 0:  # exchanged, the many channels are in the lanes
            swapped = conv2d_weight_grad(
                g, x, kernel=kernel, stride=stride, padding=mirrored, dilation=dilation, groups=1
            )
            if swapped is NotImplemented:
                return swapped
            return _delivered(np.ascontiguousarray(swapped[..., ::-1, ::-1].swapaxes(0, 1)), out)
    shape = (o, c, *kernel)
    work = g.size * c * kernel[0] * kernel[1]
    if groups != 1 or work < SMALL or o < LANES // 4 or not _suit(x, g):
        return NotImplemented
    image, merged = _image(x, shape, padding, dilation)
    right = np.ascontiguousarray(g.transpose(0, 2, 3, 1))
    tables = outer.tables(
        image.shape, right.shape, kernel, stride, _start(padding), dilation, merged
    )
    plan = tables.plan
    zeros = np.zeros(plan.run, FLOAT)
    memory = outer.Memory(*_place(image), address(right), address(zeros))
    sums = np.empty((plan.splits, len(tables.targets), -(-o // LANES) * LANES), FLOAT)
    number = threads.get_num_threads() if work > PARALLEL else 1
    threads.run(outer.outer, tables.chunks, (plan, memory, tables.taps, sums), number)
    result = out if out is not None and _in_order(out) else np.empty(shape, FLOAT)
    number = number if result.size > LARGE_PACK else 1
    threads.run(outer.unpack, o, (sums, tables.targets, result.reshape(o, -1)), number)
    return _delivered(result, out)


def _gather(
    tables: plans.Tables,
    image: np.ndarray,
    w: Any,
    bias: Any,
    shape: tuple[int, ...],
    work: int,
    out: Any,
) -> Any:
    """The images of `shape` (N, H, W, C) that the tables describe, as N C H W."""
    plan, columns = tables.plan, tables.packed_columns
    number = threads.get_num_threads() if work > PARALLEL else 1
    packed = np.empty(len(tables.sources) * columns, FLOAT)
    w = np.ascontiguousarray(w).reshape(-1)
    threads.run(
        gather.pack,
        len(tables.taps),
        (plan, tables.phases, tables.sources, tables.column_step, w, packed, columns),
        number if packed.size > LARGE_PACK else 1,
    )
    start = np.zeros(columns, FLOAT)
    if bias is not None:
        start[: plan.columns] = bias
    zeros = np.zeros(plan.run, FLOAT)
    target = None if out is None else out.transpose(0, 2, 3, 1)
    if target is None or target.strides[3] != FLOAT.itemsize or not _suit(target):
        target = np.empty(shape, FLOAT)
    memory = gather.Memory(
        *_place(image), address(packed), address(start), address(zeros), *_place(target)
    )
    threads.run(
        gather.gather, tables.chunks, (plan, memory, tables.taps, tables.phases, columns), number
    )
    return _delivered(target.transpose(0, 3, 1, 2), out)


def _fold(
    image: np.ndarray,
    w: Any,
    bias: Any,
    size: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
    work: int,
    out: Any,
) -> Any:
    """The input gradient by way of columns: a 1 x 1 convolution, then sums."""
    n, height, width, o = image.shape
    c, kh, kw = w.shape[1:]
    one = np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(-1, o, 1, 1)
    tables = plans.forward(
        image.shape, one.shape, (height, width), (1, 1), (0, 0), (1, 1), merged=False
    )
    columns = _gather(tables, image, one, None, (n, height, width, len(one)), work, None)
    columns = columns.transpose(0, 2, 3, 1).reshape(n, -1)
    rows = fold.arrivals(
        size[0], height, kh, stride[0], start[0], dilation[0], width * len(one), kw * c
    )
    across = fold.arrivals(size[1], width, kw, stride[1], start[1], dilation[1], len(one), c)
    target = None if out is None else out.transpose(0, 2, 3, 1)
    if target is None or not _in_order(target):
        target = np.empty((n, *size, c), FLOAT)
    shift = np.zeros(c, FLOAT) if bias is None else np.ascontiguousarray(bias)
    number = threads.get_num_threads() if work > PARALLEL else 1
    threads.run(fold.fold, n, (rows, across, columns, shift, target), number)
    return _delivered(target.transpose(0, 3, 1, 2), out)


def _delivered(result: np.ndarray, out: Any) -> Any:
    if out is None:
        return result
    if address(out) != address(result):
        out[...] = result
    return out


def _start(padding: Pads) -> Pair:
    return padding[0][0], padding[1][0]


def _suit(*arrays: Any) -> bool:
    return all(a is None or (a.dtype == FLOAT and a.flags.aligned) for a in arrays)


def _in_order(out: Any) -> bool:
    return bool(out.flags.c_contiguous and _suit(out))


def _place(image: np.ndarray) -> tuple[int, int, int, int]:
    """The address of an N H W C array, and its steps in bytes from image, row and pixel to next."""
    return address(image), image.strides[0], image.strides[1], image.strides[2]


def _channels_last(x: Any) -> np.ndarray:
    """(N, H, W, C) with the numbers of a pixel side by side; a view where x allows it."""
    image: np.ndarray = x.transpose(0, 2, 3, 1)
    if image.shape[3] == 1 or image.strides[3] == FLOAT.itemsize:
        return image
    return np.ascontiguousarray(image)


def _image(
    x: Any, weight: tuple[int, ...], padding: Pads, dilation: Pair
) -> tuple[np.ndarray, bool]:
    """x as the kernels read it, and whether the taps of a row are merged into one run.

    That pays where pixels have few channels; the image is padded then, by a copy that is small.
    """
    _, c, _, kw = weight
    (top, bottom), (left, right) = padding
    if c > LANES // 2 or kw == 1 or dilation[1] != 1 or min(top, bottom, left, right) < 0:
        return _channels_last(x), False
    n, _, h, w = x.shape
    padded = np.zeros((n, h + top + bottom, w + left + right, c), FLOAT)
    padded[:, top : top + h, left : left + w] = x.transpose(0, 2, 3, 1)
    return padded, True
