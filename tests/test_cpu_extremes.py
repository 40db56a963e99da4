"""Extremes, counts and running sums by kernels, against NumPy's: the same to the last bit."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
from recorded import from_python, with_gradients

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import extremes, lines, reductions, threads
from tinygan.nn import functional as F

random = np.random.default_rng(0)

ORDERS: list[Any] = [
    lambda x: x,
    lambda x: np.asfortranarray(x),
    lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    lambda x: np.repeat(x, 2, axis=-1)[..., ::-2],
]
SHAPES = [
    (1,),
    (7,),
    (100_003,),
    (5, 1),
    (3, 29),
    (1100, 5),
    (2, 40_001),
    (4, 3, 300),
    (2, 5, 7, 3),
]


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lines, "PARALLEL", 0)
    monkeypatch.setattr(extremes, "SMALL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def drawn(shape: tuple[int, ...], dtype: Any, order: int) -> np.ndarray:
    """Numbers of which many are equal."""
    x = random.integers(-9, 9, shape).astype(dtype)
    return ORDERS[order](x) if x.ndim > 1 else x


def dims(ndim: int) -> list[Any]:
    several = chain.from_iterable(combinations(range(ndim), n) for n in range(1, ndim + 1))
    return [None, -1, *several]


def check(name: str, x: np.ndarray, **static: Any) -> None:
    expected = np.asarray(REGISTRY[name].reference(np, x, **static))
    kernel = getattr(extremes, name)
    for number in (1, 4):
        threads.set_num_threads(number)
        y = kernel(x, **static)
        np.testing.assert_array_equal(y, expected, strict=True)
    for out in (
        np.empty(y.shape, y.dtype),
        np.empty(y.shape, y.dtype, order="F"),
        np.empty_like(y),
    ):
        assert kernel(x, **static, out=out) is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("special", [False, True])
def test_extremes_and_their_places(shape: Any, dtype: Any, order: int, special: bool) -> None:
    x = drawn(shape, dtype, order)
    if special and x.size > 10:
        for i, value in enumerate((-np.inf, np.nan, np.inf, np.nan)):
            x[np.unravel_index(i * (x.size // 4), x.shape)] = value
    for dim in dims(x.ndim):
        for keepdim in (True, False):
            check("amax", x, dim=dim, keepdim=keepdim)
            check("amin", x, dim=dim, keepdim=keepdim)
            if dim is None or isinstance(dim, int) or len(dim) == 1:
                axis = dim[0] if isinstance(dim, tuple) else dim
                check("argmax", x, dim=axis, keepdim=keepdim)
                check("argmin", x, dim=axis, keepdim=keepdim)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("shape", SHAPES)
def test_counts(shape: Any, dtype: Any, order: int) -> None:
    for x in (
        drawn(shape, dtype, order),
        np.zeros(shape, dtype),
        np.full(shape, np.nan).astype(dtype),
    ):
        for dim in dims(x.ndim):
            check("count_nonzero", x, dim=dim)
            for name in ("any", "all"):
                check(name, x, dim=dim, keepdim=True)
                check(name, x, dim=dim, keepdim=False)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_running_sums(shape: Any, dtype: Any, order: int) -> None:
    x = drawn(shape, dtype, order) / dtype(3)
    x[-1:] = -0.0
    for dim in range(-x.ndim, x.ndim):
        check("cumsum", x, dim=dim)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_over_any_dimensions(shape: Any, dtype: Any, order: int) -> None:
    x = (
        ORDERS[order](random.standard_normal(shape).astype(dtype))
        if len(shape) > 1
        else drawn(shape, dtype, 0)
    )
    tolerance = 3e-6 if dtype == np.float32 else 1e-14
    for dim in dims(x.ndim):
        for keepdim in (True, False):
            wide = x.astype(np.float64)
            size = np.abs(wide).sum(dim, keepdims=keepdim)
            total, count = wide.sum(dim, keepdims=keepdim), x.size / size.size
            for name, static, expected, scale in (
                ("sum", {}, total, size),
                ("mean", {}, total / count, size / count),
                ("norm", {"p": 2}, np.sqrt((wide**2).sum(dim, keepdims=keepdim)), size),
            ):
                kernel = getattr(reductions, name)
                results = []
                for number in (1, 4):
                    threads.set_num_threads(number)
                    results.append(kernel(x, dim=dim, keepdim=keepdim, **static))
                np.testing.assert_array_equal(*results)
                assert results[0].dtype == dtype and results[0].shape == expected.shape
                assert (abs(results[0] - expected) <= tolerance * scale).all()
                out = np.empty(expected.shape, dtype, order="F")
                assert kernel(x, dim=dim, keepdim=keepdim, out=out, **static) is out
                np.testing.assert_array_equal(out, results[0])


def test_what_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    x = random.standard_normal((4, 6))
    for name in ("amax", "amin", "argmax", "argmin", "any", "all", "count_nonzero"):
        kernel = getattr(extremes, name)
        assert kernel(x.astype(np.float16)) is NotImplemented
        assert kernel(x[:0]) is NotImplemented
        assert kernel(x, dim=2) is NotImplemented
    assert extremes.cumsum(x, dim=0, dtype=np.dtype(np.float32)) is NotImplemented
    assert extremes.cumsum(x[:0], dim=0) is NotImplemented
    monkeypatch.setattr(extremes, "SMALL", 100)
    assert extremes.amax(x) is NotImplemented and extremes.cumsum(x, dim=0) is NotImplemented


def test_recorded_steps_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extremes, "SMALL", 1000)
    x = tinygan.tensor(random.standard_normal((4, 6, 5, 3)).astype(np.float32))
    last = x.permute(0, 2, 3, 1)
    for dim in (None, 0, 1, 2, 3, (0, 2), (1, 3)):
        for y in (x, last):
            for name in ("sum", "mean", "amax", "amin", "norm", "all", "count_nonzero"):
                function = getattr(tinygan, name)
                assert not from_python(lambda y, f=function, dim=dim: f(y, dim=dim), y)
            if not isinstance(dim, tuple):
                assert not from_python(lambda y, dim=dim: tinygan.argmax(y, dim), y)
    assert not from_python(with_gradients(lambda x: x.sum((0, 2)), 2), x)
    assert not from_python(lambda x: tinygan.cumsum(x, 1), x)
    assert not from_python(lambda x: tinygan.sum(tinygan.sum(x)), x)


def test_classes_are_compared_and_converted_by_launches() -> None:
    x = tinygan.tensor(random.standard_normal((40, 7)).astype(np.float32))
    t = tinygan.tensor(random.integers(-3, 7, (40,)))
    last = tinygan.tensor(random.integers(-3, 7, (2, 4, 5, 3))).permute(0, 3, 1, 2)
    for y in (t, last):
        for f in (tinygan.eq, tinygan.ne, tinygan.lt, tinygan.le, tinygan.gt, tinygan.ge):
            assert not from_python(lambda y, f=f: f(y, 2), y)
            assert from_python(lambda y, f=f: f(y, 0.5), y) == [f.name]
            assert from_python(lambda y, f=f: f(y, 1 << 60), y) == [f.name]
            assert from_python(lambda y, f=f: f(y, float("inf")), y) == [f.name]
        assert not from_python(lambda y: tinygan.where(y > 0, y, -100), y)
        for dtype in (tinygan.float32, tinygan.float64):
            assert not from_python(lambda y, dtype=dtype: y.to(dtype), y)
    assert not from_python(lambda x: (x.double() / 3).float(), x)
    assert not from_python(lambda x, t: (x.argmax(1) == t).float().mean(), x, t)
    for weight in (None, x[0].exp()):
        assert not from_python(
            with_gradients(lambda x, t, w=weight: F.nll_loss(x.log_softmax(1), t, w)), x, abs(t)
        )
