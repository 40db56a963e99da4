"""The compiled cross entropy of softmax against its NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import softmax, threads
from tinygan.backend.cpu.tape import Tape
from tinygan.losses.softmax import softmax_cross_entropy, softmax_cross_entropy_grad

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _threads_restored(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(softmax, "PARALLEL", 0)
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
