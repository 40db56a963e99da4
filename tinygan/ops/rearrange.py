"""Flips, rolls, repeats and triangles, which are copies, and diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.dims import dimension, dimensions, sizes
from tinygan.ops.indexing import _slice_grad, _with_slice
from tinygan.ops.shape import _expand, _reshape, flatten, movedim, own, unsqueeze

__all__ = [
    "diag",
    "diag_embed",
    "diagonal",
    "flip",
    "repeat",
    "repeat_interleave",
    "roll",
    "tile",
    "trace",
    "tril",
    "triu",
]


@primitive
def _flip(xp: Any, x: Any, *, dims: tuple[int, ...]) -> Any:
    return xp.flip(x, dims).copy(order="K")


_flip.vjp(x=lambda g, dims: _flip(g, dims))


def flip(input: Tensor, *along: Any, dims: Any = None) -> Tensor:
    """x with the order along the given dimensions reversed, as a copy."""
    ndim = input.array.ndim
    return _flip(input, dimensions("flip", sizes(along, dims), ndim)[:ndim])


@primitive
def _roll(xp: Any, x: Any, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    return xp.roll(x, shifts, dims)


_roll.vjp(x=lambda g, shifts, dims: _roll(g, tuple(-n for n in shifts), dims))
for _op in (_flip, _roll):
    _op.kernel("cpu", f"tinygan.backend.cpu.rearrange:{_op.name}")
_flip.kernel("cuda", "tinygan.backend.cuda.rearrange:flip")
_roll.kernel("cuda", "tinygan.backend.cuda.edges:roll")


def roll(
    input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Tensor:
    """x shifted along `dims` (without them: as if flattened), what falls off re-entering."""
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None:
        return _reshape(roll(flatten(input), moves, 0), input.array.shape)
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(moves) != len(along):
        raise ValueError(f"roll: {len(moves)} shifts for {len(along)} dimensions")
    return _roll(input, moves, tuple(dimension("roll", d, input.array.ndim) for d in along))


def _repeat(x: Tensor, counts: tuple[int, ...]) -> Tensor:
    shape = (1,) * (len(counts) - x.array.ndim) + x.array.shape
    apart = tuple(n for size in shape for n in (1, size))
    spread = tuple(n for pair in zip(counts, shape, strict=True) for n in pair)
    whole = tuple(count * size for count, size in zip(counts, shape, strict=True))
    return own(_reshape(_expand(_reshape(x, apart), spread), whole), x)


def repeat(input: Tensor, *times: Any, repeats: Any = None) -> Tensor:
    """x laid side by side times[k] times along every dimension k, new ones coming first."""
    counts = sizes(times, repeats)
    if len(counts) < input.array.ndim or any(n < 0 for n in counts):
        raise ValueError(
            f"repeat: expected a count >= 0 for each dimension of {input.array.shape}, got {counts}"
        )
    return _repeat(input, counts)


def tile(input: Tensor, *times: Any, dims: Any = None) -> Tensor:
    """As `repeat`, counts missing in front being 1."""
    counts = sizes(times, dims)
    return repeat(input, (1,) * (input.array.ndim - len(counts)) + counts)


def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Every element (without `dim`: of the flattened x) `repeats` times in a row."""
    if isinstance(repeats, (Tensor, Sequence)):
        raise TypeError("repeat_interleave: expected one count for all elements, as an integer")
    if dim is None:
        return repeat_interleave(flatten(input), repeats, 0)
    shape = input.array.shape
    dim = dimension("repeat_interleave", dim, len(shape))
    before, after = shape[:dim], shape[dim + 1 :]
    y = _expand(unsqueeze(input, dim + 1), (*before, shape[dim], repeats, *after))
    return own(_reshape(y, (*before, shape[dim] * repeats, *after)), input)


def _need_matrix(op: str, x: Tensor) -> None:
    if x.array.ndim < 2:
        raise ValueError(f"{op}: expected at least 2 dimensions, got shape {x.array.shape}")


@primitive
def _tril(xp: Any, x: Any, *, diagonal: int) -> Any:
    return xp.tril(x, diagonal)


@primitive
def _triu(xp: Any, x: Any, *, diagonal: int) -> Any:
    return xp.triu(x, diagonal)


_tril.vjp(x=lambda g, diagonal: _tril(g, diagonal))
_triu.vjp(x=lambda g, diagonal: _triu(g, diagonal))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """x (..., n, m) with x[..., i, j] = 0 where j - i > diagonal."""
    _need_matrix("tril", input)
    return _tril(input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """x (..., n, m) with x[..., i, j] = 0 where j - i < diagonal."""
    _need_matrix("triu", input)
    return _triu(input, diagonal)


def _diagonal_key(rows: int, columns: int, offset: int) -> tuple[Any, ...]:
    """The diagonal in a matrix whose two dimensions are flattened: a slice with a step."""
    start = offset if offset >= 0 else -offset * columns
    length = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    if length <= 0:
        return (..., slice(0, 0))
    return (..., slice(start, start + (length - 1) * (columns + 1) + 1, columns + 1))


@primitive(view=True)
def _diagonal(xp: Any, x: Any, *, offset: int) -> Any:
    y = x.diagonal(offset, -2, -1)
    if not getattr(y.flags, "writeable", True):  # NumPy's, as a warning from 2012
        y.flags.writeable = x.flags.writeable
    return y


def _diagonal_by_x(g: Tensor, x_shape: tuple[int, ...], offset: int) -> Tensor:
    *batch, rows, columns = x_shape
    flat = _slice_grad(g, _diagonal_key(rows, columns, offset), (*batch, rows * columns))
    return _reshape(flat, x_shape)


def _with_diagonal(x: Tensor, value: Tensor, offset: int) -> Tensor:
    *batch, rows, columns = x.array.shape
    flat = _reshape(x, (*batch, rows * columns))
    return _reshape(_with_slice(flat, value, _diagonal_key(rows, columns, offset)), x.array.shape)


_diagonal.vjp(x=_diagonal_by_x)
_diagonal.put = _with_diagonal


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The view y[..., k] = x[k, k + offset] of dimensions dim1 and dim2, which go to the end."""
    _need_matrix("diagonal", input)
    return _diagonal(movedim(input, (dim1, dim2), (-2, -1)), offset)


def diag_embed(input: Tensor, offset: int = 0) -> Tensor:
    """Matrices (..., n, n) with x (..., k) on a diagonal, n = k + |offset|, and zeros elsewhere."""
    if input.array.ndim < 1:
        raise ValueError("diag_embed: expected at least 1 dimension, got a 0-d tensor")
    *batch, size = input.array.shape
    n = size + abs(offset)
    flat = _slice_grad(input, _diagonal_key(n, n, offset), (*batch, n * n))
    return _reshape(flat, (*batch, n, n))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the square matrix with the vector x on its diagonal."""
    if input.array.ndim == 1:
        return diag_embed(input, diagonal)
    if input.array.ndim != 2:
        raise ValueError(f"diag: expected 1 or 2 dimensions, got shape {input.array.shape}")
    return _diagonal(input, diagonal).clone()


def trace(input: Tensor) -> Tensor:
    """sum_i x[i, i] of a matrix x."""
    if input.array.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got shape {input.array.shape}")
    return diag(input).sum()
