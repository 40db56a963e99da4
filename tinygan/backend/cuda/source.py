"""The CUDA sources beside this file: compiled for the device present when first launched."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.progress import announce

OPTIONS = ("-std=c++17",)
CACHED = 0.1  # seconds that a kernel takes at most which CuPy finds on its disk
C_NAMES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
FLOATS = tuple(C_NAMES)
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"\n', re.MULTILINE)

Launch = Callable[[Sequence[int], Sequence[int], Sequence[Any]], None]


@cache
def text(name: str) -> str:
    """A source with the headers of ours that it includes written out, each once.

    CuPy keeps compiled code by the text that it is given: a header read by the compiler could
    change unseen.
    """
    seen: set[str] = set()

    def written_out(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        source = (Path(__file__).parent / name).read_text(encoding="utf-8")
        return INCLUDE.sub(lambda match: written_out(match[1]), source)

    return written_out(name)


class Kernel:
    """A kernel of a source: a template with the parameters that it is used with, or a plain one.

    `kernel[parameters](grid, block, arguments)` launches it: arguments are arrays of the device and
    NumPy scalars of exactly the parameters' types.
    """

    def __init__(self, source: str, name: str, *choices: Sequence[Any]) -> None:
        self.source, self.name = source, name
        self.variants = [self._expression(values) for values in product(*choices)]
        self._launches: dict[Any, Launch] = {}
        declared.append(self)

    def __getitem__(self, values: Any) -> Launch:
        launch = self._launches.get(values)
        if launch is None:
            expression = self._expression(values if isinstance(values, tuple) else (values,))
            if expression not in self.variants:
                raise KeyError(f"{self.source}: {expression} is not among {self.variants}")
            module = backend_for("cuda").xp.RawModule(
                code=text(self.source), options=OPTIONS, name_expressions=(expression,)
            )
            start = time.perf_counter()
            launch = self._launches[values] = module.get_function(expression)
            seconds = time.perf_counter() - start
            if seconds > CACHED:
                announce(expression, seconds)
        return launch

    def _expression(self, values: Sequence[Any]) -> str:
        parameters = [C_NAMES[v] if v in C_NAMES else str(int(v)) for v in values]
        return f"{self.name}<{', '.join(parameters)}>" if parameters else self.name


def by_value(structure: np.ndarray) -> np.ndarray:
    """A structure as an argument: bytes, since CuPy has NumPy describe all fields of others.

    That would take longer than the launch.
    """
    return structure.view(f"V{structure.nbytes}")


declared: list[Kernel] = []  # all of them: the tests compile each for every architecture
