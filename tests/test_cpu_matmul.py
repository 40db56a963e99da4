"""Products of matrices in pieces, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import blas, matmul, threads

random = np.random.default_rng(0)

pytestmark = pytest.mark.skipif(not blas.OURS, reason="NumPy's BLAS is not that of its wheels")


@pytest.fixture(autouse=True)
def _everything_in_pieces(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(matmul, "LEAST", 0)
    monkeypatch.setattr(matmul, "PARALLEL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


SHAPES = [(1, 1, 1), (7, 3, 5), (64, 100, 60), (5, 1, 9), (3, 20, 100), (33, 0, 4), (0, 3, 2)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_numpys(shape: tuple[int, int, int], dtype: Any) -> None:
    i, j, k = shape
    x, w = (
        random.standard_normal((i, j)).astype(dtype),
        random.standard_normal((k, j)).astype(dtype),
    )
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    for left in (x, np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2]):
        y = matmul.matmul(left, w.T)
        assert y.dtype == dtype and y.flags.c_contiguous
        np.testing.assert_allclose(y, x @ w.T, atol=tolerance)
    bias = random.standard_normal(k).astype(dtype)
    np.testing.assert_allclose(matmul.linear(x, w, bias), x @ w.T + bias, atol=tolerance)
    out = np.empty((k, i), dtype).T
    assert matmul.linear(x, w, out=out) is out
    np.testing.assert_allclose(out, x @ w.T, atol=tolerance)


def test_batches_are_numpys() -> None:
    x, w = (random.standard_normal((11, 5, 5), np.float32) for _ in range(2))
    np.testing.assert_allclose(matmul.matmul(x, w), x @ w, atol=1e-5)
    np.testing.assert_allclose(matmul.matmul(x, w[0]), x @ w[0], atol=1e-5)
    bias = random.standard_normal(5, np.float32)
    np.testing.assert_allclose(matmul.linear(x, w[0], bias), x @ w[0].T + bias, atol=1e-5)
    assert matmul.matmul(x[:0], w[:0]).shape == (0, 5, 5)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    x, w = (random.standard_normal((90, 90), np.float32) for _ in range(2))
    results = []
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        results.append(matmul.matmul(x, w))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_what_is_not_finite_comes_out_without_a_warning() -> None:
    threads.set_num_threads(3)
    x, w = np.ones((40, 8), np.float32), np.ones((8, 40), np.float32)
    x[3, 2], w[2, 5] = np.inf, 0
    for a, b in ((x, w), (x[:, 2:3], w[2:3])):
        y = matmul.matmul(a, b)
        assert np.isnan(y[3, 5]) and np.isposinf(y[3, 6]) and np.isfinite(y[4]).all()
    assert np.isnan(matmul.linear(x, w.T, np.full(40, -np.inf, np.float32))[3]).all()


def test_the_rest_is_left_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    x = random.standard_normal((4, 4), np.float32)
    assert matmul.matmul(x, x[0]) is NotImplemented
    assert matmul.matmul(x, x[None]) is NotImplemented
    assert matmul.matmul(x[None], x[None].repeat(2, 0)) is NotImplemented
    assert matmul.matmul(x, x[:3]) is NotImplemented
    assert matmul.matmul(x, x.astype(np.float64)) is NotImplemented
    assert matmul.matmul(x.astype(int), x.astype(int)) is NotImplemented
    assert matmul.matmul(x, x, out=x) is NotImplemented
    assert matmul.linear(x, x, x[0, :2]) is NotImplemented
    monkeypatch.setattr(matmul, "PARALLEL", 1 << 30)
    assert matmul.matmul(x, x) is NotImplemented


def test_an_error_in_a_piece_reaches_the_caller() -> None:
    def fail(i: int) -> None:
        raise ValueError(f"piece {i}")

    for number in (1, 4):
        with pytest.raises(ValueError, match="piece"):
            threads.run_each(fail, 8, number)
