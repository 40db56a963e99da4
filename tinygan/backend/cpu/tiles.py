"""Micro-kernels: small matrix products whose result stays in registers, as LLVM vector code.

Plain loops are not kept in registers by the compiler; these are, and reach the machine's peak of
multiply-adds. Rows and columns of a tile are constants at compile time. Memory is addressed by
number: pointers to pixels are put together by the caller, and point to zeros where there is none.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import LANES, generated
from tinygan.backend.cpu.emit import BYTES, VECTOR, WORD, Writer, word

ROWS = 6  # of a gather tile, and of a dot tile
WIDE = 4 if LANES == 16 else 2  # vectors in the widest gather tile: 32 registers, or 16
OUTER_ROWS = 8 if LANES == 16 else 4


def _literals(*values: Any) -> list[int] | None:
    """The values of arguments that have to be constants, None while they are not."""
    if not all(isinstance(value, types.IntegerLiteral) for value in values):
        return None
    return [value.literal_value for value in values]


@generated
def gather_tile(
    context: Any,
    vectors: Any,
    taps: Any,
    run: Any,
    pointers: Any,
    weights: Any,
    bias: Any,
    outputs: Any,
    columns: Any,
) -> Any:
    """out[i][:] = bias + sum over taps t and k < run of pointers[t][i][k] * weights[t][k][:].

    `pointers` is the address of taps x ROWS addresses, `weights` of taps x run x vectors x LANES
    floats, `outputs` of ROWS addresses; only `columns` floats of a row are written.
    """
    constants = _literals(vectors)
    if constants is None:
        return None
    (width,) = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, taps, run, pointers, weights, bias, outputs, columns = arguments
        write = Writer(builder)
        table = builder.inttoptr(pointers, WORD.as_pointer())
        weights, bias = write.floats(weights), write.floats(bias)
        start = [write.load(bias, j * LANES) for j in range(width)]

        def over_taps(t: Any, sums: list[Any]) -> list[Any]:
            row = write.at(table, builder.mul(t, word(ROWS)))
            pixels = [write.floats(builder.load(write.at(row, i))) for i in range(ROWS)]
            panel = write.at(weights, builder.mul(builder.mul(t, run), word(width * LANES)))

            def over_channels(k: Any, sums: list[Any]) -> list[Any]:
                line = write.at(panel, builder.mul(k, word(width * LANES)))
                right = [write.load(line, j * LANES) for j in range(width)]
                result = []
                for i in range(ROWS):
                    left = write.broadcast(pixels[i], k)
                    for j in range(width):
                        result.append(write.multiply_add(left, right[j], sums[i * width + j]))
                return result

            return write.repeat(run, sums, over_channels)

        sums = write.repeat(taps, start * ROWS, over_taps)
        table = builder.inttoptr(outputs, WORD.as_pointer())
        places = [write.floats(builder.load(write.at(table, i))) for i in range(ROWS)]
        whole = builder.icmp_signed(">=", columns, word(width * LANES))
        with builder.if_else(whole) as (all_of_them, some):
            with all_of_them:
                for i in range(ROWS):
                    for j in range(width):
                        write.store(sums[i * width + j], places[i], j * LANES)
            with some:
                for j in range(width):
                    mask = write.first_lanes(builder.sub(columns, word(j * LANES)))
                    for i in range(ROWS):
                        write.store_first(sums[i * width + j], places[i], j * LANES, mask)
        return context.get_dummy_value()

    return types.void(vectors, *[types.intp] * 7), generate


@generated
def dot_tile(
    context: Any,
    columns: Any,
    taps: Any,
    steps: Any,
    pointers: Any,
    weights: Any,
    bias: Any,
    outputs: Any,
) -> Any:
    """out[i][j] = bias[j] + sum over t, k of pointers[t][i][k] * weights[t][k][j], for few columns.

    The lanes lie along k, of which there are steps x LANES; `weights` holds, for each t and step,
    a vector per column.
    """
    constants = _literals(columns)
    if constants is None:
        return None
    (width,) = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, taps, steps, pointers, weights, bias, outputs = arguments
        write = Writer(builder)
        table = builder.inttoptr(pointers, WORD.as_pointer())
        weights, bias = write.floats(weights), write.floats(bias)
        zeros = ir.Constant(VECTOR, [0.0] * LANES)

        def over_taps(t: Any, sums: list[Any]) -> list[Any]:
            row = write.at(table, builder.mul(t, word(ROWS)))
            pixels = [write.floats(builder.load(write.at(row, i))) for i in range(ROWS)]
            panel = write.at(weights, builder.mul(builder.mul(t, steps), word(width * LANES)))

            def over_channels(k: Any, sums: list[Any]) -> list[Any]:
                line = write.at(panel, builder.mul(k, word(width * LANES)))
                right = [write.load(line, j * LANES) for j in range(width)]
                result = []
                for i in range(ROWS):
                    left = write.load(pixels[i], builder.mul(k, word(LANES)))
                    for j in range(width):
                        result.append(write.multiply_add(left, right[j], sums[i * width + j]))
                return result

            return write.repeat(steps, sums, over_channels)

        sums = write.repeat(taps, [zeros] * (ROWS * width), over_taps)
        table = builder.inttoptr(outputs, WORD.as_pointer())
        for i in range(ROWS):
            place = write.floats(builder.load(write.at(table, i)))
            for j in range(width):
                start = builder.load(write.at(bias, j), align=BYTES)
                total = builder.fadd(start, write.sum(sums[i * width + j]))
                builder.store(total, write.at(place, j), align=BYTES)
        return context.get_dummy_value()

    return types.void(columns, *[types.intp] * 6), generate


@generated
def outer_tile(
    context: Any,
    rows: Any,
    vectors: Any,
    pixels: Any,
    pointers: Any,
    offset: Any,
    right: Any,
    right_step: Any,
    sums: Any,
    sums_step: Any,
    columns: Any,
) -> Any:
    """sums[i][:] += sum over pixels p of pointers[p][offset + i] * right[p][:].

    `right` is an address, `right_step` floats apart are its rows; `columns` of them are read
    where vectors is 1, all LANES x vectors otherwise. `sums` has whole vectors.
    """
    constants = _literals(rows, vectors)
    if constants is None:
        return None
    height, width = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, pixels, pointers, offset, right, right_step, sums, sums_step, columns = arguments
        write = Writer(builder)
        table = builder.inttoptr(pointers, WORD.as_pointer())
        right, sums = write.floats(right), write.floats(sums)
        lines = [write.at(sums, builder.mul(sums_step, word(i))) for i in range(height)]
        start = [write.load(lines[i], j * LANES) for i in range(height) for j in range(width)]
        mask = write.first_lanes(columns) if width == 1 else None

        def over_pixels(p: Any, values: list[Any]) -> list[Any]:
            left = write.at(write.floats(builder.load(write.at(table, p))), offset)
            line = write.at(right, builder.mul(p, right_step))
            if width == 1:
                vectors = [write.load_first(line, 0, mask)]
            else:
                vectors = [write.load(line, j * LANES) for j in range(width)]
            result = []
            for i in range(height):
                factor = write.broadcast(left, i)
                for j in range(width):
                    result.append(write.multiply_add(factor, vectors[j], values[i * width + j]))
            return result

        values = write.repeat(pixels, start, over_pixels)
        for i in range(height):
            for j in range(width):
                write.store(values[i * width + j], lines[i], j * LANES)
        return context.get_dummy_value()

    return types.void(rows, vectors, *[types.intp] * 8), generate
