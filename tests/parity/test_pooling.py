"""Pooling beside PyTorch's: values, places and gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tinygan.autograd import grad, wrap
from tinygan.ops import pooling

torch = pytest.importorskip("torch")

random = np.random.default_rng(0)


def both(name: str, shape: tuple[int, ...], dtype: Any, *arguments: Any) -> None:
    """Compare values, places if there are any, and gradients, on an input with many ties."""
    array = random.integers(0, 6, shape).astype(dtype)
    theirs = torch.tensor(array, requires_grad=True)
    ours = wrap(array).requires_grad_()
    try:
        expected = getattr(torch.nn.functional, name)(theirs, *arguments)
    except RuntimeError:
        with pytest.raises(RuntimeError, match=name):
            getattr(pooling, name)(ours, *arguments)
        return
    y = getattr(pooling, name)(ours, *arguments)
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(y[1].array, expected[1])
        assert y[1].dtype == np.int64
        y, expected = y[0], expected[0]
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert y.dtype == dtype and y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.array, expected.detach(), atol=tolerance)
    g = random.standard_normal(y.shape).astype(dtype)
    (dx,) = grad(y, ours, wrap(g))
    (expected_dx,) = torch.autograd.grad(expected, theirs, torch.tensor(g))
    assert dx is not None
    np.testing.assert_allclose(dx.array, expected_dx, atol=tolerance)


SIZES = [(2, 3, 7, 7), (2, 3, 8, 5), (3, 6, 9)]
DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("places", [False, True])
def test_max_pool2d(dtype: Any, ceil_mode: bool, places: bool) -> None:
    for shape, kernel, stride, padding, dilation in product(
        SIZES, [2, 3, (2, 3)], [None, 1, 2, (3, 2)], [0, 1, (1, 0)], [1, 2]
    ):
        both("max_pool2d", shape, dtype, kernel, stride, padding, dilation, ceil_mode, places)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("include_pad", [False, True])
def test_avg_pool2d(dtype: Any, ceil_mode: bool, include_pad: bool) -> None:
    for shape, kernel, stride, padding, divisor in product(
        SIZES, [2, 3, (2, 3)], [None, 1, 2, (3, 2)], [0, 1, (1, 0)], [None, 5]
    ):
        both("avg_pool2d", shape, dtype, kernel, stride, padding, ceil_mode, include_pad, divisor)


def test_one_dimension() -> None:
    for shape, kernel, stride, padding, ceil_mode in product(
        [(2, 3, 9), (3, 8)], [2, 3, (4,)], [None, 1, 3], [0, 1], [False, True]
    ):
        both("max_pool1d", shape, np.float64, kernel, stride, padding, 1, ceil_mode)
        both("max_pool1d", shape, np.float64, kernel, stride, padding, 2, ceil_mode, True)
        for include_pad in (False, True):
            both("avg_pool1d", shape, np.float64, kernel, stride, padding, ceil_mode, include_pad)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 3, (2, None), (5, 4), 9])
def test_adaptive_pooling(dtype: Any, size: Any) -> None:
    for shape in [(2, 3, 9, 8), (3, 6, 12)]:
        both("adaptive_avg_pool2d", shape, dtype, size)
        both("adaptive_max_pool2d", shape, dtype, size)
        both("adaptive_max_pool2d", shape, dtype, size, True)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_adaptive_avg_pool1d(size: int) -> None:
    both("adaptive_avg_pool1d", (2, 3, 9), np.float64, size)
    both("adaptive_avg_pool1d", (3, 8), np.float64, size)
