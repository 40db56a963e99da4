"""Joining, padding, reversing and the like by copies, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recorded import from_python, with_gradients

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import rearrange, threads
from tinygan.nn import functional as F

random = np.random.default_rng(0)

ORDERS: list[Any] = [
    lambda x: x,
    lambda x: np.asfortranarray(x),
    lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    lambda x: np.repeat(x, 2, axis=-1)[..., ::-2],
]
every_order = pytest.mark.parametrize("order", range(len(ORDERS)))
every_type = pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def drawn(shape: tuple[int, ...], dtype: Any = np.float32, order: int = 0) -> np.ndarray:
    x = (random.standard_normal(shape) * 9).astype(dtype)
    return ORDERS[order](x) if x.ndim > 1 else x


def check(name: str, *arrays: Any, **static: Any) -> None:
    expected = REGISTRY[name].reference(np, *arrays, **static)
    kernel = getattr(rearrange, name)
    for number in (1, 4):
        threads.set_num_threads(number)
        for out in (np.empty_like(expected), np.empty(expected.shape, expected.dtype, order="F")):
            out.fill(77)
            assert kernel(*arrays, **static, out=out) is out
            np.testing.assert_array_equal(out, expected, strict=True)


@every_order
@every_type
@pytest.mark.parametrize("shape", [(1,), (7,), (0, 3), (5, 8), (3, 4, 6), (2, 5, 6, 7)])
def test_copies(shape: tuple[int, ...], dtype: Any, order: int) -> None:
    x = drawn(shape, dtype, order)
    for value in (1, np.array(0, dtype)):
        check("fill", x, value)
    check("copy", x, drawn(shape[-1:], dtype))
    for dim in range(-1, x.ndim):
        other = list(shape)
        other[dim] = 3
        check("cat", x, drawn(tuple(other), dtype, order), x, dim=dim)
        check("flip", x, dims=(dim % x.ndim,))
        check("roll", x, shifts=(2,), dims=(dim,))
        check("roll", x, shifts=(-1, 13, 0), dims=(dim, 0, 0))
    check("flip", x, dims=tuple(range(x.ndim)))
    check("pad_constant", x, widths=((2, 1),) * x.ndim, value=1)
    check("pad_constant", x, widths=((0, 3),) + ((0, 0),) * (x.ndim - 1), value=1)
    if x.size:
        for key in (
            (slice(0, 1),),
            (..., slice(None, None, 3)),
            (0,),
            (None, ..., 0),
            (0,) * x.ndim,
        ):
            part = np.asarray(x[key])
            check("slice_grad", part, key=key, shape=shape)
            check("slice_set", x, part.copy(), key=key)
            check("slice_set", x, 1, key=key)


@every_order
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_edges_and_their_adjoint(mode: str, dtype: Any, order: int) -> None:
    for shape, widths in (
        ((2, 3, 6, 5), ((0, 0), (0, 0), (2, 1), (3, 4))),
        ((4, 33), ((0, 0), (1, 31))),
        ((5,), ((4, 0),)),
    ):
        x = drawn(shape, dtype, order)
        check("pad_edges", x, widths=widths, mode=mode)
        g = drawn(tuple(n + sum(w) for n, w in zip(shape, widths, strict=True)), dtype, order)
        expected = REGISTRY["fold_edges"].reference(np, g, widths=widths, mode=mode)
        found = rearrange.fold_edges(g, widths=widths, mode=mode)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        for out in (np.empty_like(expected), np.empty(shape, dtype)):
            assert rearrange.fold_edges(g, widths=widths, mode=mode, out=out) is out
            np.testing.assert_array_equal(out, found)


def test_what_is_left_to_numpy() -> None:
    x = drawn((3, 4))
    assert rearrange.flip(x, dims=(0,)) is NotImplemented
    assert rearrange.copy(x, x.astype(int), out=x.copy()) is NotImplemented
    assert rearrange.cat(x, x.astype(int), dim=0, out=drawn((6, 4))) is NotImplemented
    assert rearrange.fold_edges(x[:0], widths=((0, 0), (1, 1)), mode="circular") is NotImplemented


def test_recorded_steps_launch() -> None:
    x = tinygan.tensor(drawn((2, 6, 8, 7)))
    last = tinygan.tensor(drawn((2, 8, 7, 6))).permute(0, 3, 1, 2)

    def filled(x: Any) -> Any:
        y = x * 2
        y[:, 1:3] = 5.0
        y[..., 0] = x[..., 1]
        return y

    steps: list[Any] = [
        lambda x: tinygan.cat([x, x * 2, x[:, :1]], 1),
        lambda x: tinygan.stack([x, x + 1], 2),
        lambda x: x[:, 1:4, ::2].contiguous(),
        filled,
        lambda x: x.flip(2, 3) * x,
        lambda x: tinygan.roll(x, (3, -2), (1, 3)) * x,
        lambda x: F.pad(x, (1, 2, 3, 0)),
        lambda x: F.pad(x, (1, 2, 3, 0), "reflect"),
        lambda x: F.pad(x, (1, 2, 3, 0), "replicate"),
        lambda x: F.pad(x, (1, 2, 3, 0), "circular"),
        lambda x: x.clone().fill_(3.0) * x,
        lambda x: x.clone().copy_(x[:1]) * x,
    ]
    for step in steps:
        for y in (x, last):
            assert not from_python(with_gradients(step, 2), y)
