"""The extreme of numbers that lie one after the other, as LLVM vector code."""

from __future__ import annotations

from functools import reduce
from typing import Any

from llvmlite import ir
from numba import types

from tinygan.backend.cpu.compile import generated
from tinygan.backend.cpu.emit import WORD, Writer, word

ABREAST = 8  # vectors, so that none waits for the one before


@generated
def extreme(context: Any, x: Any, count: Any, sign: Any) -> Any:
    """The largest of sign * x over `count` > 0 numbers from the address x on, NaN if one is."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, count, sign = arguments
        write = Writer(builder, signature.args[-1] == types.float64, unrolled=False)
        lanes, x = write.lanes, write.floats(x)
        signs = write.spread(sign)
        first = builder.fmul(write.broadcast(x), signs)
        nothing = builder.fcmp_unordered("uno", first, first)

        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        def taken(vectors: list[Any], values: list[Any]) -> list[Any]:
            *tops, unordered = values
            for a, b in zip(vectors[::2], vectors[1::2] or vectors, strict=True):
                unordered = builder.or_(unordered, builder.fcmp_unordered("uno", a, b))
            found = [builder.fmul(v, signs) for v in vectors]
            return [*(larger(*pair) for pair in zip(found, tops, strict=True)), unordered]

        def over(step: int, start: Any, values: list[Any]) -> list[Any]:
            """Take all groups of `step` numbers that there are from `start` on."""
            groups = builder.sdiv(builder.sub(count, start), word(step))
            before = builder.block
            with builder.if_then(builder.icmp_signed(">", groups, word(0))):

                def body(k: Any, values: list[Any]) -> list[Any]:
                    place = builder.add(start, builder.mul(k, word(step)))
                    line = write.at(x, place)
                    return taken([write.load(line, i) for i in range(0, step, lanes)], values)

                results = write.repeat(groups, values, body)
                inside = builder.block
            joined = []
            for value, result in zip(values, results, strict=True):
                phi = builder.phi(value.type)
                phi.add_incoming(value, before)
                phi.add_incoming(result, inside)
                joined.append(phi)
            return joined

        wide = ABREAST * lanes
        *tops, unordered = over(wide, word(0), [*[first] * ABREAST, nothing])
        while len(tops) > 1:
            tops = [larger(a, b) for a, b in zip(tops[::2], tops[1::2], strict=True)]
        done = builder.mul(builder.sdiv(count, word(wide)), word(wide))
        top, unordered = over(lanes, done, [*tops, unordered])

        # the numbers that are left, and the lanes
        done = builder.mul(builder.sdiv(count, word(lanes)), word(lanes))
        mask = write.first_lanes(builder.sub(count, done))
        rest = write.load_first(write.at(x, done), 0, mask)
        rest = builder.select(mask, builder.fmul(rest, signs), first)
        unordered = builder.or_(unordered, builder.fcmp_unordered("uno", rest, rest))
        top = larger(rest, top)
        half = lanes // 2
        while half:
            top = larger(top, write.chosen(top, top, [i ^ half for i in range(lanes)]))
            half //= 2
        bits = builder.bitcast(unordered, ir.IntType(lanes))
        some = builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))
        found = builder.extract_element(top, ir.Constant(ir.IntType(32), 0))
        return builder.select(some, ir.Constant(write.scalar, float("nan")), found)

    return sign(types.int64, types.int64, sign), code


def _found(write: Any, values: Any, value: Any) -> Any:
    """In which lanes a value is, or NaN."""
    builder = write.builder
    equal = builder.fcmp_ordered("==", values, value)
    return builder.or_(equal, builder.fcmp_unordered("uno", values, values))


@generated
def among(context: Any, x: Any, value: Any) -> Any:
    """Whether a value, or NaN, is among the numbers of ABREAST vectors from the address x on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(builder, signature.args[-1] == types.float64)
        x, value = write.floats(arguments[0]), write.spread(arguments[1])
        vectors = [write.load(x, i * write.lanes) for i in range(ABREAST)]
        found = reduce(builder.or_, [_found(write, v, value) for v in vectors])
        bits = builder.bitcast(found, ir.IntType(write.lanes))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(types.int64, value), code


@generated
def lane_of(context: Any, x: Any, count: Any, value: Any) -> Any:
    """Which of `count` > 0 numbers from the address x on is first a value, or NaN.

    Only those in the first vector are looked at; the number of its lanes if it is none of them.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, count, value = arguments
        write = Writer(builder, signature.args[-1] == types.float64)
        mask = write.first_lanes(count)
        values = write.load_first(write.floats(x), 0, mask)
        found = builder.and_(_found(write, values, write.spread(value)), mask)
        bits = builder.zext(builder.bitcast(found, ir.IntType(write.lanes)), WORD)
        return builder.cttz(
            builder.or_(bits, word(1 << write.lanes)), ir.Constant(ir.IntType(1), 1)
        )

    return types.int64(types.int64, types.int64, value), code
