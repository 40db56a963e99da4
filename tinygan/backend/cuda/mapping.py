"""Functions of numbers for arrays that broadcast: one launch each, by CuPy's ElementwiseKernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.source import C_NAMES, text
from tinygan.backend.layout import Where, common_order


class Elementwise:
    """y = an expression of parameters, all of one type, for arrays and numbers that broadcast.

    The result is of the same type, or of booleans (`truth`); with `masked` the first parameter is
    of booleans.
    """

    launches = True

    def __init__(
        self, parameters: str, expression: str, *, truth: bool = False, masked: bool = False
    ) -> None:
        self.parameters, self.expression = parameters.split(), expression
        self.truth, self.masked = truth, masked

    def __call__(self, *operands: Any, out: Any = None) -> Any:
        arrays = [x for x in operands if x is not None and not isinstance(x, (int, float))]
        kinds = [x.dtype for x in (arrays[1:] if self.masked and arrays else arrays)]
        if not arrays or (self.masked and isinstance(operands[0], (int, float))):
            return NotImplemented
        if out is not None and not self.truth:
            kinds.append(out.dtype)
        if not kinds or kinds[0] not in C_NAMES or any(k != kinds[0] for k in kinds):
            return NotImplemented
        if self.masked and arrays[0].dtype != np.bool_:
            return NotImplemented
        if out is None:
            out = empty(arrays, np.dtype(np.bool_) if self.truth else kinds[0])
        if out.size:
            kernel(self)(*in_memory_order(operands, out))
        return out


@cache
def kernel(op: Elementwise) -> Any:
    """The op as a kernel of CuPy's."""
    kinds = ["bool" if op.masked and not i else "T" for i in range(len(op.parameters))]
    given = ", ".join(f"{k} {name}" for k, name in zip(kinds, op.parameters, strict=True))
    name = "tinygan_" + "".join(c if c.isalnum() else "_" for c in op.expression)
    return backend_for("cuda").xp.ElementwiseKernel(
        given,
        "bool result" if op.truth else "T result",
        f"result = {op.expression}",
        name,
        preamble=text("functions.cuh"),
    )


def in_memory_order(operands: Sequence[Any], out: Any) -> list[Any]:
    """The operands and the result with their dimensions as those of the result lie in memory.

    CuPy's kernels go through the dimensions as they are given: through images whose channels are
    last in memory threads would stride.
    """
    if out.flags.c_contiguous:
        return [*operands, out]
    order, xp = _order(out.strides), backend_for("cuda").xp
    return [
        x
        if x is None or isinstance(x, (int, float))
        else (x if x.ndim == out.ndim else xp.broadcast_to(x, out.shape)).transpose(order)
        for x in (*operands, out)
    ]


@lru_cache(maxsize=4096)
def _order(strides: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(strides)), key=lambda d: -abs(strides[d])))


def empty(operands: Sequence[Any], dtype: Any) -> Any:
    """Memory for the result of operands that broadcast, in their order of dimensions."""
    shape, back = _result(tuple([(x.shape, x.strides) for x in operands]))
    y = backend_for("cuda").xp.empty(shape, dtype)
    return y if back is None else y.transpose(back)


@lru_cache(maxsize=4096)
def _result(operands: tuple[Where, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The shape of the result as it lies in memory, and how its dimensions are turned back."""
    shape = np.broadcast_shapes(*[own for own, _ in operands])
    order = common_order(shape, operands)
    if order == list(range(len(shape))):
        return shape, None
    return tuple(shape[d] for d in order), tuple(map(order.index, range(len(shape))))
