"""Padding: constant, reflect, replicate, circular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.backend.edges import Widths, edges, inside
from tinygan.ops.dims import laid_out_like
from tinygan.ops.indexing import _slice

__all__ = ["pad"]


def _padded(widths: Widths, shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(before + n + after for (before, after), n in zip(widths, shape, strict=True))


@primitive
def _pad_constant(xp: Any, x: Any, *, widths: Widths, value: float) -> Any:
    y = laid_out_like(x, _padded(widths, x.shape), xp.empty)
    y[...] = value
    y[inside(widths, x.shape)] = x
    return y


_pad_constant.vjp(x=lambda g, x_shape, widths: _slice(g, inside(widths, x_shape)))


@primitive
def _pad_edges(xp: Any, x: Any, *, widths: Widths, mode: str) -> Any:
    """x with its edges continued by what `mode` repeats, one dimension after the other."""
    y = laid_out_like(x, _padded(widths, x.shape), xp.empty)
    y[inside(widths, x.shape)] = x
    for d, ((before, after), n) in enumerate(zip(widths, x.shape, strict=True)):
        line = (slice(None),) * d
        for edge, source in edges(before, after, n, mode):
            y[(*line, edge)] = y[(*line, source)]
    return y


@primitive
def _fold_edges(xp: Any, x: Any, *, widths: Widths, mode: str) -> Any:
    """The inside of x with its edges added where `_pad_edges` took them from."""
    y = x.copy(order="K")
    shape = tuple(n - before - after for n, (before, after) in zip(x.shape, widths, strict=True))
    for d, ((before, after), n) in reversed(list(enumerate(zip(widths, shape, strict=True)))):
        line = (slice(None),) * d
        for edge, source in edges(before, after, n, mode):
            part = y[(*line, edge)]
            if mode == "replicate":
                part = part.sum(axis=d, keepdims=True)
            y[(*line, source)] += part
    return y[inside(widths, shape)].copy(order="K")


_pad_edges.vjp(x=lambda g, widths, mode: _fold_edges(g, widths=widths, mode=mode))
_fold_edges.vjp(x=lambda g, widths, mode: _pad_edges(g, widths=widths, mode=mode))
for _op in (_pad_constant, _pad_edges, _fold_edges):
    _op.kernel("cpu", f"tinygan.backend.cpu.rearrange:{_op.name}")
_pad_constant.kernel("cuda", "tinygan.backend.cuda.rearrange:pad_constant")
for _op in (_pad_edges, _fold_edges):
    _op.kernel("cuda", f"tinygan.backend.cuda.edges:{_op.name}")


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """x with pad = (before, after) of its last dimension, (before, after) of the one before, ...

    A negative width crops. Modes: "constant" (`value`, by default 0), "reflect" (the edge itself
    not repeated), "replicate" (the edge), "circular" (the other end).
    """
    shape, given = input.array.shape, tuple(pad)
    if len(given) % 2 or len(given) > 2 * len(shape):
        raise ValueError(
            f"pad: {len(given)} widths for shape {shape}; expected two for each padded dimension, "
            f"at most {2 * len(shape)}"
        )
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(
            f"pad: unknown mode {mode!r}; expected 'constant', 'reflect', 'replicate' or 'circular'"
        )
    if value is not None and mode != "constant":
        raise ValueError(f"pad: a value goes with mode 'constant', not with {mode!r}")
    pairs = list(zip(given[::2], given[1::2], strict=True))[::-1]
    widths = ((0, 0),) * (len(shape) - len(pairs)) + tuple(pairs)
    if any(before + n + after < 0 for (before, after), n in zip(widths, shape, strict=True)):
        raise ValueError(f"pad: the widths {given} crop more than there is of shape {shape}")
    if min(given, default=0) < 0:
        input = _slice(input, _crop(widths, shape))
        shape = input.array.shape
        widths = tuple((max(before, 0), max(after, 0)) for before, after in widths)
    if not any(map(any, widths)):
        return input.clone()
    if mode == "constant":
        return _pad_constant(input, widths=widths, value=value or 0)
    for d, (widest, n) in enumerate(zip(map(max, widths), shape, strict=True)):
        limit = {"reflect": max(n - 1, 0), "replicate": widest if n else 0, "circular": n}[mode]
        if widest > limit:
            raise ValueError(
                f"pad: mode {mode!r} can pad dimension {d}, of size {n}, by at most {limit}, got "
                f"{widths[d]}"
            )
    return _pad_edges(input, widths=widths, mode=mode)


def _crop(widths: Widths, shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(
        slice(max(-before, 0), n - max(-after, 0))
        for (before, after), n in zip(widths, shape, strict=True)
    )
