"""Einstein's sums, two tensors at a time, each pair one matrix product."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod
from string import ascii_letters
from typing import Any

from tinygan.autograd import Tensor
from tinygan.ops.linalg import matmul
from tinygan.ops.rearrange import diagonal
from tinygan.ops.shape import permute, reshape, squeeze

__all__ = ["bilinear", "einsum"]

Term = tuple[Tensor, str]  # a tensor and a letter for each of its dimensions, all different


def einsum(equation: str, *operands: Any) -> Tensor:
    """einsum("ij,jk->ik", x, w) = sum_j x[i, j] w[j, k]: letters left out on the right are summed.

    As PyTorch's: `...` for dimensions that broadcast, a letter twice in one operand for its
    diagonal, without "->" the letters that occur once, in alphabetical order. It is composed of
    permutations and matrix products and so needs no derivative of its own.
    """
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    inputs, output = _letters(equation, tuple([x.array.shape for x in operands]))
    sizes: dict[str, int] = {}
    for x, letters in zip(operands, inputs, strict=True):
        for n, letter in zip(x.array.shape, letters, strict=True):
            if sizes.get(letter, 1) not in (1, n) and n != 1:
                raise ValueError(
                    f"einsum: in {equation!r} the subscript {letter!r} stands for sizes "
                    f"{sizes[letter]} and {n}"
                )
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    terms = [_distinct(x, letters, sizes) for x, letters in zip(operands, inputs, strict=True)]
    result = terms.pop(0)
    while terms:
        later = set(output).union(*(letters for _, letters in terms[1:]))
        result = _product(result, terms.pop(0), later)
    x, letters = _sum_out(result, set(output))
    # a letter whose only sizes are 1 was kept; one of size n that broadcast is there by now
    return _permuted(x, [letters.index(letter) for letter in output])


@lru_cache(maxsize=256)
def _letters(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[str, ...], str]:
    """A letter for every dimension of each operand and of the result, ellipses written out."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes):
        raise ValueError(
            f"einsum: {equation!r} names {len(inputs)} operands, {len(shapes)} were given"
        )
    free = [letter for letter in ascii_letters if letter not in text]
    widest = 0
    for term, shape in zip(inputs, shapes, strict=True):
        hidden = len(shape) - len(term.replace("...", ""))
        if hidden < 0 or (hidden and "..." not in term):
            raise ValueError(
                f"einsum: the subscripts {term!r} do not fit an operand of shape {shape}"
            )
        widest = max(widest, hidden)
    ellipsis = "".join(free[:widest])

    def written_out(term: str, hidden: int) -> str:
        term = term.replace("...", ellipsis[widest - hidden :], 1)
        if not all(letter in ascii_letters for letter in term):
            raise ValueError(
                f"einsum: {equation!r} is no equation; expected letters, ',', '->' and '...'"
            )
        return term

    full = tuple(
        written_out(term, len(shape) - len(term.replace("...", "")))
        for term, shape in zip(inputs, shapes, strict=True)
    )
    if not arrow:
        seen = left.replace("...", "").replace(",", "")
        return full, ellipsis + "".join(sorted(c for c in set(seen) if seen.count(c) == 1))
    output = written_out(right, widest)
    if len(set(output)) != len(output) or not set(output) <= set("".join(full)):
        raise ValueError(
            f"einsum: the result's subscripts in {equation!r} must be different and occur in an "
            "operand"
        )
    return full, output


def _distinct(x: Tensor, letters: str, sizes: dict[str, int]) -> Term:
    """x with the diagonal of repeated letters, and without the size 1 of letters that broadcast."""
    for letter in sorted(set(letters)):
        while letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            if x.array.shape[i] != x.array.shape[j]:
                raise ValueError(
                    f"einsum: {letter!r}, twice in one operand, stands for sizes "
                    f"{x.array.shape[i]} and {x.array.shape[j]}"
                )
            x = diagonal(x, 0, i, j)
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + letter
    shape = x.array.shape
    spread = [i for i, c in enumerate(letters) if shape[i] == 1 and sizes[c] != 1]
    if spread:
        x = squeeze(x, spread)
        letters = "".join(c for i, c in enumerate(letters) if i not in spread)
    return x, letters


def _sum_out(term: Term, kept: Iterable[str]) -> Term:
    x, letters = term
    summed = [i for i, letter in enumerate(letters) if letter not in kept]
    if not summed:
        return term
    return x.sum(tuple(summed)), "".join(letter for letter in letters if letter in kept)


def _product(a: Term, b: Term, later: set[str]) -> Term:
    """Two terms as one, summed over the letters that neither the result nor later terms have."""
    x, left = _sum_out(a, later | set(b[1]))
    w, right = _sum_out(b, later | set(left))
    batch = [c for c in left if c in right and c in later]
    inner = [c for c in left if c in right and c not in later]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    size = dict(zip(left + right, x.array.shape + w.array.shape, strict=True))
    outside = batch + rows + columns

    def arranged(t: Tensor, letters: str, groups: list[list[str]]) -> Tensor:
        order = [letters.index(c) for group in groups for c in group]
        t = _permuted(t, order)
        if all(len(group) == 1 for group in groups):
            return t
        return reshape(t, [prod([size[c] for c in group]) for group in groups])

    x = arranged(x, left, [batch, rows, inner] if batch else [rows, inner])
    w = arranged(w, right, [batch, inner, columns] if batch else [inner, columns])
    y = matmul(x, w) if inner else x * w
    shape = tuple([size[c] for c in outside])
    return (y if y.array.shape == shape else reshape(y, shape)), "".join(outside)


def _permuted(x: Tensor, order: list[int]) -> Tensor:
    return x if order == sorted(order) else permute(x, order)


def bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x1^T W_k x2 + b_k: x1 (..., i), x2 (..., j), weight (k, i, j), bias (k) -> (..., k)."""
    if (
        weight.array.ndim != 3
        or x1.array.shape[:-1] != x2.array.shape[:-1]
        or (x1.array.shape[-1:], x2.array.shape[-1:])
        != (weight.array.shape[1:2], weight.array.shape[2:])
    ):
        raise ValueError(
            f"bilinear: expected x1 (..., i), x2 (..., j) and weight (k, i, j), got "
            f"{x1.array.shape}, {x2.array.shape} and {weight.array.shape}"
        )
    y = einsum("...i,kij,...j->...k", x1, weight, x2)
    return y if bias is None else y + bias
