"""Micro-kernels of the matrix product, as LLVM vector code: a tile, and the packing of panels.

A panel is some vectors of columns of the right matrix, its rows one after the other in memory.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import LANES, generated
from tinygan.backend.cpu.emit import Writer, word

ROWS = 8 if LANES == 16 else 4  # of a tile; with three vectors they fill 32 registers, or 16


def _writer(builder: Any, kind: Any) -> Writer:
    return Writer(builder, kind == types.float64)


@generated
def tile(
    context: Any,
    vectors: Any,
    across: Any,
    count: Any,
    left: Any,
    left_row: Any,
    left_step: Any,
    height: Any,
    panel: Any,
    panel_row: Any,
    bias: Any,
    out: Any,
    out_row: Any,
    add: Any,
    relu: Any,
    slope: Any,
) -> Any:
    """out[i][:] = f(bias[:] + sum over k < count of left[i][k] * panel[k][:]) for ROWS rows i.

    `left` is an address; its rows and steps of k are `left_row` and `left_step` bytes apart, and
    rows from `height` on repeat the last; rows of the panel are `panel_row` bytes apart. f is x
    where x > 0, else slope * x, or 0 with `relu`. With `add` the sums begin with what is there.
    `across`: the result is stored transposed, out[j][i], and the bias is one of rows, bias[i]; it
    cannot be added to. The type is that of `slope`.
    """
    if not all(isinstance(value, types.IntegerLiteral) for value in (vectors, across)):
        return None
    width, turned = vectors.literal_value, across.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (_, _, count, left, left_row, left_step, height, panel, panel_row, bias, out, out_row,
         add, relu, slope) = arguments  # fmt: skip
        write = _writer(builder, signature.args[-1])
        lanes = write.lanes
        last = builder.sub(height, word(1))
        rows = []
        for i in range(ROWS):
            row = builder.select(builder.icmp_signed("<", word(i), last), word(i), last)
            rows.append(builder.add(left, builder.mul(row, left_row)))
        zeros = ir.Constant(write.vector, [0.0] * lanes)
        places = [
            write.floats(builder.add(out, builder.mul(out_row, word(i))))
            for i in range(width * lanes if turned else ROWS)
        ]
        start = [zeros] * (ROWS * width)
        if not turned:
            before = builder.block
            with builder.if_then(builder.icmp_signed("!=", add, word(0))):
                known = [
                    write.load(places[i], j * lanes) for i in range(ROWS) for j in range(width)
                ]
                adding = builder.block
            for n, value in enumerate(known):
                start[n] = builder.phi(write.vector)
                start[n].add_incoming(zeros, before)
                start[n].add_incoming(value, adding)

        def over_k(k: Any, sums: list[Any]) -> list[Any]:
            line = write.floats(builder.add(panel, builder.mul(k, panel_row)))
            right = [write.load(line, j * lanes) for j in range(width)]
            offset = builder.mul(k, left_step)
            result = []
            for i in range(ROWS):
                factor = write.broadcast(write.floats(builder.add(rows[i], offset)))
                for j in range(width):
                    result.append(write.multiply_add(factor, right[j], sums[i * width + j]))
            return result

        sums = write.repeat(count, start, over_k)

        bias = write.floats(bias)
        slopes = write.spread(slope)
        is_relu = builder.icmp_signed("!=", relu, word(0))

        def finished(value: Any, shift: Any) -> Any:
            value = builder.fadd(value, shift)
            nothing = ir.Constant(value.type, [0.0] * lanes)
            below = builder.select(is_relu, nothing, builder.fmul(value, slopes))
            return builder.select(builder.fcmp_unordered(">", value, nothing), value, below)

        if not turned:
            shifts = [write.load(bias, j * lanes) for j in range(width)]
            for i in range(ROWS):
                for j in range(width):
                    value = finished(sums[i * width + j], shifts[j])
                    write.store(value, places[i], j * lanes)
            return context.get_dummy_value()
        size = min(ROWS, lanes)
        kind = ir.VectorType(write.scalar, size)
        for first in range(0, ROWS, size):
            part = builder.bitcast(write.at(bias, first), kind.as_pointer())
            some = builder.load(part, align=write.bytes)
            shift = write.chosen(some, some, [i % size for i in range(lanes)])
            for j in range(width):
                column = [sums[i * width + j] for i in range(first, first + size)]
                for v, vector in enumerate(write.transposed(column)):
                    value = finished(vector, shift)
                    for part in range(lanes // size):
                        chosen = write.chosen(value, value, [part * size + i for i in range(size)])
                        number = j * lanes + v * (lanes // size) + part
                        write.store(chosen, places[number], first)
        return context.get_dummy_value()

    return types.void(vectors, across, *[types.int64] * 12, slope), code


@generated
def pack(
    context: Any,
    vectors: Any,
    count: Any,
    source: Any,
    step: Any,
    columns: Any,
    panel: Any,
    kind: Any,
) -> Any:
    """panel[k][:] = source[k][:], zeros from `columns` on; rows are `step` bytes apart."""
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    width = vectors.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, count, source, step, columns, panel, _ = arguments
        write = _writer(builder, signature.args[-1])
        lanes = write.lanes
        panel = write.floats(panel)
        masks = [write.first_lanes(builder.sub(columns, word(j * lanes))) for j in range(width)]

        def over_k(k: Any, _: list[Any]) -> list[Any]:
            line = write.floats(builder.add(source, builder.mul(k, step)))
            target = write.at(panel, builder.mul(k, word(width * lanes)))
            for j in range(width):
                write.store(write.load_first(line, j * lanes, masks[j]), target, j * lanes)
            return []

        write.repeat(count, [], over_k)
        return context.get_dummy_value()

    return types.void(vectors, *[types.int64] * 5, kind), code


@generated
def pack_across(
    context: Any, count: Any, source: Any, step: Any, columns: Any, panel: Any, row: Any, kind: Any
) -> Any:
    """panel[k][j] = source[j][k] for one vector of columns j and as many k, of which `count` exist.

    The rows of the source are `step` bytes apart, from `columns` on the last is repeated; those of
    the panel are `row` bytes apart.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count, source, step, columns, panel, row, _ = arguments
        write = _writer(builder, signature.args[-1])
        last = builder.sub(columns, word(1))
        mask = write.first_lanes(count)
        vectors = []
        for j in range(write.lanes):
            index = builder.select(builder.icmp_signed("<", word(j), last), word(j), last)
            line = write.floats(builder.add(source, builder.mul(index, step)))
            vectors.append(write.load_first(line, 0, mask))
        for k, vector in enumerate(write.transposed(vectors)):
            write.store(vector, write.floats(builder.add(panel, builder.mul(row, word(k)))))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6, kind), code


@generated
def get(context: Any, address: Any, kind: Any) -> Any:
    """The number of a type at an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _writer(builder, signature.args[-1])
        return builder.load(write.floats(arguments[0]), align=write.bytes)

    return kind(types.int64, kind), code


@generated
def put(context: Any, address: Any, value: Any) -> Any:
    """Store a number at an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _writer(builder, signature.args[-1])
        builder.store(arguments[1], write.floats(arguments[0]), align=write.bytes)
        return context.get_dummy_value()

    return types.void(types.int64, value), code
