"""LLVM vector code, written by hand: the few things that all tiles are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from tinygan.backend.cpu.compile import LANES, SUMS

FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
WORD = ir.IntType(64)
INT = ir.IntType(32)
BIT = ir.IntType(1)
BYTES = 4


def word(value: int) -> Any:
    """A constant of the size of an address."""
    return ir.Constant(WORD, value)


class Writer:
    """Appends to a function that is being built; addresses are of floats."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

    def floats(self, address: Any) -> Any:
        return self.builder.inttoptr(address, FLOAT.as_pointer())

    def at(self, pointer: Any, index: Any) -> Any:
        return self.builder.gep(pointer, [index if isinstance(index, ir.Value) else word(index)])

    def load(self, pointer: Any, index: Any = 0) -> Any:
        """A vector from any float's address."""
        place = self.builder.bitcast(self.at(pointer, index), VECTOR.as_pointer())
        return self.builder.load(place, align=BYTES)

    def store(self, value: Any, pointer: Any, index: Any = 0) -> None:
        place = self.builder.bitcast(self.at(pointer, index), VECTOR.as_pointer())
        self.builder.store(value, place, align=BYTES)

    def broadcast(self, pointer: Any, index: Any = 0) -> Any:
        """One float in all lanes."""
        value = self.builder.load(self.at(pointer, index), align=BYTES)
        return self.spread(value)

    def spread(self, value: Any) -> Any:
        kind = ir.VectorType(value.type, LANES)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(INT, 0))
        zeros = ir.Constant(ir.VectorType(INT, LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self.fma, [a, b, c])

    def first_lanes(self, count: Any) -> Any:
        """A mask of the lanes below `count`."""
        lanes = ir.Constant(ir.VectorType(INT, LANES), list(range(LANES)))
        limit = self.spread(self.builder.trunc(count, INT))
        return self.builder.icmp_signed("<", lanes, limit)

    def masked(self, what: str) -> Any:
        mask = ir.VectorType(BIT, LANES)
        pointer = VECTOR.as_pointer()
        if what == "store":
            kind = ir.FunctionType(ir.VoidType(), [VECTOR, pointer, INT, mask])
        else:
            kind = ir.FunctionType(VECTOR, [pointer, INT, mask, VECTOR])
        name = f"llvm.masked.{what}.v{LANES}f32.p0"
        return cgutils.get_or_insert_function(self.builder.module, kind, name)

    def store_first(self, value: Any, pointer: Any, index: int, mask: Any) -> None:
        place = self.builder.bitcast(self.at(pointer, index), VECTOR.as_pointer())
        self.builder.call(self.masked("store"), [value, place, ir.Constant(INT, BYTES), mask])

    def load_first(self, pointer: Any, index: int, mask: Any) -> Any:
        place = self.builder.bitcast(self.at(pointer, index), VECTOR.as_pointer())
        zeros = ir.Constant(VECTOR, [0.0] * LANES)
        return self.builder.call(self.masked("load"), [place, ir.Constant(INT, BYTES), mask, zeros])

    def sum(self, value: Any) -> Any:
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(FLOAT, [FLOAT, VECTOR]),
            f"llvm.vector.reduce.fadd.v{LANES}f32",
        )
        start = ir.Constant(FLOAT, -0.0)
        return self.builder.call(function, [start, value], fastmath=tuple(sorted(SUMS)))

    def repeat(self, count: Any, initial: list[Any], body: Callable[..., list[Any]]) -> list[Any]:
        """Run `body(i, values) -> values` for i = 0 ... count - 1, count > 0; the last values."""
        builder = self.builder
        before = builder.block
        loop = builder.append_basic_block("loop")
        end = builder.append_basic_block("end")
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(WORD)
        i.add_incoming(word(0), before)
        values = []
        for value in initial:
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            values.append(phi)
        results = body(i, values)
        following = builder.add(i, word(1))
        last = builder.block
        i.add_incoming(following, last)
        for phi, result in zip(values, results, strict=True):
            phi.add_incoming(result, last)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, end)
        builder.position_at_end(end)
        return results
