"""What compiled code cannot say in Python: atomic operations, calls by address, waiting.

Addresses are 64-bit integers. A word is 64 bits at an address; all threads agree on the order in
which words were changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

WORD = ir.IntType(64)
INT = ir.IntType(32)

# For functions that write their own LLVM code: `generated` is told the value of constants.
written: Any = intrinsic
generated: Any = intrinsic(prefer_literal=True)


def _words(count: int, emit: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The signature and the code of an intrinsic from `count` words to one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit(builder, arguments)

    return types.int64(*[types.int64] * count), code


def _at(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())


@written
def load(context: Any, address: Any) -> Any:
    """The word at an address."""

    def emit(builder: Any, arguments: Any) -> Any:
        return builder.load_atomic(_at(builder, arguments[0]), "seq_cst", 8)

    return _words(1, emit)


@written
def store(context: Any, address: Any, value: Any) -> Any:
    """Set the word at an address."""

    def emit(builder: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _at(builder, arguments[0]), "seq_cst", 8)
        return arguments[1]

    return _words(2, emit)


@written
def add(context: Any, address: Any, amount: Any) -> Any:
    """The word at an address before it grows by `amount`."""

    def emit(builder: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _at(builder, arguments[0]), arguments[1], "seq_cst")

    return _words(2, emit)


@written
def keep_bits(context: Any, address: Any, mask: Any) -> Any:
    """The word at an address before only the bits of `mask` are kept."""

    def emit(builder: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("and", _at(builder, arguments[0]), arguments[1], "seq_cst")

    return _words(2, emit)


@written
def set_bits(context: Any, address: Any, mask: Any) -> Any:
    """The word at an address before the bits of `mask` are set."""

    def emit(builder: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("or", _at(builder, arguments[0]), arguments[1], "seq_cst")

    return _words(2, emit)


@written
def exchange_if(context: Any, address: Any, expected: Any, value: Any) -> Any:
    """The word at an address, which becomes `value` if it was `expected`."""

    def emit(builder: Any, arguments: Any) -> Any:
        address, expected, value = arguments
        pair = builder.cmpxchg(_at(builder, address), expected, value, "seq_cst", "seq_cst")
        return builder.extract_value(pair, 0)

    return _words(3, emit)


binding.initialize_native_asmparser()
PAUSES = {"x86_64": "pause", "i686": "pause", "aarch64": "yield", "arm64": "yield"}


@written
def pause(context: Any) -> Any:
    """Tell the core that this thread is waiting in a loop."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        machine = builder.module.triple.split("-")[0]
        if machine in PAUSES:
            builder.asm(ir.FunctionType(ir.VoidType(), []), PAUSES[machine], "", (), True)
        return context.get_dummy_value()

    return types.none(), code


def _call(builder: Any, address: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(WORD, [WORD] * len(arguments))
    return builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)


@written
def call2(context: Any, function: Any, a: Any, b: Any) -> Any:
    """function(a, b), where a function is known by its address."""
    return _words(3, lambda builder, arguments: _call(builder, arguments[0], list(arguments[1:])))


@written
def call6(context: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    """function(a, b, c, d, e, f), where a function is known by its address."""
    return _words(7, lambda builder, arguments: _call(builder, arguments[0], list(arguments[1:])))


@written
def stack_words(context: Any, count: Any) -> Any:
    """The address of three words that live as long as the calling function runs."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = cgutils.alloca_once(builder, WORD, size=3)
        return builder.ptrtoint(place, WORD)

    return types.int64(types.int64), code


# -- kernels as functions of two addresses --------------------------------------------------------

COUNTERS = types.Array(types.int64, 1, "C")


def _borrowed(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A value whose arrays do not own their memory: whoever launches a kernel keeps it alive."""
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        items: Any = kind
        for i, item in enumerate(items):
            part = _borrowed(context, builder, item, builder.extract_value(value, i))
            value = builder.insert_value(value, part, i)
    return value


@written
def launch(typing: Any, control: Any, chunks: Any, threads: Any, kernel: Any, values: Any) -> Any:
    """Have a job done by whatever `control` belongs to: a pool, or a tape.

    The function whose address is the first word of `control` is called with control, chunks,
    threads, the address of a function (counters, block) that calls `kernel(counters, *values)`,
    the address of a block of memory with the values, and its size. 0 unless memory ran out.
    """
    kinds = (COUNTERS, *values)
    kernel.get_call_type(typing, kinds, {})  # compiles it

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        compiled = kernel.dispatcher.overloads[kinds]
        context.active_code_library.add_linking_library(compiled.library)
        control, chunks, threads, _, block = arguments
        block = _borrowed(context, builder, values, block)
        place = cgutils.alloca_once_value(builder, block)

        name = builder.module.get_unique_name(f"{compiled.fndesc.mangled_name}_entrance")
        entrance = ir.Function(builder.module, ir.FunctionType(WORD, [WORD, WORD]), name)
        entrance.linkage = "internal"
        inside = ir.IRBuilder(entrance.append_basic_block())
        counters = context.make_array(COUNTERS)(context, inside)
        populate_array(
            counters,
            data=inside.inttoptr(entrance.args[0], WORD.as_pointer()),
            shape=cgutils.pack_array(inside, [WORD(3)]),
            strides=cgutils.pack_array(inside, [WORD(8)]),
            itemsize=WORD(8),
            meminfo=None,
        )
        given = inside.load(inside.inttoptr(entrance.args[1], block.type.as_pointer()))
        status, _ = context.call_internal_no_propagate(
            inside,
            compiled.fndesc,
            compiled.signature,
            [counters._getvalue(), *cgutils.unpack_tuple(inside, given)],
        )
        inside.ret(inside.zext(status.is_error, WORD))

        function = builder.load(builder.inttoptr(control, WORD.as_pointer()))
        size = WORD(context.get_abi_sizeof(block.type))
        entrance, place = (builder.ptrtoint(x, WORD) for x in (entrance, place))
        return _call(builder, function, [control, chunks, threads, entrance, place, size])

    return types.int64(types.int64, types.int64, types.int64, kernel, values), code
