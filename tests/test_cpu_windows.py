"""Pooling and upsampling by kernels, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import threads, windows

random = np.random.default_rng(0)

# height, width, channels, kernel, stride, start, dilation
GEOMETRIES = [
    (8, 8, 16, (2, 2), (2, 2), (0, 0), (1, 1)),
    (7, 9, 3, (3, 2), (2, 1), (1, 0), (1, 1)),
    (11, 6, 1, (3, 3), (1, 1), (1, 1), (1, 1)),
    (12, 10, 33, (2, 3), (3, 2), (0, 1), (2, 2)),
    (5, 5, 7, (5, 5), (5, 5), (0, 0), (1, 1)),
    (6, 7, 4, (1, 1), (2, 3), (0, 0), (1, 1)),
]


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def images(n: int, h: int, w: int, c: int, dtype: Any) -> np.ndarray:
    return random.standard_normal((n, h, w, c)).astype(dtype).transpose(0, 3, 1, 2)


def counted(h: int, w: int, kernel: Any, stride: Any, start: Any, dilation: Any) -> Any:
    return tuple(
        (n + 2 * a - d * (k - 1) - 1) // s + 1
        for n, k, s, a, d in zip((h, w), kernel, stride, start, dilation, strict=True)
    )


def check(name: str, *arrays: Any, **static: Any) -> Any:
    """A kernel gives what the reference gives, from any order, with any number of threads."""
    expected = REGISTRY[name].reference(np, *arrays, **static)
    kernel = getattr(windows, name)
    y = kernel(*arrays, **static)
    assert y.dtype == expected.dtype and y.shape == expected.shape
    tolerance = 1e-5 if y.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y, expected, atol=tolerance)
    out = np.empty_like(y)
    assert kernel(*arrays, **static, out=out).base is not None
    np.testing.assert_array_equal(out, y)
    np.testing.assert_array_equal(kernel(*map(np.ascontiguousarray, arrays), **static), y)
    for number in (1, 4):
        threads.set_num_threads(number)
        np.testing.assert_array_equal(kernel(*arrays, **static), y)
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_maxima(geometry: Any, dtype: Any) -> None:
    h, w, c, kernel, stride, start, dilation = geometry
    x = images(3, h, w, c, dtype)
    x[0, 0, 0, 0] = np.nan
    x[1, :, 2] = 1.0  # equal numbers
    count = counted(h, w, kernel, stride, start, dilation)
    static: Any = {"kernel": kernel, "stride": stride, "start": start, "dilation": dilation}
    y = check("max_pool", x, count=count, **static)
    tap = check("max_tap", x, y, count=count, **static)
    picked = check("tap_pick", np.nan_to_num(x), tap, **static)
    check("tap_spread", picked, tap, size=(h, w), **static)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_sums(geometry: Any, dtype: Any) -> None:
    h, w, c, kernel, stride, start, _ = geometry
    count = counted(h, w, kernel, stride, start, (1, 1))
    static: Any = {"kernel": kernel, "stride": stride, "start": start}
    y = check("window_sum", images(3, h, w, c, dtype), count=count, **static)
    check("window_spread", y, size=(h, w), **static)


def test_what_is_not_covered_is_left_to_numpy() -> None:
    x = images(2, 4, 4, 3, np.float32)
    static: Any = {"count": (2, 2), "kernel": (2, 2), "stride": (2, 2), "start": (0, 0)}
    assert windows.window_sum(x.astype(np.float16), **static) is NotImplemented
    assert windows.window_sum(x[:0], **static) is NotImplemented
