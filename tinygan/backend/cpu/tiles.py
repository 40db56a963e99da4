"""Micro-kernels: small products whose result stays in registers, as LLVM vector code.

Plain loops are not kept in registers by the compiler; these are, and reach the machine's peak of
multiply-adds. Rows and columns of a tile are constants at compile time, the type of the numbers is
that of the array `like`. Memory is addressed by number: pointers to pixels are put together by the
caller, and point to zeros where there is none.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import LANES, generated
from tinygan.backend.cpu.emit import WORD, Writer, word

ROWS = 6  # of a gather tile, and of most depth tiles
WIDE = 4 if LANES == 16 else 2  # vectors in the widest tile: 32 registers, or 16
DOT_ROWS = 8 if LANES == 16 else 4
DOT_COLUMNS = 3  # in the widest dot tile


def literals(*values: Any) -> list[int] | None:
    """The values of arguments that have to be constants, None while they are not."""
    if not all(isinstance(value, types.IntegerLiteral) for value in values):
        return None
    return [value.literal_value for value in values]


def writer(builder: Any, like: Any) -> Writer:
    """A writer for numbers of the type of an array."""
    return Writer(builder, like.dtype == types.float64, unrolled=False)


def constant(write: Any, value: float) -> Any:
    """A number in all lanes."""
    return ir.Constant(write.vector, [value] * write.lanes)


def addresses(write: Any, table: Any, first: Any, count: int) -> list[Any]:
    """`count` addresses of floats in a table of words, from the index `first`."""
    words = write.builder.inttoptr(table, WORD.as_pointer())
    row = write.at(words, first)
    return [write.floats(write.builder.load(write.at(row, i))) for i in range(count)]


def _sums(write: Any, table: Any, rows: int, width: int, columns: Any) -> list[Any]:
    """The start of rows x width vectors, from a table with the address of each row."""
    places = addresses(write, table, word(0), rows)
    result = []
    for j in range(width):
        mask = _part(write, columns, j)
        result.append([write.load_first(place, j * write.lanes, mask) for place in places])
    return [result[j][i] for i in range(rows) for j in range(width)]


def _part(write: Any, columns: Any, j: int) -> Any:
    """The mask of those of `columns` that are in the j-th vector."""
    return write.first_lanes(write.builder.sub(columns, word(j * write.lanes)))


def activated(write: Any, vectors: list[Any], slope: Any, relu: Any) -> list[Any]:
    """Slope times what is below zero, or zero for it if `relu`: minus infinity, too."""
    builder = write.builder
    kind = types.float32 if write.bytes == 4 else types.float64
    factor = builder.fptrunc(slope, write.scalar) if kind == types.float32 else slope
    factors, zeros = write.spread(factor), constant(write, 0.0)
    linear = builder.icmp_signed("==", relu, word(0))
    keep = write.spread(linear)
    result = []
    for vector in vectors:
        below = builder.select(keep, builder.fmul(vector, factors), zeros)
        result.append(builder.select(builder.fcmp_ordered("<", vector, zeros), below, vector))
    return result


def _deliver(
    write: Any, sums: list[Any], table: Any, rows: int, width: int, columns: Any, slope: Any,
    relu: Any,
) -> None:  # fmt: skip
    """Store rows x width vectors where a table says, `columns` numbers of each row."""
    builder = write.builder
    sums = activated(write, sums, slope, relu)
    places = addresses(write, table, word(0), rows)
    whole = builder.icmp_signed(">=", columns, word(width * write.lanes))
    with builder.if_else(whole) as (all_of_them, some):
        with all_of_them:
            for i in range(rows):
                for j in range(width):
                    write.store(sums[i * width + j], places[i], j * write.lanes)
        with some:
            for j in range(width):
                mask = _part(write, columns, j)
                for i in range(rows):
                    write.store_first(sums[i * width + j], places[i], j * write.lanes, mask)


@generated
def gather_tile(
    context: Any,
    vectors: Any,
    like: Any,
    taps: Any,
    run: Any,
    pointers: Any,
    weights: Any,
    starts: Any,
    outputs: Any,
    columns: Any,
    slope: Any,
    relu: Any,
) -> Any:
    """out[i][:] = start[i][:] + sum over taps t and k < run of pointers[t][i][k] weights[t][k][:].

    `pointers` is the address of taps x ROWS addresses, `starts` and `outputs` of ROWS addresses,
    `weights` of taps x run x vectors x lanes numbers; only `columns` numbers of a row are written.
    The activation is the last step: see `activated`.
    """
    constants = literals(vectors)
    if constants is None:
        return None
    (width,) = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, taps, run, pointers, weights, starts, outputs, columns, slope, relu = arguments
        write = writer(builder, signature.args[1])
        step = word(width * write.lanes)
        weights = write.floats(weights)

        def over_taps(t: Any, sums: list[Any]) -> list[Any]:
            pixels = addresses(write, pointers, builder.mul(t, word(ROWS)), ROWS)
            panel = write.at(weights, builder.mul(builder.mul(t, run), step))

            def over_channels(k: Any, sums: list[Any]) -> list[Any]:
                line = write.at(panel, builder.mul(k, step))
                right = [write.load(line, j * write.lanes) for j in range(width)]
                result = []
                for i in range(ROWS):
                    left = write.broadcast(pixels[i], k)
                    for j in range(width):
                        result.append(write.multiply_add(left, right[j], sums[i * width + j]))
                return result

            return write.repeat(run, sums, over_channels)

        start = _sums(write, starts, ROWS, width, columns)
        sums = write.repeat(taps, start, over_taps)
        _deliver(write, sums, outputs, ROWS, width, columns, slope, relu)
        return context.get_dummy_value()

    return types.void(vectors, like, *[types.intp] * 7, types.float64, types.intp), generate


@generated
def dot_tile(
    context: Any,
    columns: Any,
    like: Any,
    taps: Any,
    run: Any,
    pointers: Any,
    weights: Any,
    start: Any,
    outputs: Any,
    slope: Any,
    relu: Any,
) -> Any:
    """out[i][j] = start[j] + sum over t, k of pointers[t][i][k] weights[t][k][j], for few columns.

    The lanes lie along k; `weights` holds, for each t and step of so many lanes, a vector per
    column, with zeros beyond the run. There are DOT_ROWS pointers for each tap.
    """
    constants = literals(columns)
    if constants is None:
        return None
    (width,) = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, taps, run, pointers, weights, start, outputs, slope, relu = arguments
        write = writer(builder, signature.args[1])
        weights, start = write.floats(weights), write.floats(start)
        zeros = constant(write, 0.0)
        steps = builder.sdiv(builder.add(run, word(write.lanes - 1)), word(write.lanes))

        def over_taps(t: Any, sums: list[Any]) -> list[Any]:
            pixels = addresses(write, pointers, builder.mul(t, word(DOT_ROWS)), DOT_ROWS)
            panel = write.at(weights, builder.mul(builder.mul(t, steps), word(width * write.lanes)))

            def over_channels(k: Any, sums: list[Any]) -> list[Any]:
                line = write.at(panel, builder.mul(k, word(width * write.lanes)))
                right = [write.load(line, j * write.lanes) for j in range(width)]
                first = builder.mul(k, word(write.lanes))
                mask = write.first_lanes(builder.sub(run, first))
                result = []
                for i in range(DOT_ROWS):
                    left = write.load_first(write.at(pixels[i], first), 0, mask)
                    for j in range(width):
                        result.append(write.multiply_add(left, right[j], sums[i * width + j]))
                return result

            return write.repeat(steps, sums, over_channels)

        sums = write.repeat(taps, [zeros] * (DOT_ROWS * width), over_taps)
        places = addresses(write, outputs, word(0), DOT_ROWS)
        if write.lanes < 4:
            for i in range(DOT_ROWS):
                for j in range(width):
                    begin = write.broadcast(start, j)
                    total = builder.fadd(begin, write.spread(write.sum(sums[i * width + j])))
                    (total,) = activated(write, [total], slope, relu)
                    _store_some(write, write.chosen(total, total, [0]), 1, write.at(places[i], j))
            return context.get_dummy_value()
        wide = 4 if width == 3 else width  # lanes that a row of sums takes
        rows = min(write.lanes // wide, DOT_ROWS)  # of which a vector holds so many
        begin = ir.Constant(write.vector, ir.Undefined)
        for j in range(width):
            value = builder.load(write.at(start, j), align=write.bytes)
            begin = builder.insert_element(begin, value, ir.Constant(ir.IntType(32), j))
        begin = write.chosen(begin, begin, [lane % wide for lane in range(write.lanes)])
        for first in range(0, DOT_ROWS, rows):
            some = sums[first * width : (first + rows) * width]
            vectors = _thirds(write, some) if width == 3 else some
            totals = builder.fadd(begin, _totals(write, vectors, 4 if width == 3 else 1))
            (totals,) = activated(write, [totals], slope, relu)
            for i in range(rows):
                part = write.chosen(totals, totals, list(range(i * wide, i * wide + wide)))
                _store_some(write, part, width, places[first + i])
        return context.get_dummy_value()

    return types.void(columns, like, *[types.intp] * 6, types.float64, types.intp), generate


def _store_some(write: Any, value: Any, count: int, place: Any) -> None:
    """Store the first lanes of a short vector."""
    kind = value.type.as_pointer()
    if count == value.type.count:
        write.builder.store(value, write.builder.bitcast(place, kind), align=write.bytes)
        return
    for lane in range(count):
        number = write.builder.extract_element(value, ir.Constant(ir.IntType(32), lane))
        write.builder.store(number, write.at(place, lane), align=write.bytes)


def _fold(write: Any, a: Any, b: Any, bit: int) -> Any:
    """Lanes that differ in a bit added up: of `a` where the bit is 0, of `b` where it is 1."""
    lanes = range(write.lanes)
    straight = [lane + write.lanes * bool(lane & bit) for lane in lanes]
    crossed = [(lane ^ bit) + write.lanes * bool(lane & bit) for lane in lanes]
    return write.builder.fadd(write.chosen(a, b, straight), write.chosen(a, b, crossed))


def _totals(write: Any, vectors: list[Any], bit: int) -> Any:
    """The sums of vectors as one vector, added up pair by pair; lanes below `bit` are done.

    After the step of a bit, lanes in which it is 0 belong to the first of a pair, others to the
    second; lane i is the sum of vector i in the end, and again where there are more lanes.
    """
    while bit < write.lanes:
        if len(vectors) == 1:
            vectors = [_fold(write, vectors[0], vectors[0], bit)]
        else:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [_fold(write, a, b, bit) for a, b in pairs]
        bit *= 2
    return vectors[0]


def _thirds(write: Any, sums: list[Any]) -> list[Any]:
    """For every three vectors one, in which each four lanes hold parts of the three sums.

    The third ones of two rows share a vector at first.
    """
    if len(sums) == 3:
        sums = sums * 2
        return _thirds(write, sums)[:1]
    result = []
    lanes = range(write.lanes)
    for i in range(0, len(sums), 6):
        both = _fold(write, sums[i + 2], sums[i + 5], 1)
        for row in (0, 1):
            pair = _fold(write, sums[i + 3 * row], sums[i + 3 * row + 1], 1)
            place = [write.lanes + (lane & ~1 | row) if lane & 2 else lane for lane in lanes]
            other = [
                write.lanes + ((lane & ~1 | row) ^ 2) if lane & 2 else lane ^ 2 for lane in lanes
            ]
            result.append(
                write.builder.fadd(
                    write.chosen(pair, both, place),
                    write.chosen(pair, both, other),
                )
            )
    return result
