"""Embedding and one-hot compared with PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional


@pytest.mark.parametrize("shape", [(), (6,), (2, 3), (2, 2, 2)])
@pytest.mark.parametrize("padding", [None, 0, 2, -1])
@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_embedding(shape: tuple[int, ...], padding: int | None, kind: type) -> None:
    rng = np.random.default_rng(0)
    index, table = rng.integers(0, 5, shape).astype(kind), rng.standard_normal((5, 3))
    g, v = rng.standard_normal((*shape, 3)), rng.standard_normal((5, 3))
    w, t = tinygan.tensor(table, requires_grad=True), torch.tensor(table, requires_grad=True)
    y = F.embedding(tinygan.tensor(np.asarray(index)), w, padding)
    u = TF.embedding(torch.tensor(index), t, padding)
    assert np.array_equal(y.detach().numpy(), u.detach().numpy())
    gw, gt = tinygan.tensor(g, requires_grad=True), torch.tensor(g, requires_grad=True)
    (a,) = tinygan.autograd.grad(y, w, gw, create_graph=True)
    (b,) = torch.autograd.grad(u, t, gt, create_graph=True)
    assert np.allclose(a.detach().numpy(), b.detach().numpy())
    (a,) = tinygan.autograd.grad((a * tinygan.tensor(v)).sum(), gw)
    (b,) = torch.autograd.grad((b * torch.tensor(v)).sum(), gt)
    if padding is None or not (index == padding % 5).any():
        assert np.allclose(a.numpy(), b.numpy())
    else:  # the exact derivative; PyTorch differentiates as if there were no padding
        assert np.allclose(a.numpy()[index == padding % 5], 0)


@pytest.mark.parametrize("classes", [-1, 4, 9])
def test_one_hot(classes: int) -> None:
    index = np.array([[0, 3], [1, 1]])
    y, u = F.one_hot(tinygan.tensor(index), classes), TF.one_hot(torch.tensor(index), classes)
    assert y.dtype == np.int64 and np.array_equal(y.numpy(), u.numpy())


def test_the_same_inputs_are_refused() -> None:
    for f, of in ((F, tinygan.tensor), (TF, torch.tensor)):
        with pytest.raises(IndexError):
            f.embedding(of(np.array([5])), of(np.ones((5, 2))))
        with pytest.raises(IndexError):
            f.embedding(of(np.array([-1])), of(np.ones((5, 2))))
