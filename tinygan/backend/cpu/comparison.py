"""Comparisons, logic and selection in one pass over memory."""

from __future__ import annotations

from typing import Any

from tinygan.backend.cpu.mapping import BOOL, mapped
from tinygan.backend.kernels import launches


@mapped(exact=True, truth=True)
def eq(x, other):
    return x == other


@mapped(exact=True, truth=True)
def ne(x, other):
    return x != other


@mapped(exact=True, truth=True)
def lt(x, other):
    return x < other


@mapped(exact=True, truth=True)
def le(x, other):
    return x <= other


@mapped(exact=True, truth=True)
def gt(x, other):
    return x > other


@mapped(exact=True, truth=True)
def ge(x, other):
    return x >= other


@mapped(exact=True, masked=True)
def where(condition, x, other):
    return x if condition else other


@launches
def masked_fill(x: Any, mask: Any, value: Any, *, out: Any = None) -> Any:
    return where(mask, value, x, out=out)


@launches
def cast(x: Any, *, dtype: Any, out: Any = None) -> Any:
    if x.dtype != BOOL or out is None:
        return NotImplemented
    return where(x, 1.0, 0.0, out=out)
