"""Picking and placing by index by CUDA kernels, against NumPy's: the same to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moved import host, needs_kernels, on_host_only, to
from recorded import from_python, with_gradients

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend.cuda import indexing, places
from tinygan.nn import functional as F

pytestmark = needs_kernels

random = np.random.default_rng(0)

ORDERS: list[Any] = [
    lambda x: x,
    lambda x: np.asfortranarray(x),
    lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    lambda x: np.repeat(x, 2, axis=-1)[..., ::-2],
]
TYPES = [np.float32, np.float64]


def drawn(shape: tuple[int, ...], dtype: Any, order: int = 0) -> np.ndarray:
    x = random.standard_normal(shape).astype(dtype)
    return ORDERS[order](x) if x.ndim > 1 else x


def check(name: str, *arrays: Any, **static: Any) -> None:
    ordered = [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in arrays]
    expected = REGISTRY[name].reference(np, *ordered, **static)
    kernel = getattr(indexing, name, None) or getattr(places, name)
    given = [to(x) if isinstance(x, np.ndarray) else x for x in arrays]
    y = kernel(*given, **static)
    assert y is not NotImplemented
    np.testing.assert_array_equal(host(y), expected, strict=True)
    out = to(np.full(expected.shape, 99, expected.dtype))
    assert kernel(*given, **static, out=out) is out
    np.testing.assert_array_equal(host(out), expected)


SHAPES = [(1,), (11,), (5, 1), (20, 13), (2, 3, 270), (2, 6, 5, 3)]


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_picking_along_a_dimension(shape: Any, dtype: Any, order: int) -> None:
    x = drawn(shape, dtype, order)
    for dim in range(x.ndim):
        for size in ((), (7,), (4, 3), (0,), (270,) if x.ndim < 3 else (1,)):
            index = random.integers(0, shape[dim], size)
            check("take", x, index, dim=dim)
            g = drawn((*shape[:dim], *size, *shape[dim + 1 :]), dtype)
            g = ORDERS[order](g) if 1 < g.ndim < 5 else g
            check("take_grad", g, index, dim=dim, size=shape[dim])
        check("take", x, random.integers(0, shape[dim], (6, 4))[:, ::2], dim=dim)


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_index_for_every_place(shape: Any, dtype: Any, order: int) -> None:
    x = drawn(shape, dtype, order)
    for dim in range(x.ndim):
        for count, less in ((shape[dim], 0), (1, 0), (9, 0), (4, 1), (0, 0)):
            size = tuple(count if d == dim else max(1, n - less) for d, n in enumerate(shape))
            index = random.integers(0, shape[dim], size)
            index = ORDERS[order](index) if index.ndim > 1 else index
            src = drawn(size, dtype, order)
            check("gather", x, index, dim=dim)
            check("gather_grad", src, index, dim=dim, shape=shape)
            check("scatter", x, index, 2.5, dim=dim)
            check("scatter", x, index, src, dim=dim)  # the last of several, as in NumPy
    index = random.integers(0, x.size, (3, 20))
    for value in (1.5, drawn((3, 20), dtype), drawn((20,), dtype)):
        check("put", x, value, index)


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
    check("embedding", index.astype(np.int32), drawn(table, dtype, 1))
    check("one_hot", index, num_classes=table[0])
    check("one_hot", index.astype(np.uint8), num_classes=300)


@on_host_only
def test_an_index_out_of_range_stops_the_device() -> None:
    weight = to(drawn((5, 3), np.float32))
    for wrong in ([0, 5], [-1], [10**12]):
        index = to(np.array(wrong))
        for launch in (
            lambda index: indexing.embedding(index, weight),
            lambda index: indexing.looked_up(weight, index, padding_idx=None),
            lambda index: indexing.take(weight, index, dim=0),
            lambda index: indexing.one_hot(index, num_classes=5),
        ):
            with pytest.raises(IndexError, match="from 0 to 4, got"):
                launch(index)


def test_what_is_left_to_the_reference() -> None:
    weight = to(drawn((5, 3), np.float32))
    index = to(np.array([4]))
    assert indexing.embedding(index, weight, padding_idx=5) is NotImplemented
    assert indexing.embedding(to(np.array([0.0])), weight) is NotImplemented
    assert indexing.take_grad(to(np.ones((1, 2), int)), index, dim=0, size=5) is NotImplemented
    assert places.scatter(weight, to(np.array([[4]])), to(np.ones((1, 1))), dim=0) is NotImplemented


def test_gradients_are_those_of_the_cpu_and_recorded_steps_launch() -> None:
    x = tinygan.tensor(drawn((6, 5, 4), np.float32))
    i = tinygan.tensor(random.integers(0, 5, (6, 9, 4)))
    rows = tinygan.tensor(random.integers(0, 6, 8))
    steps: list[Any] = [
        (lambda x, i: x.gather(1, i), i),
        (lambda x, i: tinygan.scatter(x, 1, i, x.sum(1, keepdim=True).expand(6, 9, 4)), i),
        (lambda x, i: tinygan.scatter_add(x, 1, i, (x * 2).repeat(1, 2, 1)[:, :9]), i),
        (lambda x, i: x[i], rows),
        (lambda x, i: x[:, i - 3], tinygan.tensor([2, 0, -1, 2])),
        (lambda x, i: F.embedding(i, x.reshape(6, 20)), rows),
        (lambda x, i: tinygan.index_add(x, 0, i, x[:2] * 3), tinygan.tensor([4, 4])),
    ]
    for step, index in steps:
        called = from_python(with_gradients(step, 2), x.to("cuda"), index.to("cuda"))
        assert set(called) <= {"sub"}  # of integers
        results = []
        for device in ("cpu", "cuda"):
            own = x.to(device).detach().requires_grad_()
            y = step(own, index.to(device))
            (g,) = tinygan.autograd.grad((y * y).sum(), [own], create_graph=True)
            (h,) = tinygan.autograd.grad((g * g).sum(), [own])
            results.append([a.detach().cpu().numpy() for a in (y, g, h)])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
