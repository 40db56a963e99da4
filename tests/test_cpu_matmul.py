"""Products of matrices by our own kernel, against NumPy's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import activations, choice, matmul, threads, unary
from tinygan.backend.cpu.compile import LANES
from tinygan.backend.cpu.tape import Tape

random = np.random.default_rng(0)
TOLERANCE = {np.float32: 3e-4, np.float64: 1e-11}


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


SHAPES = [
    (1, 1, 1),
    (7, 3, 5),
    (64, 100, 60),
    (5, 1, 9),
    (3, 20, 100),
    (9, 2 * LANES, 3 * LANES),
    (64, 33, 16),
    (33, 17, 4 * LANES + 1),
    (130, 1100, 50),
    (50, 2100, 7),
    (257, 2, 129),
    (7, 9000, 50),
    (2 * LANES + 1, 1100, 3),
    (2, 2100, 6 * LANES),
]


def normal(dtype: Any, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(dtype)


def bound(dtype: Any, k: int) -> float:
    """How far sums of k products of normal numbers may be off: sums and roundings grow with k."""
    return TOLERANCE[dtype] * max(1.0, k / 1024)


def laid_out(x: np.ndarray) -> list[np.ndarray]:
    """The same matrix in several places: by rows, by columns, with gaps, backwards, off a line."""
    moved = np.empty(x.size + 1, x.dtype)[1:].reshape(x.shape)
    moved[...] = x
    return [
        x,
        np.asfortranarray(x),
        np.repeat(x, 2, 1)[:, ::2],
        np.repeat(x, 3, 0)[::3],
        np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
        moved,
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_numpys(shape: tuple[int, int, int], dtype: Any) -> None:
    m, k, n = shape
    x, w = normal(dtype, m, k), normal(dtype, k, n)
    computed = 0
    for left in laid_out(x):
        for right in laid_out(w):
            y = matmul.matmul(left, right)
            if y is not NotImplemented:
                assert y.dtype == dtype and y.flags.c_contiguous
                np.testing.assert_allclose(y, x @ w, atol=bound(dtype, k))
                computed += 1
    assert computed >= 18
    out = np.full((m, 2 * n), np.nan, dtype)
    assert matmul.matmul(x, w, out=out[:, n:]) is not NotImplemented
    np.testing.assert_allclose(out[:, n:], x @ w, atol=bound(dtype, k))
    assert np.isnan(out[:, :n]).all()


ACTIVATIONS: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    None: lambda y: y,
    ("relu", 0.0): lambda y: np.maximum(y, 0),
    ("leaky_relu", 0.2): lambda y: np.where(y > 0, y, y * y.dtype.type(0.2)),
    ("tanh", 0.0): unary.tanh,
    ("sigmoid", 0.0): activations.sigmoid,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bias_and_activation_are_applied(
    shape: tuple[int, int, int], activation: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matmul.choice, "by_blas", lambda *arguments: False)
    m, k, n = shape
    x, w, bias = normal(dtype, m, k), normal(dtype, n, k), normal(dtype, n)
    y = matmul.linear(x, w, bias, activation=activation)
    expected = ACTIVATIONS[activation](x @ w.T + bias)
    np.testing.assert_allclose(y, expected, atol=bound(dtype, k))
    if activation is not None:  # joined to the product it gives the same bits
        np.testing.assert_array_equal(y, ACTIVATIONS[activation](matmul.linear(x, w, bias)))
    wide = np.ascontiguousarray(w.T).T
    y = matmul.linear(x, wide, bias, activation=activation)
    np.testing.assert_allclose(y, expected, atol=bound(dtype, k))
    assert matmul.linear(x, w, np.repeat(bias, 2)[::2]) is NotImplemented


def test_blas_leaves_the_activation_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul.choice, "by_blas", lambda *arguments: True)
    x, w, bias = normal(np.float32, 9, 5), normal(np.float32, 4, 5), normal(np.float32, 4)
    np.testing.assert_allclose(matmul.linear(x, w, bias), x @ w.T + bias, atol=1e-5)
    out = np.full((9, 4), np.nan, np.float32)
    assert matmul.linear(x, w, bias, out=out, activation=("relu", 0.0)) is NotImplemented
    assert np.isnan(out).all()


def test_batches_are_numpys() -> None:
    for dtype in TOLERANCE:
        x, w = normal(dtype, 11, 5, 7), normal(dtype, 11, 7, 6)
        close: Any = {"atol": TOLERANCE[dtype]}
        np.testing.assert_allclose(matmul.matmul(x, w), x @ w, **close)
        np.testing.assert_allclose(matmul.matmul(x, w[0]), x @ w[0], **close)
        turned = np.ascontiguousarray(w.transpose(0, 2, 1)).transpose(0, 2, 1)
        np.testing.assert_allclose(matmul.matmul(x, turned), x @ w, **close)
        np.testing.assert_allclose(matmul.linear(x, turned[0].T), x @ w[0], **close)
        np.testing.assert_allclose(matmul.matmul(x[::-2], w[::-2]), x[::-2] @ w[::-2], **close)


def test_what_is_not_covered_is_left_to_numpy() -> None:
    x = normal(np.float32, 4, 4)
    for other in (x.astype(np.float64), x.astype(np.float16), np.arange(16).reshape(4, 4), x[:3]):
        assert matmul.matmul(x, other) is NotImplemented
    assert matmul.matmul(x[:0], x) is NotImplemented
    assert matmul.matmul(x[:, :0], x[:0]) is NotImplemented
    assert matmul.matmul(x, x, out=np.empty((4, 8), np.float32)[:, ::2]) is NotImplemented


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_go_where_they_go(value: float) -> None:
    x, w, bias = normal(np.float32, 20, 30), normal(np.float32, 40, 30), normal(np.float32, 40)
    x[3, 4] = value
    w[5, 6] = value
    bias[7] = value
    with np.errstate(invalid="ignore"):
        expected = x @ w.T + bias
        for activation, function in ACTIVATIONS.items():
            y = matmul.linear(x, w, bias, activation=activation)
            np.testing.assert_allclose(y, function(expected), atol=1e-4)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    x, w = normal(np.float32, 190, 1300), normal(np.float32, 110, 1300)
    results = []
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        results.append([matmul.linear(x, w), matmul.matmul(x.T, x), matmul.linear(x[:50], w)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_error_in_a_piece_is_raised() -> None:
    def fail(chunk: int) -> None:
        if chunk == 5:
            raise MemoryError

    for number in (1, 3):
        with pytest.raises(MemoryError):
            threads.run_each(fail, 8, number)


def test_the_choice_is_measured_once_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = {"own": 0, "blas": 0}

    def way(name: str, seconds: float) -> Callable[[Any, Any], None]:
        def product(x: Any, w: Any) -> None:
            calls[name] += 1
            time.sleep(seconds)

        return product

    monkeypatch.setattr(choice, "cache_directory", lambda: tmp_path / "cache")
    monkeypatch.setattr(choice.blas, "OURS", True)
    slow, quick = way("own", 0.004), way("blas", 0.001)
    assert choice.by_blas("float32", 512, 512, 512, slow, quick)
    assert calls == {"own": 45, "blas": 45}
    assert choice.by_blas("float32", 64, 1000, 1000, slow, quick)
    assert not choice.by_blas("float32", 64, 10, 10, slow, quick)  # too small to ask
    choice.table.cache_clear()
    assert choice.by_blas("float32", 512, 512, 512, slow, quick)  # from the disk
    assert calls == {"own": 45, "blas": 45}
    assert not choice.by_blas("float64", 512, 512, 512, quick, slow)
    (tmp_path / "cache" / next(tmp_path.rglob("*float32*")).name).write_text("{")
    choice.table.cache_clear()
    assert choice.by_blas("float32", 512, 512, 512, slow, quick) and calls["own"] > 90
    choice.table.cache_clear()


def test_products_by_blas_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, bias = normal(np.float32, 150, 40), normal(np.float32, 60, 40), normal(np.float32, 60)
    expected = matmul.linear(x, w, bias)
    monkeypatch.setattr(choice, "by_blas", lambda *_: True)
    for number in (1, 4):
        threads.set_num_threads(number)
        np.testing.assert_allclose(matmul.linear(x, w, bias), expected, atol=1e-4)
        np.testing.assert_allclose(matmul.matmul(w, x.T), w @ x.T, atol=1e-4)
    tape = Tape()
    assert not tape.record(lambda: matmul.matmul(w, x.T))
