"""Copies between memory orders against NumPy's."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import copy, threads
from tinygan.backend.cpu.copy import channels_last, clone, contiguous, fits, ordered

random = np.random.default_rng(0)
TYPES = [np.float32, np.float64, np.int64, np.bool_, np.float16]


def inverse(order: tuple[int, ...]) -> list[int]:
    return [order.index(d) for d in range(len(order))]


@pytest.fixture(autouse=True)
def _threads_restored() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "shape", [(), (1,), (0,), (7,), (3, 0, 2), (5, 33), (2, 1, 17), (2, 3, 5, 7), (3, 19, 18, 17)]
)
def test_every_order_to_every_order(shape: tuple[int, ...], dtype: Any) -> None:
    values = np.asarray(random.standard_normal(shape) * 100).astype(dtype)
    for order in permutations(range(len(shape))):
        x = values.transpose(order).copy().transpose(inverse(order))
        for other in permutations(range(len(shape))):
            out = np.zeros_like(values.transpose(other).copy()).transpose(inverse(other))
            assert copy.copy(x, out)
            np.testing.assert_array_equal(out, values)
            y = ordered(x, other)
            np.testing.assert_array_equal(y, values)
            assert y.transpose(other).flags.c_contiguous


def test_slices_steps_and_broadcast_arrays() -> None:
    whole = random.standard_normal((6, 8, 10, 12)).astype(np.float32)
    cases = [
        whole[1:4, ::2, 3:, ::-1],
        whole[::-1, 2:3, :, 5],
        np.broadcast_to(whole[:, :1, :1], (6, 4, 5, 12)),
        np.broadcast_to(whole[0, 0, 0, :1], (3, 100)),
        whole.transpose(2, 0, 3, 1)[::3],
    ]
    for x in cases:
        out = np.full((2, *x.shape), np.nan, np.float32)
        assert copy.copy(x, out[1])
        np.testing.assert_array_equal(out[1], x)
        assert np.isnan(out[0]).all()
        apart = np.full((*x.shape, 2), np.nan, np.float32)[..., 1]
        assert copy.copy(x, apart)
        np.testing.assert_array_equal(apart, x)


def test_the_orders_of_the_ops() -> None:
    x = random.standard_normal((2, 3, 40, 50)).astype(np.float32)
    last = channels_last(x)
    assert last.transpose(0, 2, 3, 1).flags.c_contiguous
    back = contiguous(last)
    assert back.flags.c_contiguous
    same = clone(np.tile(last, (2, 2, 1, 1)))
    for y in (last, back, same[:2, :3]):
        np.testing.assert_array_equal(y, x)


def test_large_arrays_on_several_threads() -> None:
    x = random.standard_normal((7, 67, 31, 33)).astype(np.float32)
    for number in (1, 4):
        threads.set_num_threads(number)
        for order in ((0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 3, 2)):
            np.testing.assert_array_equal(ordered(x, order), x)


def test_what_is_not_copied() -> None:
    x = np.zeros((2,) * 5, np.float32)
    apart = np.zeros((2, 3) * 5, np.float32)[:, ::2, :, ::2, :, ::2, :, ::2]
    assert copy.copy(x, x.copy())  # five dimensions in one loop
    assert not copy.copy(apart, apart.copy())
    assert not copy.copy(x, np.zeros(x.shape))
    assert not copy.copy(x, np.zeros((32,), np.float32))
    assert not fits(x) and not fits(np.zeros(3, np.complex128)) and fits(x[0])
    assert clone(apart, out=apart.copy()) is NotImplemented
