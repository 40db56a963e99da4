"""Passes over the rows of a matrix with what belongs to its columns in registers, as vector code.

A tile is one to four vectors of columns. The compiler's own loops over so few columns are slow:
each row would pay for their beginning and end.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import generated
from tinygan.backend.cpu.emit import Writer, word

WIDE = 4  # vectors in the widest tile
SEEN = 8  # rows that a shift is made from, a power of 2


def _prepared(builder: Any, kind: Any, vectors: int, columns: Any) -> tuple[Writer, Any, Any]:
    """A writer, and how a tile's vectors are loaded and stored: the last one masked."""
    write = Writer(builder, kind == types.float64, unrolled=False)
    lanes = write.lanes
    mask = write.first_lanes(builder.sub(columns, word((vectors - 1) * lanes)))

    def load(pointer: Any) -> list[Any]:
        whole = [write.load(pointer, j * lanes) for j in range(vectors - 1)]
        return [*whole, write.load_first(pointer, (vectors - 1) * lanes, mask)]

    def store(values: list[Any], pointer: Any) -> None:
        for j, value in enumerate(values[:-1]):
            write.store(value, pointer, j * lanes)
        write.store_first(values[-1], pointer, (vectors - 1) * lanes, mask)

    return write, load, store


def _row(builder: Any, write: Writer, address: Any, index: Any, step: Any) -> Any:
    return write.floats(builder.add(address, builder.mul(index, step)))


@generated
def moments_tile(
    context: Any,
    vectors: Any,
    rows: Any,
    x: Any,
    step: Any,
    columns: Any,
    sums: Any,
    sums_step: Any,
    kind: Any,
) -> Any:
    """sums[0] = k, sums[1] = sum(x - k), sums[2] = sum((x - k)^2), each over the rows.

    The shift k is near the mean: that of `SEEN` rows, spread over all. All are addresses; rows are
    `step` bytes apart, the three sums `sums_step`.
    """
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    count = vectors.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, x, step, columns, sums, sums_step, _ = arguments
        write, load, store = _prepared(builder, signature.args[-1], count, columns)
        zeros = ir.Constant(write.vector, [0.0] * write.lanes)
        half = ir.Constant(write.vector, [0.5] * write.lanes)
        seen = [
            load(
                _row(builder, write, x, builder.udiv(builder.mul(rows, word(i)), word(SEEN)), step)
            )
            for i in range(SEEN)
        ]
        while len(seen) > 1:  # in pairs: the mean of equal numbers is theirs, to the last bit
            seen = [
                [
                    write.multiply_add(a, half, builder.fmul(b, half))
                    for a, b in zip(left, right, strict=True)
                ]
                for left, right in zip(seen[::2], seen[1::2], strict=True)
            ]
        (shift,) = seen

        def over_rows(r: Any, values: list[Any]) -> list[Any]:
            line = load(_row(builder, write, x, r, step))
            left = [builder.fsub(v, k) for v, k in zip(line, shift, strict=True)]
            first = [builder.fadd(total, v) for total, v in zip(values[:count], left, strict=True)]
            second = [
                write.multiply_add(v, v, total)
                for total, v in zip(values[count:], left, strict=True)
            ]
            return [*first, *second]

        values = write.repeat(rows, [zeros] * (2 * count), over_rows)
        for i, found in enumerate((shift, values[:count], values[count:])):
            store(found, _row(builder, write, sums, word(i), sums_step))
        return context.get_dummy_value()

    return types.void(vectors, *[types.int64] * 6, kind), code


@generated
def sums_tile(
    context: Any,
    vectors: Any,
    rows: Any,
    g: Any,
    x: Any,
    step: Any,
    columns: Any,
    mean: Any,
    sums: Any,
    sums_step: Any,
    kind: Any,
) -> Any:
    """sums[0] = sum(g), sums[1] = sum(g (x - mean)), each over the rows."""
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    count = vectors.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, g, x, step, columns, mean, sums, sums_step, _ = arguments
        write, load, store = _prepared(builder, signature.args[-1], count, columns)
        zeros = ir.Constant(write.vector, [0.0] * write.lanes)
        middle = load(write.floats(mean))

        def over_rows(r: Any, values: list[Any]) -> list[Any]:
            gs = load(_row(builder, write, g, r, step))
            xs = load(_row(builder, write, x, r, step))
            first = [builder.fadd(total, v) for total, v in zip(values[:count], gs, strict=True)]
            second = [
                write.multiply_add(v, builder.fsub(u, m), total)
                for total, v, u, m in zip(values[count:], gs, xs, middle, strict=True)
            ]
            return [*first, *second]

        values = write.repeat(rows, [zeros] * (2 * count), over_rows)
        for i, found in enumerate((values[:count], values[count:])):
            store(found, _row(builder, write, sums, word(i), sums_step))
        return context.get_dummy_value()

    return types.void(vectors, *[types.int64] * 8, kind), code


@generated
def apply_tile(
    context: Any,
    vectors: Any,
    rows: Any,
    x: Any,
    step: Any,
    columns: Any,
    mean: Any,
    scale: Any,
    shift: Any,
    relu: Any,
    slope: Any,
    y: Any,
) -> Any:
    """y = f((x - mean) scale + shift), f as in a product's epilogue; of the type of slope."""
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    count = vectors.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, x, step, columns, mean, scale, shift, relu, slope, y = arguments
        write, load, store = _prepared(builder, signature.args[-2], count, columns)
        zeros = ir.Constant(write.vector, [0.0] * write.lanes)
        slopes = write.spread(slope)
        is_relu = builder.icmp_signed("!=", relu, word(0))
        factors = [load(write.floats(place)) for place in (mean, scale, shift)]

        def over_rows(r: Any, values: list[Any]) -> list[Any]:
            line = load(_row(builder, write, x, r, step))
            result = []
            for v, m, s, b in zip(line, *factors, strict=True):
                z = builder.fadd(builder.fmul(builder.fsub(v, m), s), b)
                below = builder.select(is_relu, zeros, builder.fmul(z, slopes))
                result.append(builder.select(builder.fcmp_unordered(">", z, zeros), z, below))
            store(result, _row(builder, write, y, r, step))
            return []

        write.repeat(rows, [], over_rows)
        return context.get_dummy_value()

    return types.void(vectors, *[types.int64] * 8, slope, types.int64), code


@generated
def input_grad_tile(
    context: Any,
    vectors: Any,
    rows: Any,
    g: Any,
    x: Any,
    step: Any,
    columns: Any,
    mean: Any,
    factors: Any,
    factors_step: Any,
    y: Any,
    kind: Any,
) -> Any:
    """y = factors[0] g - factors[1] (x - mean) - factors[2]."""
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    count = vectors.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, g, x, step, columns, mean, factors, factors_step, y, _ = arguments
        write, load, store = _prepared(builder, signature.args[-1], count, columns)
        middle = load(write.floats(mean))
        lines = [load(_row(builder, write, factors, word(i), factors_step)) for i in range(3)]

        def over_rows(r: Any, values: list[Any]) -> list[Any]:
            gs = load(_row(builder, write, g, r, step))
            xs = load(_row(builder, write, x, r, step))
            result = []
            for u, v, m, scale, by_x, shift in zip(gs, xs, middle, *lines, strict=True):
                left = builder.fsub(builder.fmul(scale, u), shift)
                result.append(builder.fsub(left, builder.fmul(by_x, builder.fsub(v, m))))
            store(result, _row(builder, write, y, r, step))
            return []

        write.repeat(rows, [], over_rows)
        return context.get_dummy_value()

    return types.void(vectors, *[types.int64] * 9, kind), code
