"""Winograd's minimal filtering, F(2, 2) along rows and columns, as LLVM vector code.

Two neighbouring sums y of two products each, over three numbers d and two weights g, take three
multiplications instead of four:

    y0 = d0 g0 + d1 g1      m = (d0 - d1) g0, d1 (g0 + g1), (d2 - d1) g1
    y1 = d1 g0 + d2 g1      y = m0 + m1, m1 + m2

In two dimensions a window of 3 x 3 pixels and a kernel of 2 x 2 give 2 x 2 sums with 9 products in
place of 16. The same holds for the gradient by the kernel, with the outer gradients as weights. A
vector here has one number of each of so many channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import generated
from tinygan.backend.cpu.emit import word
from tinygan.backend.cpu.tiles import (
    ROWS,
    WIDE,
    activated,
    addresses,
    constant,
    literals,
    writer,
)

Vectors = list[Any]

POSITIONS = 9
TAPS = 16  # of a kernel of 4 x 4, which steps of 2 divide into four of 2 x 2


def _pixels(builder: Any, d: Vectors) -> Vectors:
    return [builder.fsub(d[0], d[1]), d[1], builder.fsub(d[2], d[1])]


def _weights(builder: Any, g: Vectors) -> Vectors:
    return [g[0], builder.fadd(g[0], g[1]), g[1]]


def _results(builder: Any, m: Vectors) -> Vectors:
    return [builder.fadd(m[0], m[1]), builder.fadd(m[1], m[2])]


def _twice(builder: Any, change: Callable[[Any, Vectors], Vectors], vectors: Vectors) -> Vectors:
    """A change along the rows and then along the columns of a square."""
    size = round(len(vectors) ** 0.5)
    rows = [change(builder, vectors[i * size : i * size + size]) for i in range(size)]
    columns = [change(builder, list(column)) for column in zip(*rows, strict=True)]
    return [value for row in zip(*columns, strict=True) for value in row]


def _kernel_taps(mirrored: int) -> list[list[int]]:
    """For each of the four kernels of 2 x 2 in one of 4 x 4, where its taps are."""
    order = (2, 0) if mirrored else (0, 2)
    return [[(a + i) * 4 + b + j for i in order for j in order] for a in (0, 1) for b in (0, 1)]


@generated
def spread_tile(
    context: Any, size: Any, like: Any, vectors: Any, pixels: Any, offset: Any, target: Any,
    step: Any, position_step: Any,
) -> Any:  # fmt: skip
    """target[position, k] = the k-th vectors of size x size pixels as factors of the 9 products.

    A window has the size 3, outer gradients 2. `pixels` is the address of their addresses, to each
    of which `offset` is added; the steps count numbers.
    """
    constants = literals(size)
    if constants is None:
        return None
    count = constants[0] ** 2
    change = _pixels if constants[0] == 3 else _weights

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, vectors, pixels, offset, target, step, position_step = arguments
        write = writer(builder, signature.args[1])
        places = [write.at(place, offset) for place in addresses(write, pixels, word(0), count)]
        target = write.floats(target)
        starts = [write.at(target, builder.mul(position_step, word(p))) for p in range(POSITIONS)]

        def over_vectors(k: Any, values: Vectors) -> Vectors:
            first, to = builder.mul(k, word(write.lanes)), builder.mul(k, step)
            factors = _twice(builder, change, [write.load(write.at(p, first)) for p in places])
            for start, factor in zip(starts, factors, strict=True):
                write.store(factor, write.at(start, to))
            return []

        write.repeat(vectors, [], over_vectors)
        return context.get_dummy_value()

    return types.void(size, like, *[types.intp] * 6), generate


@generated
def sums_tile(
    context: Any, like: Any, depth: Any, factors: Any, pitch: Any, weights: Any, sums: Any
) -> Any:  # fmt: skip
    """sums[i] = sum over k < depth of factors[i * pitch + k] weights[k], for ROWS rows.

    Sums and weights are WIDE vectors each.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, depth, factors, pitch, weights, sums = arguments
        write = writer(builder, signature.args[0])
        factors, weights, sums = write.floats(factors), write.floats(weights), write.floats(sums)
        lines = [write.at(factors, builder.mul(pitch, word(i))) for i in range(ROWS)]

        def over_depth(k: Any, values: Vectors) -> Vectors:
            line = write.at(weights, builder.mul(k, word(WIDE * write.lanes)))
            right = [write.load(line, j * write.lanes) for j in range(WIDE)]
            result = []
            for i in range(ROWS):
                left = write.broadcast(lines[i], k)
                for j in range(WIDE):
                    result.append(write.multiply_add(left, right[j], values[i * WIDE + j]))
            return result

        zeros = [constant(write, 0.0)] * (ROWS * WIDE)
        for i, value in enumerate(write.repeat(depth, zeros, over_depth)):
            write.store(value, sums, i * write.lanes)
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 5), generate


@generated
def result_tile(
    context: Any, like: Any, vectors: Any, sums: Any, position_step: Any, bias: Any, outputs: Any,
    slope: Any, relu: Any,
) -> Any:  # fmt: skip
    """Write 2 x 2 results, from the sums at 9 positions; not zero if one of those is not finite.

    `outputs` is the address of 4 addresses. The bias is added, and then the activation applied.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, vectors, sums, position_step, bias, outputs, slope, relu = arguments
        write = writer(builder, signature.args[0])
        places = addresses(write, outputs, word(0), 4)
        sums, bias = write.floats(sums), write.floats(bias)
        starts = [write.at(sums, builder.mul(position_step, word(p))) for p in range(POSITIONS)]

        def over_vectors(k: Any, values: Vectors) -> Vectors:
            first = builder.mul(k, word(write.lanes))
            factors = [write.load(write.at(start, first)) for start in starts]
            results = _twice(builder, _results, factors)
            checked = _checked(write, values[0], results)
            shift = write.load(write.at(bias, first))
            results = [builder.fadd(result, shift) for result in results]
            for place, result in zip(places, activated(write, results, slope, relu), strict=True):
                write.store(result, write.at(place, first))
            return [checked]

        (checked,) = write.repeat(vectors, [constant(write, 0.0)], over_vectors)
        return _spoilt(write, checked)

    return types.intp(like, *[types.intp] * 5, types.float64, types.intp), generate


def _checked(write: Any, checked: Any, results: Vectors) -> Any:
    """Zeros that become NaN where a result is not finite."""
    for result in results:
        checked = write.multiply_add(result, constant(write, 0.0), checked)
    return checked


def _spoilt(write: Any, checked: Any) -> Any:
    builder = write.builder
    bits = builder.bitcast(builder.fcmp_unordered("uno", checked, checked), ir.IntType(write.lanes))
    return builder.zext(bits, ir.IntType(64))


@generated
def weight_tile(
    context: Any, mirrored: Any, like: Any, source: Any, line_step: Any, target: Any,
    kernel_step: Any, position_step: Any,
) -> Any:  # fmt: skip
    """The factors of 9 products for each of four kernels of 2 x 2.

    A lane is a kernel of 4 x 4, of numbers side by side; the steps count numbers. `mirrored` is
    for kernels whose taps meet the pixels in the opposite order.
    """
    constants = literals(mirrored)
    if constants is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, source, line_step, target, kernel_step, position_step = arguments
        write = writer(builder, signature.args[1])
        source, target = write.floats(source), write.floats(target)
        lines = [write.at(source, builder.mul(line_step, word(i))) for i in range(write.lanes)]
        taps: Vectors = []
        for first in range(0, TAPS, write.lanes):
            taps += write.transposed([write.load(line, first) for line in lines])
        for q, places in enumerate(_kernel_taps(constants[0])):
            start = write.at(target, builder.mul(kernel_step, word(q)))
            factors = _twice(builder, _weights, [taps[place] for place in places])
            for p, factor in enumerate(factors):
                write.store(factor, write.at(start, builder.mul(position_step, word(p))))
        return context.get_dummy_value()

    return types.void(mirrored, like, *[types.intp] * 5), generate


@generated
def gradient_tile(
    context: Any, like: Any, sums: Any, splits: Any, split_step: Any, kernel_step: Any,
    position_step: Any, target: Any, line_step: Any,
) -> Any:  # fmt: skip
    """Kernels of 4 x 4 from the sums at 9 positions of each of four kernels of 2 x 2.

    A lane becomes a kernel; splits are added up. Not zero if a number is not finite.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, sums, splits, split_step, kernel_step, position_step, target, line_step = arguments
        write = writer(builder, signature.args[0])
        sums, target = write.floats(sums), write.floats(target)
        taps: Vectors = [None] * TAPS
        checked = constant(write, 0.0)
        for q, places in enumerate(_kernel_taps(0)):
            start = write.at(sums, builder.mul(kernel_step, word(q)))
            starts = [
                write.at(start, builder.mul(position_step, word(p))) for p in range(POSITIONS)
            ]

            def over_splits(i: Any, values: Vectors, starts: Vectors = starts) -> Vectors:
                place = builder.mul(i, split_step)
                more = [write.load(write.at(start, place)) for start in starts]
                return [builder.fadd(a, b) for a, b in zip(values, more, strict=True)]

            zeros = [constant(write, -0.0)] * POSITIONS
            results = _twice(builder, _results, write.repeat(splits, zeros, over_splits))
            checked = _checked(write, checked, results)
            for place, result in zip(places, results, strict=True):
                taps[place] = result
        for first in range(0, TAPS, write.lanes):
            lines = write.transposed(taps[first : first + write.lanes])
            for i, line in enumerate(lines):
                write.store(line, write.at(target, builder.mul(line_step, word(i))), first)
        return _spoilt(write, checked)

    return types.intp(like, *[types.intp] * 7), generate
