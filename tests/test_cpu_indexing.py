"""Picking and placing by kernels, against NumPy's: the same to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recorded import from_python, with_gradients

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import indexing, lines, places, threads
from tinygan.nn import functional as F

random = np.random.default_rng(0)

ORDERS: list[Any] = [
    lambda x: x,
    lambda x: np.asfortranarray(x),
    lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    lambda x: np.repeat(x, 2, axis=-1)[..., ::-2],
]
TYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lines, "PARALLEL", 0)
    monkeypatch.setattr(indexing, "SMALL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def drawn(shape: tuple[int, ...], dtype: Any, order: int = 0) -> np.ndarray:
    x = random.standard_normal(shape).astype(dtype)
    return ORDERS[order](x) if x.ndim > 1 else x


def check(name: str, *arrays: Any, **static: Any) -> None:
    expected = REGISTRY[name].reference(np, *arrays, **static)
    kernel = getattr(indexing, name, None) or getattr(places, name)
    for number in (1, 4):
        threads.set_num_threads(number)
        y = kernel(*arrays, **static)
        np.testing.assert_array_equal(y, expected, strict=True)
    out = np.full_like(expected, 99)
    assert kernel(*arrays, **static, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1,), (11,), (5, 1), (40, 30), (3, 9, 600), (2, 6, 5, 3)])
def test_picking_along_a_dimension(shape: Any, dtype: Any, order: int) -> None:
    x = drawn(shape, dtype, order)
    for dim in range(x.ndim):
        for size in ((), (1,), (7,), (40, 3), (300,)):
            index = random.integers(0, shape[dim], size)
            check("take", x, index, dim=dim)
            g = drawn((*shape[:dim], *size, *shape[dim + 1 :]), dtype)
            g = ORDERS[order](g) if 1 < g.ndim < 5 else g
            check("take_grad", g, index, dim=dim, size=shape[dim])
        check("take", x, random.integers(0, shape[dim], (6, 4))[:, ::2], dim=dim)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1,), (11,), (5, 1), (40, 30), (3, 9, 600), (2, 6, 5, 3)])
def test_an_index_for_every_place(shape: Any, dtype: Any, order: int) -> None:
    x = drawn(shape, dtype, order)
    for dim in range(x.ndim):
        for count, less in ((shape[dim], 0), (1, 0), (31, 0), (4, 1)):
            size = tuple(count if d == dim else max(1, n - less) for d, n in enumerate(shape))
            index = random.integers(0, shape[dim], size)
            index = ORDERS[order](index) if index.ndim > 1 else index
            src = drawn(size, dtype, order)
            check("gather", x, index, dim=dim)
            check("gather_grad", src, index, dim=dim, shape=shape)
            check("scatter", x, index, 2.5, dim=dim)
            once = np.argsort(random.random(shape), dim)[tuple(slice(n) for n in size)]
            check("scatter", x, once, drawn(once.shape, dtype), dim=dim)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [(), (1,), (64,), (8, 33)])
@pytest.mark.parametrize("table", [(1, 1), (50, 7), (300, 130)])
def test_rows_of_a_table(table: Any, size: Any, dtype: Any) -> None:
    weight, index = drawn(table, dtype), random.integers(0, table[0], size)
    g = drawn((*size, table[1]), dtype)
    for padding in (None, 0, -1):
        check("embedding", index, weight, padding_idx=padding)
        check("embedding_grad", g, index, count=table[0], padding_idx=padding)
        check("looked_up", weight, index, padding_idx=padding)
    check("embedding", index, drawn(table, dtype, 1))
    check("one_hot", index, num_classes=table[0])


def test_errors_are_the_references() -> None:
    weight = drawn((5, 3), np.float32)
    for wrong in (np.array([0, 5]), np.array([-1]), np.array([0.0])):
        assert indexing.embedding(wrong, weight) is NotImplemented
        assert indexing.looked_up(weight, wrong, padding_idx=None) is NotImplemented
        assert indexing.one_hot(wrong, num_classes=5) is NotImplemented
    right = np.array([4])
    assert indexing.embedding(right, weight, padding_idx=5) is NotImplemented
    assert indexing.embedding(right.astype(np.int32), weight) is NotImplemented
    assert indexing.take_grad(weight.astype(int), right, dim=0, size=5) is NotImplemented
    assert indexing.take(weight.astype(np.float16), right, dim=0) is NotImplemented
    assert places.gather(weight, right[:0, None], dim=0) is NotImplemented


def test_recorded_steps_launch_and_a_place_outside_gives_nan() -> None:
    x = tinygan.tensor(drawn((6, 5, 4), np.float32))
    i = tinygan.tensor(random.integers(0, 5, (6, 9, 4)))
    rows = tinygan.tensor(random.integers(0, 6, 8))
    steps: list[Any] = [
        (lambda x, i: x.gather(1, i), i),
        (lambda x, i: tinygan.scatter(x, 1, i, x.sum(1, keepdim=True).expand(6, 9, 4)), i),
        (lambda x, i: tinygan.scatter_add(x, 1, i, (x * 2).repeat(1, 2, 1)[:, :9]), i),
        (lambda x, i: x[i], rows),
        (lambda x, i: x[:, i - 3], tinygan.tensor([2, 0, -1, 2])),
        (lambda x, i: tinygan.index_select(x, 2, i), tinygan.tensor([3, 0, 3])),
        (lambda x, i: F.embedding(i, x.reshape(6, 20)), rows),
        (lambda x, i: tinygan.index_add(x, 0, i, x[:2] * 3), tinygan.tensor([4, 4])),
    ]
    for step, index in steps:
        assert not set(from_python(with_gradients(step, 2), x, index)) & {
            *("check_index", "take", "take_grad", "gather", "gather_grad", "scatter"),
            *("embedding", "embedding_grad", "looked_up"),
        }
    assert not from_python(lambda i: F.one_hot(i, 6), rows)

    def outside(step: Any, index: tinygan.Tensor, wrong: int) -> np.ndarray:
        replayed: Any = tinygan.compile(step)
        for _ in range(3):
            assert not np.isnan(replayed(x, index).numpy()).any()
        bad = index.detach().clone()
        bad[(0,) * bad.ndim] = wrong
        result: np.ndarray = np.isnan(replayed(x, bad).numpy())
        return result

    for wrong in (10**12, -(10**12)):
        assert outside(lambda x, i: x.gather(1, i), i, wrong).sum() == 1
        assert outside(lambda x, i: x[i], rows, wrong).sum() == 20
        assert outside(lambda x, i: F.embedding(i, x.reshape(6, 20)), rows, wrong).sum() == 20
        assert outside(lambda x, i: tinygan.scatter(x, 1, i, 1.0), i, wrong).any()
