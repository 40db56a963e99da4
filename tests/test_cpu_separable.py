"""Resampling by a matrix for each direction, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recorded import from_python, with_gradients

import tinygan
from tinygan.backend.cpu import separable, threads
from tinygan.nn import functional as F
from tinygan.ops.resample import _linear
from tinygan.ops.separable import _separable

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(separable, "PARALLEL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 33])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize(
    ("source", "target"),
    [((1, 1), (1, 5)), ((4, 5), (8, 10)), ((13, 7), (5, 3)), ((6, 2), (6, 31))],
)
def test_results_are_the_references(
    source: Any, target: Any, corners: bool, channels: int, dtype: Any
) -> None:
    rows, columns = (
        _linear(n, m, None, corners, np.dtype(dtype)).astype(dtype)
        for n, m in zip(source, target, strict=True)
    )
    x = random.standard_normal((3, *source, channels)).astype(dtype).transpose(0, 3, 1, 2)
    g = random.standard_normal((3, *target, channels)).astype(dtype).transpose(0, 3, 1, 2)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    columns[0] = 0
    dense = random.standard_normal((4, source[0])).astype(dtype)
    for images, a, b in ((x, rows, columns), (g, rows.T, columns.T), (x, dense, columns)):
        with np.errstate(invalid="ignore"):  # BLAS may flag what it computes beside the result
            expected = _separable.reference(np, images, a, b)
        results = []
        for number in (1, 4):
            threads.set_num_threads(number)
            results.append(separable.separable(images, a, b))
            results.append(separable.separable(np.ascontiguousarray(images), a, b))
        for y in results:
            assert y.dtype == dtype and y.shape == expected.shape
            np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(y, results[0])
        out = np.full_like(results[0], np.nan)
        assert separable.separable(images, a, b, out=out) is not NotImplemented
        np.testing.assert_array_equal(out, results[0])


def test_infinity_stays_where_it_has_weight() -> None:
    x = np.zeros((1, 1, 6, 6))
    x[0, 0, 2, 2], x[0, 0, 5, 5] = np.inf, np.nan
    matrix = _linear(6, 12, None, False, np.dtype(np.float64))
    y = separable.separable(x, matrix, matrix)
    assert np.isinf(y[0, 0, 3:7, 3:7]).all() and np.isnan(y[0, 0, 9:, 9:]).all()
    assert np.isfinite(y).sum() == 144 - 16 - 9


def test_what_is_left_to_the_reference() -> None:
    x, matrix = np.zeros((2, 3, 4, 4)), np.zeros((4, 8))[:, ::2]
    assert separable.separable(x, matrix, np.eye(4)) is NotImplemented
    assert separable.separable(x, np.eye(4, dtype=np.float32), np.eye(4)) is NotImplemented
    assert separable.separable(x.astype(int), np.eye(4), np.eye(4)) is NotImplemented


def test_recorded_steps_launch() -> None:
    x = tinygan.tensor(random.standard_normal((2, 3, 5, 6)).astype(np.float32))
    steps: list[Any] = [
        lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
        lambda x: F.interpolate(x, (7, 11), mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, (7, 4)),
        lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
        lambda x: F.fir_resample(x, (1, 3, 3, 1), up=2),
        lambda x: F.interpolate(x[:, :, 0], 13, mode="linear"),
    ]
    for step in steps:
        assert not from_python(with_gradients(step, 2), x)
