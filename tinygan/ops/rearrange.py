"""Rearrangements that copy: flips, rolls, repeats, triangles and diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.dims import dimension, dimensions, sizes
from tinygan.ops.indexing import _slice, _slice_grad
from tinygan.ops.shape import _expand, _reshape, flatten, movedim, unsqueeze

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


def flip(x: Tensor, *dims: Any) -> Tensor:
    """x with the order along the given dimensions reversed, as a copy."""
    return _flip(x, dimensions("flip", sizes(dims), x.array.ndim))


@primitive
def _roll(xp: Any, x: Any, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    return xp.roll(x, shifts, dims)


_roll.vjp(x=lambda g, shifts, dims: _roll(g, tuple(-n for n in shifts), dims))
for _op in (_flip, _roll):
    _op.kernel("cpu", f"tinygan.backend.cpu.rearrange:{_op.name}")
_flip.kernel("cuda", "tinygan.backend.cuda.rearrange:flip")
_roll.kernel("cuda", "tinygan.backend.cuda.edges:roll")


def roll(x: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """x shifted along `dims` (without them: as if flattened), what falls off re-entering."""
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None:
        return _reshape(roll(flatten(x), moves, 0), x.array.shape)
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(moves) != len(along):
        raise ValueError(f"roll: {len(moves)} shifts for {len(along)} dimensions")
    return _roll(x, moves, tuple(dimension("roll", d, x.array.ndim) for d in along))


def _repeat(x: Tensor, counts: tuple[int, ...]) -> Tensor:
    shape = (1,) * (len(counts) - x.array.ndim) + x.array.shape
    apart = tuple(n for size in shape for n in (1, size))
    spread = tuple(n for pair in zip(counts, shape, strict=True) for n in pair)
    whole = tuple(count * size for count, size in zip(counts, shape, strict=True))
    return _own(_reshape(_expand(_reshape(x, apart), spread), whole), x)


def _own(y: Tensor, x: Tensor) -> Tensor:
    """y in memory of its own, where it still looks into that of x."""
    return y.clone() if y.version is x.version else y


def repeat(x: Tensor, *repeats: Any) -> Tensor:
    """x laid side by side repeats[k] times along every dimension k, new ones coming first."""
    counts = sizes(repeats)
    if len(counts) < x.array.ndim or any(n < 0 for n in counts):
        raise ValueError(
            f"repeat: expected a count >= 0 for each dimension of {x.array.shape}, got {counts}"
        )
    return _repeat(x, counts)


def tile(x: Tensor, *dims: Any) -> Tensor:
    """As `repeat`, counts missing in front being 1."""
    counts = sizes(dims)
    return repeat(x, (1,) * (x.array.ndim - len(counts)) + counts)


def repeat_interleave(x: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Every element (without `dim`: of the flattened x) `repeats` times in a row."""
    if isinstance(repeats, (Tensor, Sequence)):
        raise TypeError("repeat_interleave: expected one count for all elements, as an integer")
    if dim is None:
        return repeat_interleave(flatten(x), repeats, 0)
    shape = x.array.shape
    dim = dimension("repeat_interleave", dim, len(shape))
    before, after = shape[:dim], shape[dim + 1 :]
    y = _expand(unsqueeze(x, dim + 1), (*before, shape[dim], repeats, *after))
    return _own(_reshape(y, (*before, shape[dim] * repeats, *after)), x)


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


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """x (..., n, m) with x[..., i, j] = 0 where j - i > diagonal."""
    _need_matrix("tril", x)
    return _tril(x, diagonal)


def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """x (..., n, m) with x[..., i, j] = 0 where j - i < diagonal."""
    _need_matrix("triu", x)
    return _triu(x, diagonal)


def _diagonal_key(rows: int, columns: int, offset: int) -> tuple[Any, ...]:
    """The diagonal in a matrix whose two dimensions are flattened: a slice with a step."""
    start = offset if offset >= 0 else -offset * columns
    length = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    if length <= 0:
        return (..., slice(0, 0))
    return (..., slice(start, start + (length - 1) * (columns + 1) + 1, columns + 1))


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """y[..., k] = x[k, k + offset], counted in dimensions dim1 and dim2, which go to the end."""
    _need_matrix("diagonal", x)
    x = movedim(x, (dim1, dim2), (-2, -1))
    rows, columns = x.array.shape[-2:]
    return _slice(flatten(x, -2), _diagonal_key(rows, columns, offset))


def diag_embed(x: Tensor, offset: int = 0) -> Tensor:
    """Matrices (..., n, n) with x (..., k) on a diagonal, n = k + |offset|, and zeros elsewhere."""
    if x.array.ndim < 1:
        raise ValueError("diag_embed: expected at least 1 dimension, got a 0-d tensor")
    *batch, size = x.array.shape
    n = size + abs(offset)
    flat = _slice_grad(x, _diagonal_key(n, n, offset), (*batch, n * n))
    return _reshape(flat, (*batch, n, n))


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the square matrix with the vector x on its diagonal."""
    if x.array.ndim == 1:
        return diag_embed(x, diagonal)
    if x.array.ndim != 2:
        raise ValueError(f"diag: expected 1 or 2 dimensions, got shape {x.array.shape}")
    rows, columns = x.array.shape
    return _slice(flatten(x), _diagonal_key(rows, columns, diagonal))


def trace(x: Tensor) -> Tensor:
    """sum_i x[i, i] of a matrix x."""
    if x.array.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got shape {x.array.shape}")
    return diag(x).sum()
