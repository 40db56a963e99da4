"""Where a number stopped being finite: the step is made again, every operation watched."""

from __future__ import annotations

import linecache
from types import TracebackType
from typing import Any

from tinygan.autograd import observe
from tinygan.backend import backend_of
from tinygan.nn import Module
from tinygan.train.state import Training
from tinygan.train.step import gan_step


class NonFiniteError(ArithmeticError):
    """A loss or a gradient that is infinite or not a number; the message says where it began."""


class _Found(Exception):
    """Leaves the step at the first operation with a result that is not finite."""

    def __init__(self, op: Any, shape: tuple[int, ...]) -> None:
        self.op, self.shape = op, shape


def _watch(op: Any, array: Any) -> None:
    if array.dtype.kind == "f" and not bool(backend_of(array).xp.isfinite(array).all()):
        raise _Found(op, array.shape)


def locate(training: Training, step: int) -> str:
    """Train on to `step`, that step under watch; which operation of which network began it.

    Training is deterministic, so the state of the last checkpoint leads to the same numbers again.
    """
    while training.step < step - 1:
        training.advance()
    try:
        with observe(_watch):
            training.advance()
    except _Found as found:
        return f"the first operation to produce it is {found.op}, of shape {found.shape}, " + (
            _place(training, found.__traceback__)
        )
    return "the same step made again was finite, which points to an unstable device or memory"


def _place(training: Training, trace: TracebackType | None) -> str:
    """The network, layer and line of the training step that a traceback leads through."""
    network, layer, line = "", "", ""
    while trace is not None:
        code, variables = trace.tb_frame.f_code, trace.tb_frame.f_locals
        if code is gan_step.__code__:
            line = linecache.getline(code.co_filename, trace.tb_lineno).partition("#")[0].strip()
        module = variables.get("self")
        if isinstance(module, Module):
            for name, root in (("G", training.generator), ("D", training.discriminator)):
                for path, part in root.named_modules():
                    if part is module:
                        network, layer = name, path
        trace = trace.tb_next
    if network:
        return f"in the forward pass of {network}, layer {layer or '(whole)'}: {line}"
    return f"in: {line}"
