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
BYTE = ir.IntType(8)
BYTES = 4


def word(value: int) -> Any:
    """A constant of the size of an address."""
    return ir.Constant(WORD, value)


DOUBLE = ir.DoubleType()


class Writer:
    """Appends to a function that is being built; addresses are of floats, or of doubles."""

    def __init__(self, builder: Any, double: bool = False, unrolled: bool = True) -> None:
        self.builder = builder
        self.unrolled = unrolled  # loops, by the compiler, which takes a fifth of its time
        self.scalar = DOUBLE if double else FLOAT
        self.bytes = 8 if double else BYTES
        self.lanes = LANES // 2 if double else LANES
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.suffix = f"v{self.lanes}f{8 * self.bytes}"
        self.fma = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.vector, [self.vector] * 3),
            f"llvm.fmuladd.{self.suffix}",
        )

    def floats(self, address: Any) -> Any:
        return self.builder.inttoptr(address, self.scalar.as_pointer())

    def at(self, pointer: Any, index: Any) -> Any:
        return self.builder.gep(pointer, [index if isinstance(index, ir.Value) else word(index)])

    def load(self, pointer: Any, index: Any = 0) -> Any:
        """A vector from any float's address."""
        place = self.builder.bitcast(self.at(pointer, index), self.vector.as_pointer())
        return self.builder.load(place, align=self.bytes)

    def store(self, value: Any, pointer: Any, index: Any = 0) -> None:
        """A vector, of any number of lanes, to any float's address."""
        place = self.builder.bitcast(self.at(pointer, index), value.type.as_pointer())
        self.builder.store(value, place, align=self.bytes)

    def broadcast(self, pointer: Any, index: Any = 0) -> Any:
        """One float in all lanes."""
        value = self.builder.load(self.at(pointer, index), align=self.bytes)
        return self.spread(value)

    def spread(self, value: Any) -> Any:
        kind = ir.VectorType(value.type, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(INT, 0))
        zeros = ir.Constant(ir.VectorType(INT, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def chosen(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """Lanes of two vectors, those of b counted on from those of a."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT, len(lanes)), lanes))

    def transposed(self, vectors: list[Any]) -> list[Any]:
        """The numbers of so many vectors, a power of two, lane after lane.

        Each step halves the distance between the numbers that belong together.
        """
        half, lanes = len(vectors) // 2, self.lanes
        starts = (0, lanes // 2)
        pairs = [[s + i // 2 + i % 2 * lanes for i in range(lanes)] for s in starts]
        for _ in range(half.bit_length()):
            vectors = [
                self.chosen(vectors[i], vectors[i + half], pair)
                for i in range(half)
                for pair in pairs
            ]
        return vectors

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self.fma, [a, b, c])

    def first_lanes(self, count: Any) -> Any:
        """A mask of the lanes below `count`."""
        lanes = ir.Constant(ir.VectorType(INT, self.lanes), list(range(self.lanes)))
        limit = self.spread(self.builder.trunc(count, INT))
        return self.builder.icmp_signed("<", lanes, limit)

    def masked(self, what: str) -> Any:
        mask = ir.VectorType(BIT, self.lanes)
        pointer = self.vector.as_pointer()
        if what == "store":
            kind = ir.FunctionType(ir.VoidType(), [self.vector, pointer, INT, mask])
        else:
            kind = ir.FunctionType(self.vector, [pointer, INT, mask, self.vector])
        name = f"llvm.masked.{what}.{self.suffix}.p0"
        return cgutils.get_or_insert_function(self.builder.module, kind, name)

    def store_first(self, value: Any, pointer: Any, index: int, mask: Any) -> None:
        place = self.builder.bitcast(self.at(pointer, index), self.vector.as_pointer())
        align = ir.Constant(INT, self.bytes)
        self.builder.call(self.masked("store"), [value, place, align, mask])

    def load_first(self, pointer: Any, index: int, mask: Any) -> Any:
        place = self.builder.bitcast(self.at(pointer, index), self.vector.as_pointer())
        zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.builder.call(
            self.masked("load"), [place, ir.Constant(INT, self.bytes), mask, zeros]
        )

    def fetch(self, address: Any, to_write: bool = False) -> None:
        """Have the line of the cache come that is at an address, whether memory is there or not."""
        place = self.builder.inttoptr(address, BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, INT, INT, INT])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        stays, data = ir.Constant(INT, 3), ir.Constant(INT, 1)
        self.builder.call(function, [place, ir.Constant(INT, int(to_write)), stays, data])

    def sum(self, value: Any) -> Any:
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(self.scalar, [self.scalar, self.vector]),
            f"llvm.vector.reduce.fadd.{self.suffix}",
        )
        start = ir.Constant(self.scalar, -0.0)
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
        branch = builder.cbranch(builder.icmp_signed("<", following, count), loop, end)
        if not self.unrolled:
            _keep_rolled(branch)
        builder.position_at_end(end)
        return results


def _keep_rolled(branch: Any) -> None:
    """Tell the compiler not to unroll the loop that a branch closes: its body is long enough."""
    module = branch.parent.parent.module
    never = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    name = ir.MetaDataString(module, f"loop {len(module.metadata)}")
    loop = module.add_metadata([never, module.add_metadata([name])])
    loop.operands = (loop, never)  # what tells one loop from another
    branch.set_metadata("llvm.loop", loop)
