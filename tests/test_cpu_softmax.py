"""Softmax and its cross entropy by kernels, against their NumPy references."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from recorded import from_python, with_gradients

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import lines, softmax, threads
from tinygan.backend.cpu.tape import Tape
from tinygan.losses.softmax import softmax_cross_entropy, softmax_cross_entropy_grad
from tinygan.nn import functional as F

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _threads_restored(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(softmax, "PARALLEL", 0)
    monkeypatch.setattr(lines, "PARALLEL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def drawn(rows: int, classes: int, dtype: Any) -> Any:
    x = (random.standard_normal((rows, classes)) * 5).astype(dtype)
    return x, random.integers(0, classes, rows)


def close(a: Any, b: Any) -> None:
    limit = 20 * np.finfo(b.dtype).eps
    assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (32, 10), (5, 1000), (3001, 7)])
def test_results_are_the_references(reduction: str, dtype: Any, shape: Any) -> None:
    x, target = drawn(*shape, dtype)
    if shape == (32, 10):
        x[0, 3], x[1, 2], x[2, 4], x[3] = np.nan, np.inf, -np.inf, 1e4
    options = {"ignore_index": 2, "reduction": reduction}
    g = random.standard_normal(() if reduction != "none" else shape[0])
    g = np.asarray(g).astype(dtype)
    for number in (1, 4):
        threads.set_num_threads(number)
        with np.errstate(all="ignore"):
            loss = np.asarray(softmax_cross_entropy.reference(np, x, target, **options))
            slope = softmax_cross_entropy_grad.reference(np, g, x, target, **options)
        found = softmax.softmax_cross_entropy(x, target, **options)
        close(found, loss)
        close(softmax.softmax_cross_entropy_grad(g, x, target, **options), slope)
        for out in (np.empty_like(found),):
            assert softmax.softmax_cross_entropy(x, target, **options, out=out) is out
            np.testing.assert_array_equal(out, found)


def test_what_is_left_to_the_reference() -> None:
    x, target = drawn(4, 3, np.float32)
    options: Any = {"ignore_index": -100, "reduction": "mean"}
    loss, slope = softmax.softmax_cross_entropy, softmax.softmax_cross_entropy_grad
    assert loss(x.T.copy().T, target, **options) is NotImplemented
    assert loss(x, target.astype(np.int32), **options) is NotImplemented
    assert loss(x, np.array([0, 1, 2, 3]), **options) is NotImplemented
    assert loss(x, np.array([0, 1, 2, -1]), **options) is NotImplemented
    assert loss(x, np.array([0, 1, 2, -100]), **options) is not NotImplemented
    assert slope(1.0, x, target, **options) is NotImplemented
    assert slope(np.array(1.0), x, target, **options) is NotImplemented


def test_a_class_that_is_not_there_makes_nan_of_a_recorded_row() -> None:
    """A replayed step looks at no values; it must not learn from a wrong class in silence."""
    x, target = drawn(4, 3, np.float32)
    options: Any = {"ignore_index": -100, "reduction": "sum"}
    out, tape, start = np.zeros_like(x), Tape(), 64
    g = np.ones((), np.float32)
    assert tape.record(lambda: softmax.softmax_cross_entropy_grad(g, x, target, **options, out=out))
    for wrong in (3, -1):
        target[2] = wrong
        tape.play(start, tape.end)
        assert np.isnan(out[2]).all() and np.isfinite(np.delete(out, 2, 0)).all()


# -- along a dimension ----------------------------------------------------------------------------

ORDERS: list[Any] = [
    lambda x: x,
    lambda x: np.asfortranarray(x),
    lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
]
SHAPES = [(5,), (1,), (7, 1), (3, 10), (2, 300), (601, 3), (2, 5, 3, 4), (3, 1, 17, 2), (2, 9, 301)]


def drawn_in(shape: tuple[int, ...], dtype: Any, order: Any) -> np.ndarray:
    x = (random.standard_normal(shape) * 6).astype(dtype)
    return order(x) if x.ndim > 1 else x


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_normalised_along_any_dimension(shape: Any, dtype: Any, order: int) -> None:
    x = drawn_in(shape, dtype, ORDERS[order])
    if x.size > 100:
        x[0, 0], x[1, -1] = np.nan, -np.inf
        x[-1, -1] = np.inf
    for dim in range(x.ndim):
        for name in ("softmax", "log_softmax"):
            with np.errstate(all="ignore"):
                expected = REGISTRY[name].reference(np, x, dim=dim)
            results = []
            for number in (1, 4):
                threads.set_num_threads(number)
                results.append(getattr(softmax, name)(x, dim=dim))
            close(results[0], expected)
            np.testing.assert_array_equal(*results)
            out = np.empty_like(x)
            assert getattr(softmax, name)(x, dim=dim, out=out) is out
            np.testing.assert_array_equal(out, results[0])


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_logarithms_of_sums(shape: Any, dtype: Any, order: int) -> None:
    x = drawn_in(shape, dtype, ORDERS[order])
    if x.size > 100:
        x[0, 0], x[1, -1] = np.nan, -np.inf
        x[-1, -1] = np.inf
    dims: list[Any] = [None, *range(-x.ndim, x.ndim), *combinations(range(x.ndim), 2)]
    for dim in dims:
        for keepdim in (True, False):
            with np.errstate(all="ignore"):
                expected = np.asarray(
                    REGISTRY["logsumexp"].reference(np, x, dim=dim, keepdim=keepdim)
                )
            found = softmax.logsumexp(x, dim=dim, keepdim=keepdim)
            close(found, expected)
            for out in (np.empty(found.shape, dtype), np.empty(found.shape, dtype, order="F")):
                assert softmax.logsumexp(x, dim=dim, keepdim=keepdim, out=out) is out
                np.testing.assert_array_equal(out, found)


def test_normalising_is_left_to_the_reference() -> None:
    x = np.zeros((3, 4), np.float32)
    assert softmax.softmax(x[:0], dim=1) is NotImplemented
    assert softmax.softmax(x.astype(np.float16), dim=1) is NotImplemented
    assert softmax.logsumexp(x[:0], dim=0) is NotImplemented
    assert softmax.logsumexp(x.astype(np.float16), dim=0) is NotImplemented
    assert softmax.log_softmax(x, dim=1, out=np.zeros((3, 8), np.float32)[:, ::2]) is NotImplemented


# -- with weights and smoothing -------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_and_smoothing(reduction: str, smoothing: float, dtype: Any) -> None:
    for weighted in (False, True):
        x, target = drawn(61, 7, dtype)
        weight = random.uniform(0.5, 2, 7).astype(dtype) if weighted else None
        options = {"ignore_index": 2, "reduction": reduction, "smoothing": smoothing}
        g = np.asarray(random.standard_normal(() if reduction != "none" else 61)).astype(dtype)
        expected = softmax_cross_entropy.reference(np, x, target, weight, **options)
        slope = softmax_cross_entropy_grad.reference(np, g, x, target, weight, **options)
        for number in (1, 4):
            threads.set_num_threads(number)
            close(softmax.softmax_cross_entropy(x, target, weight, **options), np.asarray(expected))
            close(softmax.softmax_cross_entropy_grad(g, x, target, weight, **options), slope)
    assert (
        softmax.softmax_cross_entropy(x, target, np.ones(7, np.int64), **options) is NotImplemented
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [(5,), (6, 5), (3, 5, 4), (2, 5, 3, 4)])
def test_cross_entropy_is_its_parts(shape: Any, reduction: str, smoothing: float) -> None:
    """As with log_softmax, picking and adding, up to the second derivative."""
    x = tinygan.tensor(random.standard_normal(shape)).requires_grad_()
    places = shape[:1] * (len(shape) > 1) + shape[2:]
    target = tinygan.tensor(random.integers(0, 5, places))
    weight = tinygan.tensor(random.uniform(0.5, 2, 5))
    seed = tinygan.tensor(random.standard_normal(places if reduction == "none" else ()))
    found = []
    for w in (weight, weight.detach().requires_grad_()):  # one to learn takes the other way
        loss = F.cross_entropy(
            x, target, w, ignore_index=1, reduction=reduction, label_smoothing=smoothing
        )
        (g,) = tinygan.autograd.grad(loss, x, seed, create_graph=True)
        (h,) = tinygan.autograd.grad((g * g).sum(), x)
        found.append([loss, g, h])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_recorded_steps_launch() -> None:
    x = tinygan.tensor(random.standard_normal((4, 6, 5, 3)).astype(np.float32))
    for dim in (1, 3):
        for f in (F.softmax, F.log_softmax):
            assert not from_python(lambda x, f=f, dim=dim: f(x, dim).contiguous(), x)
        assert not from_python(lambda x, dim=dim: tinygan.logsumexp(x, dim), x)
    rows, weight = x.reshape(-1, 6), tinygan.tensor(random.uniform(0.5, 2, 6).astype(np.float32))
    target = tinygan.tensor(random.integers(0, 6, 60))

    def loss(rows: Any, target: Any) -> Any:
        return F.cross_entropy(rows, target, weight, label_smoothing=0.1)

    assert not from_python(with_gradients(loss), rows, target)
