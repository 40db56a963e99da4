"""Update rules of `tinygan.optim`: one launch for all parameters of a group."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygan.backend.cuda.copy import is_dense
from tinygan.backend.cuda.parameters import (
    GRADIENT,
    PARAMETER,
    ROWS,
    SIZE,
    TABLE,
    Arrays,
    over,
    start,
)
from tinygan.backend.cuda.sets import alike
from tinygan.backend.cuda.source import FLOATS, Kernel
from tinygan.backend.kernels import launches

_adam, _sgd, _rmsprop, _adagrad, _average = (
    Kernel("updates.cu", name, FLOATS) for name in ("adam", "sgd", "rmsprop", "adagrad", "average")
)
_follow = Kernel("updates.cu", "follow")


@launches
def adam(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    m: Arrays,
    v: Arrays,
    v_max: Arrays,
    step: Arrays,
    hyper: Any,
    *,
    decay: bool,
    decoupled: bool,
    maximize: bool,
    found: Any = None,
) -> Any:
    choices = (decay and decoupled, decay, maximize)
    return over(_adam, memory, p, g, [m, v, v_max], step, hyper, choices, found)


@launches
def sgd(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    buffer: Arrays,
    first: list[bool],
    hyper: Any,
    *,
    decay: bool,
    nesterov: bool,
    maximize: bool,
    found: Any = None,
) -> Any:
    if any(first):
        return NotImplemented
    return over(_sgd, memory, p, g, [buffer], None, hyper, (decay, nesterov, maximize), found)


@launches
def rmsprop(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    v: Arrays,
    mean: Arrays,
    buffer: Arrays,
    step: Arrays,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
    found: Any = None,
) -> Any:
    state = [v, mean, buffer]
    return over(_rmsprop, memory, p, g, state, step, hyper, (decay, maximize), found)


@launches
def adagrad(
    memory: dict[str, Any],
    p: Arrays,
    g: Arrays,
    total: Arrays,
    step: Arrays,
    hyper: Any,
    *,
    decay: bool,
    maximize: bool,
    found: Any = None,
) -> Any:
    return over(_adagrad, memory, p, g, [total], step, hyper, (decay, maximize), found)


@launches
def average(
    memory: dict[str, Any], a: Arrays, w: Arrays, step: Any, hyper: Any, *, warmup: bool
) -> Any:
    return over(_average, memory, a, w, [], step, hyper, (warmup,))


@launches
def follow(memory: dict[str, Any], a: Arrays, w: Arrays) -> Any:
    for x, y in zip(a, w, strict=True):
        if not (is_dense(x) and alike(x, y)):
            return NotImplemented
    for i in range(0, len(a), ROWS):
        pairs = list(zip(a[i : i + ROWS], w[i : i + ROWS], strict=True))
        table = np.zeros((), TABLE)
        for row, (x, y) in zip(table["rows"], pairs, strict=False):
            row[[SIZE, PARAMETER, GRADIENT]] = x.nbytes, x.data.ptr, y.data.ptr
        start(_follow[()], table, len(pairs), 0, [])
    return None
