"""Products of vectors, matrices and batches against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

import tinygan  # noqa: E402
import tinygan.ops  # noqa: E402


def real(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + len(shape)).standard_normal(shape)


SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((4, 1, 2, 3), (5, 3, 2)),
    ((1, 2, 3), (4, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((4, 0, 3), (3, 2)),
    ((2, 3, 0), (0, 2)),
    ((0, 2, 3), (3,)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    compare(lambda lib, x, w: lib.matmul(x, w), real(*left), real(*right, seed=7))
    compare(lambda lib, x, w: x @ w, real(*left).astype("f4"), real(*right).astype("f4"), order=1)


def test_matmul_of_transposes_and_slices() -> None:
    compare(lambda lib, x, w: x.T @ w[::2], real(4, 3), real(8, 5))
    compare(lambda lib, x, w: x.permute(0, 2, 1) @ w.T, real(2, 3, 4), real(5, 3))
    compare(lambda lib, x: x @ x.T, real(3, 4))
    compare(lambda lib, x: x @ x, real(3, 3))


def test_matmul_of_integers() -> None:
    compare(lambda lib, x, w: x @ w, np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,), (2, 0), (2, 1, 3)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_linear(batch: tuple[int, ...], bias: bool, dtype: str) -> None:
    def f(lib: Any, *args: Any) -> Any:
        linear = tinygan.ops.linear if lib is tinygan else torch.nn.functional.linear
        return linear(*args)

    arrays = [real(*batch, 3), real(2, 3, seed=1), real(2, seed=2)][: 3 if bias else 2]
    compare(f, *(a.astype(dtype) for a in arrays), order=2 if dtype == "float64" else 1)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (2, 3, 0)])
def test_linear_of_no_features_is_its_bias(shape: tuple[int, ...]) -> None:
    def f(lib: Any, *args: Any) -> Any:
        return (tinygan.ops if lib is tinygan else torch.nn.functional).linear(*args)

    compare(f, real(*shape), np.zeros((4, 0)), real(4))


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("bias", [False, True])
def test_bilinear(batch: tuple[int, ...], bias: bool) -> None:
    def f(lib: Any, *args: Any) -> Any:
        return (tinygan.ops if lib is tinygan else torch.nn.functional).bilinear(*args)

    arrays = [real(*batch, 2), real(*batch, 3, seed=1), real(5, 2, 3), real(5)]
    compare(f, *arrays[: 4 if bias else 3])


NAMED: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "mm": (lambda lib, x, w: lib.mm(x, w), [(2, 3), (3, 4)]),
    "bmm": (lambda lib, x, w: lib.bmm(x, w), [(5, 2, 3), (5, 3, 4)]),
    "mv": (lambda lib, x, w: lib.mv(x, w), [(2, 3), (3,)]),
    "dot": (lambda lib, x, w: lib.dot(x, w), [(3,), (3,)]),
    "outer": (lambda lib, x, w: lib.outer(x, w), [(3,), (2,)]),
    "addmm": (lambda lib, x, a, b: lib.addmm(x, a, b), [(4,), (2, 3), (3, 4)]),
    "addmm weighted": (
        lambda lib, x, a, b: lib.addmm(x, a, b, beta=0.5, alpha=-2),
        [(2, 4), (2, 3), (3, 4)],
    ),
    "baddbmm": (
        lambda lib, x, a, b: lib.baddbmm(x, a, b, beta=3, alpha=0.5),
        [(2, 4), (5, 2, 3), (5, 3, 4)],
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_products(name: str) -> None:
    f, shapes = NAMED[name]
    compare(f, *(real(*shape, seed=i) for i, shape in enumerate(shapes)))


def test_beta_zero_ignores_even_nan() -> None:
    x = np.full((2, 2), np.nan)
    compare(lambda lib, x, a: lib.addmm(x.detach(), a, a, beta=0), x, real(2, 2))


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba,cb", (2, 3), (4, 2)),
    (" i j , j k -> k i ", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
    ("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ij", (3, 3, 2)),
    ("iji->j", (3, 2, 3)),
    ("iii->i", (3, 3, 3)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (5, 3, 4)),
    ("...ij,...j", (2, 3, 4), (4,)),
    ("i...->...", (2, 3, 4)),
    ("...->...", (2, 3)),
    ("...,...->...", (2, 1), (3,)),
    ("i...j->ij...", (2, 5, 6, 3)),
    ("...i,...i->", (2, 3), (2, 3)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,ij->", (1, 3), (2, 1)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("bn,anm,bm->ba", (2, 3), (5, 3, 4), (2, 4)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("ij,k->k", (2, 3), (4,)),
    (",i->i", (), (3,)),
    ("Ab,bA->A", (2, 3), (3, 2)),
    ("bij,bkl->bijkl", (2, 1, 3), (2, 2, 1)),
]


@pytest.mark.parametrize(("equation", "shapes"), [(e, s) for e, *s in EQUATIONS])
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    arrays = [real(*shape, seed=i) for i, shape in enumerate(shapes)]
    compare(lambda lib, *xs: lib.einsum(equation, *xs), *arrays)
    compare(lambda lib, *xs: lib.einsum(equation, xs), *arrays, order=1)


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "matmul of sizes that do not meet": lambda lib, x: x @ x,
    "matmul with a vector too short": lambda lib, x: x @ x[:, 0],
    "matmul with a number": lambda lib, x: x @ x[0, 0],
    "batches that do not broadcast": lambda lib, x: x.expand(4, 2, 3) @ x.T.expand(5, 3, 2),
    "matmul of two types": lambda lib, x: x @ x.T.double(),
    "mm of a batch": lambda lib, x: lib.mm(x[None], x.T),
    "bmm of matrices": lambda lib, x: lib.bmm(x, x.T),
    "bmm of two batch sizes": lambda lib, x: lib.bmm(x.expand(4, 2, 3), x.T[None]),
    "mv of matrices": lambda lib, x: lib.mv(x, x.T),
    "dot of matrices": lambda lib, x: lib.dot(x, x),
    "outer of matrices": lambda lib, x: lib.outer(x, x),
    "einsum with too few operands": lambda lib, x: lib.einsum("ij,jk", x),
    "einsum with too few letters": lambda lib, x: lib.einsum("i", x),
    "einsum with too many letters": lambda lib, x: lib.einsum("ijk", x),
    "einsum of sizes that do not meet": lambda lib, x: lib.einsum("ij,jk", x, x),
    "einsum with an unknown output": lambda lib, x: lib.einsum("ij->k", x),
    "einsum with an output twice": lambda lib, x: lib.einsum("ij->ii", x),
    "einsum of no square": lambda lib, x: lib.einsum("ii", x),
    "einsum of digits": lambda lib, x: lib.einsum("12", x),
}


@pytest.mark.parametrize("name", WRONG)
def test_misuse_is_an_error_in_both(name: str) -> None:
    with pytest.raises(RuntimeError):
        WRONG[name](torch, torch.ones(2, 3))
    with pytest.raises((ValueError, TypeError)):
        WRONG[name](tinygan, tinygan.ones(2, 3))


def test_cosine_similarity_broadcasts() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((3, 4)), random.standard_normal(4)
    for dim in (0, 1, -1):
        f = lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y, dim)  # noqa: B023, E731
        compare(f, x, y, order=1)
    compare(lambda lib, x, y: lib.nn.CosineSimilarity()(x[:, None], y), x, x, order=1)
