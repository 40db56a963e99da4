"""Activations against PyTorch's: values, derivatives to order 2, kinks and far values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

import tinygan  # noqa: E402

X = np.array([-7.0, -3.5, -1.0, -0.4, -1e-3, 0.0, 1e-3, 0.4, 1.0, 3.5, 6.0, 7.0])
FAR = np.array([-1000.0, -90.0, -30.0, 30.0, 90.0, 1000.0])


def F(lib: Any) -> Any:
    return torch.nn.functional if lib is torch else tinygan


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda lib, x: lib.sigmoid(x),
    "softplus": lambda lib, x: F(lib).softplus(x),
    "softplus beta": lambda lib, x: F(lib).softplus(x, 2.5),
    "softplus threshold": lambda lib, x: F(lib).softplus(x, beta=0.5, threshold=1),
    "logsigmoid": lambda lib, x: F(lib).logsigmoid(x),
    "relu": lambda lib, x: lib.relu(x),
    "leaky_relu": lambda lib, x: F(lib).leaky_relu(x),
    "leaky_relu 0.2": lambda lib, x: F(lib).leaky_relu(x, 0.2),
    "leaky_relu 0": lambda lib, x: F(lib).leaky_relu(x, 0.0),
    "leaky_relu 1.5": lambda lib, x: F(lib).leaky_relu(x, 1.5),
    "leaky_relu -0.5": lambda lib, x: F(lib).leaky_relu(x, negative_slope=-0.5),
    "elu": lambda lib, x: F(lib).elu(x),
    "elu alpha": lambda lib, x: F(lib).elu(x, 0.3),
    "selu": lambda lib, x: F(lib).selu(x),
    "gelu": lambda lib, x: F(lib).gelu(x),
    "gelu tanh": lambda lib, x: F(lib).gelu(x, approximate="tanh"),
    "silu": lambda lib, x: F(lib).silu(x),
    "hardtanh": lambda lib, x: F(lib).hardtanh(x),
    "hardtanh bounds": lambda lib, x: F(lib).hardtanh(x, -0.4, 3.5),
    "relu6": lambda lib, x: F(lib).relu6(x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    f = ACTIVATIONS[name]
    compare(f, X, order=1)
    compare(f, X[X != 0])  # at a kink the second derivative is a matter of taste
    compare(f, X.reshape(2, 3, 2).transpose(0, 2, 1), order=1)
    compare(f, X.astype("float32"), order=1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_far_values(name: str) -> None:
    compare(ACTIVATIONS[name], FAR)
    compare(ACTIVATIONS[name], FAR.astype("float32"), order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name: str) -> None:
    y = ACTIVATIONS[name](tinygan, tinygan.tensor([float("nan"), 1.0]))
    assert np.isnan(np.asarray(y)).tolist() == [True, False]


@pytest.mark.parametrize("dim", [-1, 0, 2])
def test_glu(dim: int) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 6))
    compare(lambda lib, x: lib.nn.functional.glu(x, dim), x)
    compare(lambda lib, x: lib.nn.functional.glu(x, dim=dim), x.astype("float32"), order=1)
    for lib in (torch, tinygan):
        with pytest.raises(RuntimeError, match="even"):
            lib.nn.functional.glu(lib.ones(4, 3), 1)
        with pytest.raises(IndexError, match="range"):
            lib.nn.functional.glu(lib.ones(4, 2), 2)


@pytest.mark.parametrize("inplace", [False, True])
def test_rrelu(inplace: bool) -> None:
    ours, theirs = tinygan.nn.RReLU(0.1, 0.3, inplace), torch.nn.RReLU(0.1, 0.3, inplace)
    assert repr(ours) == repr(theirs)
    compare(lambda lib, x: (ours if lib is tinygan else theirs).eval()(x * 1), X[X != 0])
    for lib, layer in ((tinygan, ours.train()), (torch, theirs.train())):
        x = lib.linspace(-2, 2, 2000, requires_grad=True)
        y = layer(x * 1)
        y.sum().backward()
        slopes, negative = np.asarray((y / x).detach()), np.asarray(x.detach()) < 0
        assert (slopes[~negative] == 1).all()
        assert slopes[negative].min() >= 0.1 - 1e-6 and slopes[negative].max() <= 0.3 + 1e-6
        assert abs(slopes[negative].mean() - 0.2) < 0.01 and slopes[negative].std() > 0.05
        np.testing.assert_allclose(np.asarray(x.grad), slopes, rtol=1e-5)
        with pytest.raises(RuntimeError, match=r"lower|Lower"):
            lib.nn.functional.rrelu(lib.ones(3), 0.5, 0.1, True)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2, 2), (4, 3, 5)])
def test_prelu(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal(shape)
    compare(lambda lib, x, w: F(lib).prelu(x, w), x, np.array([0.3]))
    weight = random.standard_normal(shape[1])
    compare(lambda lib, x, w: F(lib).prelu(x, w), x, weight)
    x.flat[0] = 0.0
    compare(lambda lib, x, w: F(lib).prelu(x, w), x, weight, order=1)


def test_prelu_of_a_number() -> None:
    for weight in (np.array([0.3]), np.array(0.3)):
        compare(lambda lib, x, w: F(lib).prelu(x, w), np.float64(-2.0), weight, order=1)
    compare(lambda lib, x: lib.nn.PReLU()(x), np.float32(-2.0), order=1)
    for lib in (tinygan, torch):
        for x in (lib.tensor(1.0), lib.ones(2)):
            with pytest.raises((ValueError, RuntimeError)):
                F(lib).prelu(x, lib.ones(2))


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8"])
def test_bounds_of_integers(dtype: str) -> None:
    x = np.array([-3, 0, 9], dtype)
    compare(lambda lib, x: F(lib).relu6(x), x)
    compare(lambda lib, x: lib.nn.ReLU6(inplace=True)(x), x)
    compare(lambda lib, x: F(lib).hardtanh(x), x)
    compare(lambda lib, x: F(lib).hardtanh(x, -2.5, 2.5), x)
    compare(lambda lib, x: F(lib).relu6(x), abs(x).astype("uint8"))
