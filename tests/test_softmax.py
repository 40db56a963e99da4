"""Softmax: values, extremes, errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_values(dim: int, device: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    expected = np.exp(x) / np.exp(x).sum(dim, keepdims=True)
    given = tinygan.tensor(x, device=device)
    assert np.allclose(F.softmax(given, dim).cpu().numpy(), expected)
    assert np.allclose(given.log_softmax(dim).cpu().numpy(), np.log(expected))


def test_extremes() -> None:
    x = tinygan.Tensor([[1e30, 0.0, -1e30], [-np.inf, 0.0, 0.0], [1e4, 1e4, 1e4]])
    assert np.allclose(F.softmax(x, 1).numpy(), [[1, 0, 0], [0, 0.5, 0.5], [1 / 3] * 3])
    y = F.log_softmax(x, 1).numpy()
    assert y[0, 0] == 0 and y[1, 0] == -np.inf and np.allclose(y[2], -np.log(3))
    assert np.isnan(F.softmax(tinygan.Tensor([-np.inf, -np.inf]), 0).numpy()).all()
    assert F.softmax(tinygan.zeros(2, 0), 1).shape == (2, 0)
    assert F.log_softmax(tinygan.zeros(0, 2), 0).shape == (0, 2)
    assert F.softmax(tinygan.tensor(3.0), 0).item() == 1


def test_dtype_and_errors() -> None:
    i = tinygan.from_numpy(np.array([1, 2, 3]))
    y = F.softmax(i, 0, dtype=tinygan.float64)
    assert y.dtype == np.float64 and np.isclose(y.numpy().sum(), 1)
    assert F.log_softmax(tinygan.ones(3), 0, dtype=tinygan.float64).dtype == np.float64
    for f in (F.softmax, F.log_softmax):
        with pytest.raises(RuntimeError, match="floating-point input"):
            f(i, 0)
        with pytest.raises(IndexError, match="out of range"):
            f(tinygan.ones(3), 1)


def test_it_leaves_its_input_alone() -> None:
    x = tinygan.randn(3, 4)
    before = x.numpy().copy()
    F.softmax(x, 1), F.log_softmax(x, 1)
    assert np.array_equal(x.numpy(), before)
