"""Micro-kernels for sums of outer products over pixels."""

from __future__ import annotations

from typing import Any

from numba import types

from tinygan.backend.cpu.compile import LANES, generated
from tinygan.backend.cpu.emit import word
from tinygan.backend.cpu.tiles import addresses, literals, writer

OUTER_ROWS = 8 if LANES == 16 else 4
HALF_ROWS = OUTER_ROWS // 2
OUTER_WIDE = 2  # vectors in the widest outer tile


@generated
def outer_tile(
    context: Any,
    rows: Any,
    vectors: Any,
    like: Any,
    pixels: Any,
    pointers: Any,
    offset: Any,
    right: Any,
    right_step: Any,
    sums: Any,
    sums_step: Any,
) -> Any:
    """sums[i][:] += sum over pixels p of pointers[p][offset + i] * right[p][:].

    `pointers` is the address of an address for each pixel; the lines of `right` and of the sums
    are so many numbers apart.
    """
    constants = literals(rows, vectors)
    if constants is None:
        return None
    height, width = constants

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, _, pixels, pointers, offset, right, right_step, sums, sums_step = arguments
        write = writer(builder, signature.args[2])
        right, sums = write.floats(right), write.floats(sums)
        lanes = write.lanes
        lines = [write.at(sums, builder.mul(sums_step, word(i))) for i in range(height)]
        start = [write.load(lines[i], j * lanes) for i in range(height) for j in range(width)]

        def over_pixels(p: Any, values: list[Any]) -> list[Any]:
            (place,) = addresses(write, pointers, p, 1)
            factors = write.at(place, offset)
            line = write.at(right, builder.mul(p, right_step))
            vectors = [write.load(line, j * lanes) for j in range(width)]
            result = []
            for i in range(height):
                factor = write.broadcast(factors, i)
                for j in range(width):
                    result.append(write.multiply_add(factor, vectors[j], values[i * width + j]))
            return result

        values = write.repeat(pixels, start, over_pixels)
        for i in range(height):
            for j in range(width):
                write.store(values[i * width + j], lines[i], j * lanes)
        return context.get_dummy_value()

    return types.void(rows, vectors, like, *[types.intp] * 7), generate
