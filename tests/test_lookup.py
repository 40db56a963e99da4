"""Embedding and one-hot: values, the gradient's sums, errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F


def indices(values: object, device: str = "cpu") -> tinygan.Tensor:
    return tinygan.tensor(np.array(values), device=device)


def test_embedding(device: str) -> None:
    weight = tinygan.tensor(np.arange(12.0).reshape(4, 3), device=device, requires_grad=True)
    y = F.embedding(indices([[0, 3], [3, 1]], device), weight)
    assert y.shape == (2, 2, 3)
    assert y.detach().cpu().tolist() == [[[0, 1, 2], [9, 10, 11]], [[9, 10, 11], [3, 4, 5]]]
    y.sum().backward()
    assert weight.grad is not None
    assert weight.grad.cpu().numpy()[:, 0].tolist() == [1, 1, 0, 2]
    assert F.embedding(indices(2, device), weight).shape == (3,)
    assert F.embedding(tinygan.zeros(0, 5, dtype=tinygan.int64), weight.cpu()).shape == (0, 5, 3)


@pytest.mark.parametrize("padding", [1, -3])
def test_padding_gets_a_value_but_no_gradient(padding: int, device: str) -> None:
    weight = tinygan.ones(4, 3, device=device, requires_grad=True)
    y = F.embedding(indices([0, 1, 1], device), weight, padding_idx=padding)
    assert (y.detach().cpu().numpy() == 1).all()
    (g,) = tinygan.autograd.grad(y.square().sum(), weight, create_graph=True)
    assert g.detach().cpu().numpy()[:, 0].tolist() == [2, 0, 0, 0]
    (h,) = tinygan.autograd.grad(g.sum(), weight)
    assert h.cpu().numpy()[:, 0].tolist() == [2, 0, 0, 0]


@pytest.mark.parametrize("bad", [4, -1, 2**40])
def test_an_index_out_of_range_is_an_error(bad: int) -> None:
    given = "-1 to 0" if bad < 0 else f"0 to {bad}"
    with pytest.raises(IndexError, match=f"embedding: expected indices from 0 to 3, got {given}"):
        F.embedding(indices([0, bad]), tinygan.ones(4, 3))
    with pytest.raises(IndexError, match="one_hot: expected indices from 0 to 3"):
        F.one_hot(indices([0, bad]), 4)


def test_errors() -> None:
    with pytest.raises(TypeError, match="integer indices"):
        F.embedding(tinygan.ones(2), tinygan.ones(4, 3))
    with pytest.raises(ValueError, match=r"\(V, E\)"):
        F.embedding(indices([0]), tinygan.ones(4))
    with pytest.raises(ValueError, match="padding_idx 4 is out of range"):
        F.embedding(indices([0]), tinygan.ones(4, 3), padding_idx=4)
    with pytest.raises(RuntimeError, match="num_classes is needed"):
        F.one_hot(tinygan.zeros(0, dtype=tinygan.int64))


def test_one_hot(device: str) -> None:
    x = indices([[0, 2], [1, 1]], device)
    assert F.one_hot(x, 4).dtype == np.int64
    assert F.one_hot(x).cpu().tolist() == np.eye(3, dtype=int)[[[0, 2], [1, 1]]].tolist()
    assert F.one_hot(x, 5).shape == (2, 2, 5)
    assert F.one_hot(indices(2, device), 4).cpu().tolist() == [0, 0, 1, 0]
