"""Micro-kernels of convolutions whose channels do not mix: vectors of channels, tap by tap.

Taps are a table of pairs of words: how far into the image they are from a pixel's place, in bytes,
and which they are among the lines of the weights or of the sums.
"""

from __future__ import annotations

from typing import Any

from numba import types

from tinygan.backend.cpu.compile import generated
from tinygan.backend.cpu.emit import WORD, Writer, word
from tinygan.backend.cpu.tiles import activated, literals, writer


def _tap(write: Writer, taps: Any, index: Any) -> list[Any]:
    """The two words of a tap."""
    words = write.builder.inttoptr(taps, WORD.as_pointer())
    pair = write.at(words, write.builder.mul(index, word(2)))
    return [write.builder.load(write.at(pair, i)) for i in range(2)]


def _load(write: Writer, pointer: Any, width: int, mask: Any) -> list[Any]:
    """Vectors side by side, of which the last is masked."""
    whole = [write.load(pointer, j * write.lanes) for j in range(width - 1)]
    return [*whole, write.load_first(pointer, (width - 1) * write.lanes, mask)]


def _store(write: Writer, vectors: list[Any], pointer: Any, mask: Any) -> None:
    for j, vector in enumerate(vectors[:-1]):
        write.store(vector, pointer, j * write.lanes)
    write.store_first(vectors[-1], pointer, (len(vectors) - 1) * write.lanes, mask)


@generated
def depth_tile(
    context: Any, vectors: Any, pixels: Any, side: Any, like: Any, count: Any, taps: Any, x: Any,
    x_step: Any, weights: Any, weights_step: Any, start: Any, out: Any, out_step: Any, columns: Any,
    slope: Any, relu: Any, ahead: Any, out_ahead: Any,
) -> Any:  # fmt: skip
    """out[i][:] = f(start[:] + sum over taps of x[i][tap:] * weights[tap]) for some pixels i.

    All are addresses; pixels are `x_step` and `out_step` bytes apart, and have `columns` numbers,
    of which those are taken that are in these vectors. The taps come in groups of `side` that are
    side by side: what one reads for a pixel is what the next reads for the pixel before.
    What is `ahead` of the pixels, and of the results, is fetched: the processor does not foresee
    lines of so many pixels, and would wait for each.
    """
    constants = literals(vectors, pixels, side)
    if constants is None:
        return None
    width, length, together = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (_, _, _, _, count, taps, x, x_step, weights, weights_step, start, out, out_step, columns,
         slope, relu, ahead, out_ahead) = arguments  # fmt: skip
        write = writer(builder, signature.args[3])
        mask = write.first_lanes(builder.sub(columns, word((width - 1) * write.lanes)))
        steps = [builder.mul(x_step, word(i)) for i in range(length + together - 1)]
        places = [builder.add(x, step) for step in steps]

        far, out_far = builder.add(x, ahead), builder.add(out, out_ahead)
        for i in range(length if length > 1 else 0):
            for j in range(width):
                here = word(j * write.lanes * write.bytes)
                write.fetch(builder.add(builder.add(far, steps[i]), here))
                there = builder.add(builder.mul(out_step, word(i)), here)
                write.fetch(builder.add(out_far, there), to_write=True)

        def over_taps(t: Any, sums: list[Any]) -> list[Any]:
            first = builder.mul(t, word(together))
            pairs = [_tap(write, taps, builder.add(first, word(k))) for k in range(together)]
            right = []
            for _, number in pairs:
                line = builder.add(weights, builder.mul(number, weights_step))
                right.append(_load(write, write.floats(line), width, mask))
            result = list(sums)
            for p, place in enumerate(places):
                left = _load(write, write.floats(builder.add(place, pairs[0][0])), width, mask)
                for k in range(together):
                    i = p - k
                    if 0 <= i < length:
                        for j, n in enumerate(range(i * width, (i + 1) * width)):
                            result[n] = write.multiply_add(left[j], right[k][j], result[n])
            return result

        begin = _load(write, write.floats(start), width, mask)
        sums = activated(write, write.repeat(count, begin * length, over_taps), slope, relu)
        for i in range(length):
            place = write.floats(builder.add(out, builder.mul(out_step, word(i))))
            _store(write, sums[i * width : (i + 1) * width], place, mask)
        return context.get_dummy_value()

    kinds = [*[types.intp] * 10, types.float64, *[types.intp] * 3]
    return types.void(vectors, pixels, side, like, *kinds), generate


@generated
def fetch_line(context: Any, place: Any, count: Any, like: Any) -> Any:
    """Have `count` numbers come to the cache that are at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, count, _ = arguments
        write = writer(builder, signature.args[2])
        lines = builder.sdiv(builder.add(count, word(write.lanes - 1)), word(write.lanes))

        def over_lines(i: Any, _: list[Any]) -> list[Any]:
            write.fetch(builder.add(place, builder.mul(i, word(write.lanes * write.bytes))))
            return []

        write.repeat(lines, [], over_lines)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, like), generate


@generated
def depth_outer_tile(
    context: Any, vectors: Any, together: Any, like: Any, pixels: Any, taps: Any, x: Any,
    x_step: Any, g: Any, g_step: Any, sums: Any, sums_step: Any, columns: Any,
) -> Any:  # fmt: skip
    """sums[tap] += sum over pixels p of x[p][tap:] * g[p][:], for so many taps together.

    All are addresses, as of `depth_tile`.
    """
    constants = literals(vectors, together)
    if constants is None:
        return None
    width, height = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, _, pixels, taps, x, x_step, g, g_step, sums, sums_step, columns = arguments
        write = writer(builder, signature.args[2])
        mask = write.first_lanes(builder.sub(columns, word((width - 1) * write.lanes)))
        pairs = [_tap(write, taps, word(t)) for t in range(height)]
        starts = [builder.add(x, far) for far, _ in pairs]
        lines = [write.floats(builder.add(sums, builder.mul(line, sums_step))) for _, line in pairs]

        def over_pixels(p: Any, values: list[Any]) -> list[Any]:
            right = _load(write, write.floats(builder.add(g, builder.mul(p, g_step))), width, mask)
            step = builder.mul(p, x_step)
            result = []
            for t in range(height):
                left = _load(write, write.floats(builder.add(starts[t], step)), width, mask)
                for j in range(width):
                    result.append(write.multiply_add(left[j], right[j], values[t * width + j]))
            return result

        start = [v for line in lines for v in _load(write, line, width, mask)]
        values = write.repeat(pixels, start, over_pixels)
        for t, line in enumerate(lines):
            _store(write, values[t * width : (t + 1) * width], line, mask)
        return context.get_dummy_value()

    return types.void(vectors, together, like, *[types.intp] * 9), generate
