"""Softmax compared with PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4, 2), (2, 0, 3)])
@pytest.mark.parametrize("last", [True, False])
def test_values_and_gradients(name: str, shape: tuple[int, ...], last: bool) -> None:
    rng = np.random.default_rng(0)
    a, g = 5 * rng.standard_normal(shape), rng.standard_normal(shape)
    dim = -1 if last else 0
    x, t = tinygan.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    y, u = getattr(F, name)(x, dim), getattr(TF, name)(t, dim)
    assert np.allclose(y.detach().numpy(), u.detach().numpy())
    (gx,) = tinygan.autograd.grad(y, x, tinygan.tensor(g), create_graph=True)
    (gt,) = torch.autograd.grad(u, t, torch.tensor(g), create_graph=True)
    assert np.allclose(gx.detach().numpy(), gt.detach().numpy())
    (hx,) = tinygan.autograd.grad((gx * gx).sum(), x)
    (ht,) = torch.autograd.grad((gt * gt).sum(), t)
    assert np.allclose(hx.numpy(), ht.numpy())


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_dtype(name: str) -> None:
    i = np.array([[1, 2], [5, 0]])
    y = getattr(F, name)(tinygan.tensor(i), 1, dtype=tinygan.float64)
    u = getattr(TF, name)(torch.tensor(i), 1, dtype=torch.float64)
    assert y.dtype == np.float64 and np.allclose(y.numpy(), u.numpy())
    x = np.array([1e4, -1e4, 3.0], np.float32)
    y, u = getattr(F, name)(tinygan.tensor(x), 0), getattr(TF, name)(torch.tensor(x), 0)
    assert np.allclose(y.numpy(), u.numpy())


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (2, 3, 4, 2)])
def test_without_a_dim(name: str, shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(0).standard_normal(shape)
    with pytest.warns(UserWarning, match="dim was not given") as seen:
        y = getattr(F, name)(tinygan.tensor(a))
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="Implicit dimension"):
        u = getattr(TF, name)(torch.tensor(a))
    assert np.allclose(y.numpy(), u.numpy())
