"""Sums and means by kernels, against NumPy's."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import reductions, threads

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def every_subset(ndim: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(range(ndim), n) for n in range(1, ndim + 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape",
    [(1,), (5,), (100_003,), (7, 33), (600, 70), (2000, 1), (1, 2000), (3, 5, 17), (2, 3, 4, 5)],
)
def test_sums_and_means_are_numpys(shape: tuple[int, ...], dtype: Any) -> None:
    x = random.standard_normal(shape).astype(dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    computed = 0
    for axes in every_subset(len(shape)):
        for keepdim in (True, False):
            exact = x.astype(np.float64).sum(axes, keepdims=keepdim)
            count = x.size / exact.size
            for y, expected in (
                (reductions.sum(x, dim=axes, keepdim=keepdim), exact),
                (reductions.mean(x, dim=axes, keepdim=keepdim), exact / count),
            ):
                if y is NotImplemented:
                    continue
                computed += 1
                assert y.dtype == dtype and y.shape == expected.shape
                np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * count**0.5)
        squares = np.sqrt((x.astype(np.float64) ** 2).sum(axes))
        y = reductions.norm(x, p=2, dim=axes)
        if y is not NotImplemented:
            np.testing.assert_allclose(y, squares, rtol=tolerance)
    assert computed >= 4 * len(shape)
    np.testing.assert_allclose(reductions.sum(x), x.astype(np.float64).sum(), atol=1e-2)


def test_the_gradient_of_a_bias() -> None:
    images = random.standard_normal((9, 6, 5, 70)).astype(np.float32).transpose(0, 3, 1, 2)
    y = reductions.sum(images, dim=(0, 2, 3))
    np.testing.assert_allclose(y, images.astype(np.float64).sum((0, 2, 3)), atol=1e-4)
    rows = random.standard_normal((700, 33)).astype(np.float32)
    for part in (rows, rows[:, 3:20], rows[::3]):
        y = reductions.sum_to_size(part, shape=(part.shape[1],))
        np.testing.assert_allclose(y, part.astype(np.float64).sum(0), atol=1e-4)
    y = reductions.sum_to_size(rows, shape=(1, 1))
    np.testing.assert_allclose(y, [[rows.astype(np.float64).sum()]], atol=1e-3)


def test_a_long_sum_is_accurate() -> None:
    x = np.full(1 << 24, 0.1, np.float32)
    assert reductions.sum(x) == pytest.approx(float(np.float32(0.1)) * x.size, rel=1e-6)
    assert reductions.mean(x.reshape(-1, 4), dim=0) == pytest.approx([0.1] * 4, rel=1e-5)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    x = random.standard_normal((3000, 70)).astype(np.float32)
    results = []
    for number in (1, 3, 4):
        threads.set_num_threads(number)
        results.append([reductions.sum(x), reductions.sum(x, dim=0), reductions.mean(x, dim=1)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_go_where_they_go(value: float) -> None:
    x = random.standard_normal((50, 40)).astype(np.float32)
    x[3, 4] = value
    for dim in (0, 1, None):
        np.testing.assert_array_equal(
            np.isfinite(reductions.sum(x, dim=dim)), np.isfinite(x.sum(dim))
        )


def test_what_is_not_covered_is_left_to_numpy() -> None:
    x = random.standard_normal((4, 6))
    assert reductions.sum(x.astype(np.float16)) is NotImplemented
    assert reductions.sum(x.astype(int)) is NotImplemented
    assert reductions.sum(x, dtype=np.dtype(np.float32)) is NotImplemented
    assert reductions.sum(x[:0]) is NotImplemented
    assert reductions.norm(x, p=1) is NotImplemented


def test_any_order_of_memory() -> None:
    x = random.standard_normal((4, 6, 5))
    for part in (x[:, ::2], x.transpose(1, 2, 0), x[::-1], np.broadcast_to(x[:1, :1], (4, 6, 5))):
        for axes in ((0,), (2,), (1, 2), (0, 1), (0, 1, 2)):
            np.testing.assert_allclose(reductions.sum(part, dim=axes), part.sum(axes), atol=1e-12)
