"""What a recorded step has follow a result in the same launch: an activation.

Rectifiers are applied to numbers in registers. Other functions pass over what a chunk has just
written, which is still in the cache, by the very code of the operation itself: a step has the same
bits whether it is recorded or not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygan.backend.cpu.activations import sigmoid
from tinygan.backend.cpu.compile import inlined
from tinygan.backend.cpu.mapping import Mapped
from tinygan.backend.cpu.moves import get_word
from tinygan.backend.cpu.native import call6
from tinygan.backend.cpu.unary import tanh

Activation = tuple[str, float] | None  # its name and slope

FUNCTIONS: dict[str, Mapped] = {"tanh": tanh, "sigmoid": sigmoid}


class Epilogue(NamedTuple):
    """f(x), then `function`: f(x) is x where x > 0, else slope x, or 0 with `relu`."""

    relu: bool
    slope: float
    function: Mapped | None

    def address(self, kind: np.dtype[Any]) -> int:
        """Where the function's loop over numbers of a type is; 0 if there is none."""
        return 0 if self.function is None else self.function.loop(kind)


def epilogue(activation: Activation) -> Epilogue | None:
    """What kernels do for an activation; None if they do not know it."""
    name, slope = activation or ("leaky_relu", 1.0)
    if name in FUNCTIONS:
        return Epilogue(False, 1.0, FUNCTIONS[name])
    return Epilogue(name == "relu", slope, None) if name in ("relu", "leaky_relu") else None


@inlined
def pass_over(function, place, count):
    """Apply a function, known by its loop's address, to numbers from an address on."""
    call6(function, place, place, 0, 0, 0, count)


@inlined
def pass_over_rows(function, table, rows, unused, columns, size):
    """The same for rows at the addresses in a table, up to the first that is `unused`.

    Rows that follow each other in memory are passed over together.
    """
    n = 0
    while n < rows and get_word(table + 8 * n) != unused:
        first = get_word(table + 8 * n)
        end = n + 1
        while end < rows and get_word(table + 8 * end) == first + (end - n) * columns * size:
            end += 1
        pass_over(function, first, (end - n) * columns)
        n = end
