"""Random numbers by kernels: those of the reference, and the state moves on as far."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recorded import python_steps

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import philox, threads
from tinygan.nn import functional as F

SHAPES = [(), (1,), (3,), (2, 5), (4097,), (3, 1000, 7)]


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(philox, "SHARE", 1)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def check(name: str, tolerance: float, *arrays: Any, **static: Any) -> None:
    state = np.array([12345678901, 2**32 - 3], np.uint64)
    expected = REGISTRY[name].reference(np, state, *arrays, **static)
    for number in (1, 4):
        threads.set_num_threads(number)
        own = np.array([12345678901, 2**32 - 3], np.uint64)
        y = getattr(philox, name)(own, *arrays, **static)
        assert y.dtype == expected.dtype and y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(own, state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_are_the_references(shape: Any, dtype: Any) -> None:
    check("random_uniform", 0, shape=shape, dtype=dtype)
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    check("random_normal", tolerance, shape=shape, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_masks_are_the_references(p: float, dtype: Any) -> None:
    images = np.zeros((5, 6, 7, 3), dtype)
    for like in (images, images.transpose(0, 3, 1, 2), images[0, 0, 0], images[0], images[0, 0]):
        for dims in range(1, like.ndim + 1):
            check("dropout_mask", 0, like, p=p, dims=dims)


def test_what_is_left_to_the_reference() -> None:
    state = np.zeros(2, np.uint64)
    assert philox.random_uniform(state, shape=(3,), dtype=np.float16) is NotImplemented
    assert philox.dropout_mask(state, np.zeros((0, 3)), p=0.5, dims=2) is NotImplemented
    assert philox.dropout_mask(state, np.zeros(3, np.float16), p=0.5, dims=1) is NotImplemented


def test_recorded_steps_launch() -> None:
    for dtype in (tinygan.float32, tinygan.float64):
        x = tinygan.ones(4, 3, 5, 5, dtype=dtype)

        before = tinygan.get_rng_state()
        steps: list[Any] = [
            lambda x: tinygan.randn(4, 3, 5, 5, dtype=x.dtype) * x,
            lambda x: tinygan.rand(4, 3, 5, 5, dtype=x.dtype) * x,
            lambda x: F.dropout(x, 0.3),
            lambda x: F.dropout2d(x, 0.3),
        ]
        for step in steps:
            replayed: Any = tinygan.compile(step)
            tinygan.set_rng_state(before)
            found = [replayed(x).numpy() for _ in range(4)]
            tinygan.set_rng_state(before)
            for y in found:
                np.testing.assert_array_equal(step(x).numpy(), y)
            assert not python_steps(replayed)
