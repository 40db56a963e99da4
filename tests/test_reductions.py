"""Reductions: values on both devices, dimensions, types, empty tensors, errors."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan
from tinygan.autograd import grad
from tinygan.backend import host_array

X = np.random.default_rng(0).standard_normal((2, 3, 4))

NUMPY = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "any": np.any,
         "all": np.all, "std": np.std, "var": np.var, "norm": np.linalg.norm,
         "count_nonzero": np.count_nonzero, "argmax": np.argmax, "argmin": np.argmin,
         "prod": np.prod}  # fmt: skip


ONE_DIMENSION = ("argmax", "argmin", "prod")


@pytest.mark.parametrize(
    ("name", "dim"),
    [(n, d) for n in NUMPY for d in (None, 0, -1, (0, 2)) if n not in ONE_DIMENSION or d != (0, 2)],
)
def test_values(name: str, dim: Any, device: str) -> None:
    options = {"correction": 0} if name in ("std", "var") else {}
    x = np.round(X, 1)
    if name == "norm" and dim is None:
        expected = np.linalg.norm(x.ravel())
    else:
        expected = NUMPY[name](x, axis=dim)
    y = getattr(tinygan, name)(tinygan.tensor(x, device=device), dim=dim, **options)
    assert y.device == device
    np.testing.assert_allclose(host_array(y.array), expected, 1e-12)
    if name != "count_nonzero" and not (name == "prod" and dim is None):
        kept = getattr(tinygan.tensor(x, device=device), name)(dim=dim, keepdim=True, **options)
        assert kept.shape == np.sum(x, axis=dim, keepdims=True).shape


@given(
    numpy_strategies.array_shapes(min_dims=1, max_dims=4, max_side=4),
    st.data(),
    st.sampled_from(["sum", "mean", "amax", "logsumexp", "norm"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_gradients_have_the_shape_of_the_input(
    shape: tuple[int, ...], data: Any, name: str, keepdim: bool
) -> None:
    axes = st.integers(-len(shape), len(shape) - 1)
    dim = data.draw(st.lists(axes, unique_by=lambda d: d % len(shape), min_size=1).map(tuple))
    x = tinygan.tensor(np.random.default_rng(0).random(shape), requires_grad=True)
    y = getattr(x, name)(dim=dim, keepdim=keepdim)
    (g,) = grad(y.sum(), x)
    assert g.shape == shape
    if name in ("amax", "mean", "logsumexp"):  # the parts of each sum to 1
        np.testing.assert_allclose(g.sum().item(), y.numel())


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_integers_sum_to_int64(dtype: str, device: str) -> None:
    x = tinygan.tensor(np.array([[1, 0, 1]] * 300, dtype), device=device)
    for y in (x.sum(), x.sum(0), x.prod(1), x.cumsum(0)):
        assert y.dtype == "int64"
    assert x.sum().item() == 600
    with pytest.raises(TypeError, match=r"mean: expected a floating-point tensor.*x\.float\(\)"):
        x.mean()
    with pytest.raises(TypeError, match="norm: expected a floating-point tensor"):
        x.norm()


def test_half_precision_is_accumulated_in_float32(device: str) -> None:
    x = tinygan.tensor(np.full((70000, 1), 0.5, "f2"), device=device)
    assert x.sum(0).dtype == "float16"
    assert x.sum(0).tolist() == [35008.0]  # the nearest number of that type
    assert (x * 8).mean().item() == 4.0
    assert (x[:4] * 1000).norm().item() == 1000.0  # whose squares would overflow
    assert (x * 512).var(0).item() == 0.0


def test_results_of_a_whole_reduction_are_0d_arrays(device: str) -> None:
    x = tinygan.tensor(X.astype("f4"), device=device)
    for name in ("sum", "mean", "amax", "norm", "std", "max", "prod", "argmax"):
        y = getattr(x, name)()
        assert y.shape == () and type(y.array) is type(x.array), name


def test_zero_and_empty_sizes(device: str) -> None:
    empty = tinygan.zeros(0, 3, device=device)
    assert empty.sum(0).tolist() == [0, 0, 0] and empty.prod(0).tolist() == [1, 1, 1]
    assert empty.sum().item() == 0 and math.isnan(empty.mean().item())
    assert not empty.any().item() and empty.all().item()
    with pytest.raises(ValueError, match="amax"):
        empty.amax(0)
    scalar = tinygan.tensor(3.0, device=device)
    assert scalar.sum().item() == scalar.max(0).values.item() == scalar.cumsum(0).item() == 3


def test_max_in_its_three_forms(device: str) -> None:
    x = tinygan.tensor([[1.0, 5.0], [7.0, 2.0]], device=device)
    assert x.max().item() == 7
    result = x.max(1)
    assert result.values.tolist() == [5, 7] and result.indices.tolist() == [1, 0]
    values, indices = tinygan.min(x, 0, True)
    assert values.tolist() == [[1, 2]] and indices.tolist() == [[0, 1]]
    assert tinygan.max(x, x.T).tolist() == [[1, 7], [7, 2]]


def test_norm_and_std_have_derivative_zero_at_zero(device: str) -> None:
    x = tinygan.zeros(2, 3, device=device, requires_grad=True)
    for y in (x.norm(), x.norm(dim=1), x.norm(1), x.norm(3), x.std(), x.std(1)):
        (g,) = grad(y.sum(), x, create_graph=True)
        assert (g == 0).all().item()
    (g,) = grad(x.norm(dim=1).sum(), x, create_graph=True)
    (h,) = grad((g * g).sum() + g.sum(), x)
    assert (h == 0).all().item()  # as a gradient penalty asks


def test_unit_gradient_of_a_norm() -> None:
    x = tinygan.tensor(X, requires_grad=True)
    (g,) = grad(x.norm(dim=(1, 2)).sum(), x)
    np.testing.assert_allclose(np.linalg.norm(np.asarray(g).reshape(2, -1), axis=1), 1)


@pytest.mark.parametrize("name", NUMPY)
def test_a_number_counts_as_having_one_dimension(name: str, device: str) -> None:
    x = tinygan.tensor(2.5, dtype=tinygan.float32, device=device)
    options = {"correction": 0} if name in ("std", "var") else {}
    for dim in (0, -1):
        y = getattr(tinygan, name)(x, dim=dim, **options)
        assert y.shape == () and y.item() == getattr(tinygan, name)(x, **options).item()
    for dim in (1, -2):
        with pytest.raises(IndexError, match=name if name not in ("std", "var") else "mean"):
            getattr(tinygan, name)(x, dim=dim)


def test_errors() -> None:
    x = tinygan.tensor(X)
    with pytest.raises(IndexError, match=r"sum: .*3"):
        x.sum(3)
    with pytest.raises(IndexError, match="max"):
        x.max(-4)
    with pytest.raises(ValueError, match="norm: p is a number or 'fro', it was given as 'nuc'"):
        x.norm("nuc")
    with pytest.raises(TypeError, match="cumsum"):
        tinygan.cumsum(x)
