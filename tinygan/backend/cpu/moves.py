"""Moves of numbers and of addresses, as LLVM vector code."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import generated
from tinygan.backend.cpu.emit import WORD, Writer, word
from tinygan.backend.cpu.native import written
from tinygan.backend.cpu.tiles import addresses, constant, literals, writer


def _spread_word(builder: Any, value: Any, kind: Any) -> Any:
    """An address in all lanes."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, undefined, lanes)


@written
def get_word(context: Any, address: Any) -> Any:
    """The word at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], WORD.as_pointer()))

    return types.intp(types.intp), generate


@written
def set_word(context: Any, address: Any, value: Any) -> Any:
    """Set the word at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], WORD.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


@generated
def add_words(context: Any, count: Any, target: Any, source: Any, amount: Any) -> Any:
    """target[i] = source[i] + amount, for i below `count`; `target` and `source` are addresses."""
    constants = literals(count)
    if constants is None:
        return None
    words = ir.VectorType(WORD, constants[0])

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, target, source, amount = arguments
        amounts = _spread_word(builder, amount, words)
        values = builder.load(builder.inttoptr(source, words.as_pointer()), align=8)
        place = builder.inttoptr(target, words.as_pointer())
        builder.store(builder.add(values, amounts), place, align=8)
        return context.get_dummy_value()

    return types.void(count, *[types.intp] * 3), generate


@written
def count_words(context: Any, target: Any, count: Any, start: Any, step: Any) -> Any:
    """target[i] = start + i step for i below `count` rounded up to 8; `target` is an address."""
    words = ir.VectorType(WORD, 8)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, count, start, step = arguments
        write = Writer(builder)
        place = builder.inttoptr(target, words.as_pointer())
        steps = builder.mul(_spread_word(builder, step, words), ir.Constant(words, [*range(8)]))
        first = builder.add(_spread_word(builder, start, words), steps)
        more = _spread_word(builder, builder.mul(step, word(8)), words)

        def over_eights(i: Any, values: list[Any]) -> list[Any]:
            builder.store(values[0], write.at(place, i), align=8)
            return [builder.add(values[0], more)]

        eights = builder.sdiv(builder.add(count, word(7)), word(8))
        write.repeat(eights, [first], over_eights)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@generated
def copy_lines(
    context: Any,
    like: Any,
    lines: Any,
    numbers: Any,
    source: Any,
    source_step: Any,
    target: Any,
    target_step: Any,
) -> Any:
    """target[i][:] = source[i][:], so many lines of so many numbers; the steps are in bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, lines, numbers, source, source_step, target, target_step = arguments
        write = writer(builder, signature.args[0])
        vectors = builder.sdiv(builder.add(numbers, word(write.lanes - 1)), word(write.lanes))

        def over_vectors(k: Any, values: list[Any]) -> list[Any]:
            first = builder.mul(k, word(write.lanes))
            mask = write.first_lanes(builder.sub(numbers, first))
            shift = builder.mul(first, word(write.bytes))

            def over_lines(i: Any, places: list[Any]) -> list[Any]:
                value = write.load_first(write.floats(places[0]), 0, mask)
                write.store_first(value, write.floats(places[1]), 0, mask)
                return [builder.add(places[0], source_step), builder.add(places[1], target_step)]

            write.repeat(
                lines, [builder.add(source, shift), builder.add(target, shift)], over_lines
            )
            return []

        write.repeat(vectors, [], over_vectors)
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 6), generate


@generated
def collect_panels(
    context: Any, vectors: Any, like: Any, lines: Any, numbers: Any, sources: Any, offset: Any,
    target: Any, panel: Any,
) -> Any:  # fmt: skip
    """Numbers of lines, from a table of addresses, into panels of so many vectors for each line.

    `offset` is where they begin in a line; the panels are `panel` numbers apart.
    """
    constants = literals(vectors)
    if constants is None:
        return None
    (width,) = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, lines, numbers, sources, offset, target, panel = arguments
        write = writer(builder, signature.args[1])
        wide = word(width * write.lanes)
        panels = builder.sdiv(builder.add(numbers, builder.sub(wide, word(1))), wide)
        target = write.floats(target)

        def over_lines(i: Any, values: list[Any]) -> list[Any]:
            (line,) = addresses(write, sources, i, 1)
            to = write.at(target, builder.mul(i, wide))

            def over_panels(k: Any, values: list[Any]) -> list[Any]:
                place = write.at(to, builder.mul(k, panel))
                first = builder.mul(k, wide)
                start, left = builder.add(offset, first), builder.sub(numbers, first)
                for j in range(width):
                    mask = write.first_lanes(builder.sub(left, word(j * write.lanes)))
                    value = write.load_first(write.at(line, start), j * write.lanes, mask)
                    write.store(value, place, j * write.lanes)
                return []

            return write.repeat(panels, [], over_panels)

        write.repeat(lines, [], over_lines)
        return context.get_dummy_value()

    return types.void(vectors, like, *[types.intp] * 6), generate


@generated
def transpose_tile(
    context: Any,
    like: Any,
    sources: Any,
    parts: Any,
    part_step: Any,
    filled: Any,
    targets: Any,
    wanted: Any,
) -> Any:
    """targets[i][j] = sum over p < parts of sources[j][p * part_step + i], for a square of lanes.

    `sources` and `targets` are addresses of tables of addresses; `filled` numbers are read from
    each source, `wanted` written to each target.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, sources, parts, part_step, filled, targets, wanted = arguments
        write = writer(builder, signature.args[0])
        lanes = write.lanes
        mask = write.first_lanes(filled)
        rows = addresses(write, sources, word(0), lanes)
        start = [constant(write, -0.0)] * lanes

        def over_parts(p: Any, sums: list[Any]) -> list[Any]:
            place = builder.mul(p, part_step)
            more = [write.load_first(write.at(row, place), 0, mask) for row in rows]
            return [builder.fadd(a, b) for a, b in zip(sums, more, strict=True)]

        vectors = write.repeat(parts, start, over_parts)
        vectors = write.transposed(vectors)
        mask = write.first_lanes(wanted)
        for vector, place in zip(vectors, addresses(write, targets, word(0), lanes), strict=True):
            write.store_first(vector, place, 0, mask)
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 6), generate
