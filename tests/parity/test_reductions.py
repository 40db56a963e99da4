"""Reductions against PyTorch's over dimensions, keepdim, types, ties and zeros."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare, same  # noqa: E402

import tinygan  # noqa: E402

X = np.random.default_rng(0).standard_normal((3, 4, 5))
DIMS: list[Any] = [None, 0, -1, (0, 2), (1,), (-1, 0, 1)]
ONE_DIM = [0, 1, -1]


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "logsumexp"])
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("keepdim", [False, True])
def test_over_dimensions(name: str, dim: Any, keepdim: bool) -> None:
    if dim is None and name in ("amax", "amin", "logsumexp"):
        dim = (0, 1, 2)
    compare(lambda lib, x: getattr(lib, name)(x, dim=dim, keepdim=keepdim), X)
    compare(lambda lib, x: getattr(x, name)(dim=dim, keepdim=keepdim), X.astype("f4"), order=1)
    compare(lambda lib, x: getattr(x.permute(2, 0, 1), name)(dim=dim, keepdim=keepdim), X, order=1)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "norm", "std", "var"])
def test_of_everything(name: str) -> None:
    compare(lambda lib, x: getattr(lib, name)(x), X)
    compare(lambda lib, x: getattr(x, name)(), X[0, 0, 0]) if name not in ("std", "var") else None
    compare(lambda lib, x: getattr(x, name)(), np.abs(X).astype("float16"), order=0)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum"])
def test_positional_arguments(name: str) -> None:
    compare(lambda lib, x: getattr(lib, name)(x, 1), X)
    compare(lambda lib, x: getattr(x, name)(-1), X)
    if name != "cumsum":
        compare(lambda lib, x: getattr(x, name)(1, True), X)


@pytest.mark.parametrize("dim", ONE_DIM)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["max", "min"])
def test_values_and_indices(name: str, dim: int, keepdim: bool) -> None:
    x = np.round(X)
    x[0, 0, 0] = 7.0
    compare(lambda lib, x: getattr(lib, name)(x, dim, keepdim), X)
    compare(lambda lib, x: getattr(x, name)(dim=dim, keepdim=keepdim).values, X)
    compare(lambda lib, x: getattr(lib, f"arg{name}")(x, dim, keepdim), X)
    compare(lambda lib, x: getattr(x, name)(dim)[1], np.arange(24).reshape(2, 3, 4) % 7)
    compare(lambda lib, x: getattr(x, name)(-1), np.float64(3.0))
    values, indices = getattr(tinygan.tensor(x), name)(dim, keepdim)
    assert values.shape == indices.shape


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_where_extremes_are(name: str) -> None:
    compare(lambda lib, x: getattr(lib, name)(x), X)
    compare(lambda lib, x: getattr(x, name)(), np.array([2, 1, 1, 5, 5]))


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_ties_share_the_gradient(name: str) -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    compare(lambda lib, x: getattr(x, name)(dim=1), x)
    compare(lambda lib, x: getattr(x, name)(dim=(0, 1)), x)
    compare(lambda lib, x: getattr(x, name[1:])(), x)
    compare(lambda lib, x: getattr(x, name[1:])(0).values, x)


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("keepdim", [False, True])
def test_spread(name: str, dim: Any, keepdim: bool) -> None:
    for correction in (0, 1, 2):
        compare(
            lambda lib, x: getattr(lib, name)(x, dim=dim, correction=correction, keepdim=keepdim),  # noqa: B023
            X,
        )
    compare(lambda lib, x: getattr(x, name)(unbiased=False), X)
    compare(lambda lib, x: getattr(x, name)(False), X)
    if dim is not None:
        compare(lambda lib, x: getattr(x, name)(dim, False, keepdim), X)
        compare(lambda lib, x: lib.var_mean(x, dim, keepdim=keepdim), X)


def test_spread_of_a_constant() -> None:
    compare(lambda lib, x: x.std(1), np.ones((2, 3)), order=1)
    compare(lambda lib, x: x.std(1, unbiased=False), np.ones((2, 1)), order=1)


@pytest.mark.parametrize("p", [1, 2, 3, 0, 1.5, 2.5, 0.5, -1, float("inf"), -float("inf"), "fro"])
@pytest.mark.parametrize("dim", [None, 1, (0, 2), (-1, 0, 1)])
def test_norms(p: Any, dim: Any) -> None:
    if p == "fro" and isinstance(dim, tuple) and len(dim) > 2:
        p = None  # "fro" is a matrix norm there
    compare(lambda lib, x: lib.norm(x, p, dim), X)
    compare(lambda lib, x: x.norm(p, dim=dim, keepdim=True), X, order=1)
    compare(lambda lib, x: x.norm(p, dim=dim), X.astype("f4"), order=1)


@pytest.mark.parametrize("p", [1, 2, 3, 0, 1.5, 2.5, 0.5, float("inf")])
def test_norm_at_zero(p: float) -> None:
    compare(lambda lib, x: x.norm(p), np.zeros(3), order=1)
    compare(lambda lib, x: x.norm(p, dim=1), np.array([[0.0, 0.0], [3.0, 0.0]]), order=1)


def test_norm_ties() -> None:
    compare(lambda lib, x: x.norm(float("inf")), np.array([2.0, -2.0, 1.0]), order=1)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_product_with_zeros(zeros: int) -> None:
    x = X[0].copy()
    x[0, :zeros] = 0.0
    compare(lambda lib, x: x.prod(), x)
    compare(lambda lib, x: x.prod(1), x)
    compare(lambda lib, x: x.prod(0, keepdim=True), x)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8])
def test_product_lengths(n: int) -> None:
    x = np.random.default_rng(n).standard_normal((n, 2))
    compare(lambda lib, x: x.prod(0), x, order=0 if n == 0 else 2)
    compare(lambda lib, x: x.sum(0), x)
    compare(lambda lib, x: x.sum(), x)
    compare(lambda lib, x: x.prod(), x, order=0)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float16", "float32"])
def test_types(dtype: str) -> None:
    x = (np.arange(12).reshape(3, 4) % 3).astype(dtype)
    for name in ("sum", "prod", "amax", "argmax", "count_nonzero"):
        if name == "argmax" and dtype == "bool":
            continue
        compare(lambda lib, x: getattr(lib, name)(x, dim=1), x, order=0)  # noqa: B023
    compare(lambda lib, x: x.cumsum(0), x, order=0)
    compare(lambda lib, x: x.sum(dtype=lib.float64), x, order=0)
    compare(lambda lib, x: x.mean(dtype=lib.float32), x, order=0)
    if dtype != "uint8":  # whose any() is uint8 there
        compare(lambda lib, x: x.any(1), x)
        compare(lambda lib, x: x.all(), x)
        compare(lambda lib, x: lib.any(x, dim=0, keepdim=True), x)
    compare(lambda lib, x: x.count_nonzero(), x)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cumsum(dim: int) -> None:
    compare(lambda lib, x: lib.cumsum(x, dim), X)
    compare(lambda lib, x: x.cumsum(dim=dim), np.arange(12).reshape(2, 3, 2))


def test_logsumexp_of_far_values() -> None:
    x = np.array([[1000.0, -1000.0], [-1000.0, -1000.0], [np.inf, 0.0], [-np.inf, 0.0]])
    compare(lambda lib, x: lib.logsumexp(x, 1), x[[0, 1, 3]])
    compare(lambda lib, x: lib.logsumexp(x, 1), x, order=0)
    compare(lambda lib, x: lib.logsumexp(x, (0, 1), True), np.full((2, 2), -np.inf), order=0)


def test_half_precision_sums_do_not_stall() -> None:
    x = np.ones(5000, dtype="float16")
    assert tinygan.tensor(x).sum().item() == 5000
    assert tinygan.tensor(x.reshape(5000, 1)).sum(0).item() == 5000
    same(tinygan.tensor(x * 20).mean(), torch.tensor(x * 20).mean(), "mean")


SEVERAL = ["sum", "mean", "var", "std", "amax", "amin", "logsumexp", "any", "all", "count_nonzero"]


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", [*SEVERAL, "norm", "prod", "cumsum", "argmax", "argmin", "max"])
def test_a_number_counts_as_having_a_dimension(name: str) -> None:
    def f(lib: Any, x: Any, dim: Any, **options: Any) -> Any:
        return getattr(lib, name)(x, dim=dim, **options)

    for dim in (0, -1, *(((0,), (-1,)) if name in (*SEVERAL, "norm") else ())):
        compare(lambda lib, x: f(lib, x, dim), np.float64(2.5), order=1)  # noqa: B023
        if name not in ("cumsum", "count_nonzero"):
            compare(lambda lib, x: f(lib, x, dim, keepdim=True), np.float64(2.5), order=1)  # noqa: B023
    for dim in (1, -2) if name != "cumsum" else ():
        for lib in (tinygan, torch):
            with pytest.raises(IndexError):
                f(lib, lib.tensor(2.5), dim)


@pytest.mark.parametrize("dim", [5, 2, -3])
def test_prod_along_what_is_not_there(dim: int) -> None:
    for lib in (tinygan, torch):
        with pytest.raises(IndexError, match=f"[dD]im.*{dim}"):
            lib.ones(2, 2).prod(dim)


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32", "float64"])
def test_types_that_are_asked_for(dtype: str) -> None:
    for x in (np.array([[0.0, 2.0, 0.5], [0.0, 0.0, 0.0]]), np.array([[0, 2], [1, 3]]), X[:, :0]):
        for name, dims in itertools.product(("sum", "prod"), ((), (1,))):

            def f(lib: Any, x: Any) -> Any:
                kind, x = getattr(lib, dtype), x.detach()
                asked = getattr(x, name)(*dims, dtype=kind)  # noqa: B023
                return asked, getattr(x.to(kind), name)(*dims)  # noqa: B023

            compare(f, x)


def test_logsumexp_of_integers() -> None:
    compare(lambda lib, x: lib.logsumexp(x, 1), np.array([[1, 2], [3, 400]]))
    compare(lambda lib, x: lib.logsumexp(x, 0), np.array([True, False]))
