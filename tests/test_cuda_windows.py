"""Pooling and resampling by CUDA kernels, against the references."""

from __future__ import annotations

import numpy as np
import pytest
from moved import host, needs_kernels, to

from tinygan.autograd import REGISTRY
from tinygan.backend.cuda import separable, windows

pytestmark = needs_kernels

FLOATS = [np.float32, np.float64]
random = np.random.default_rng(0)

# height, width, channels, kernel, stride, start, dilation
GEOMETRIES = [
    (8, 8, 16, (2, 2), (2, 2), (0, 0), (1, 1)),
    (7, 9, 3, (3, 2), (2, 1), (1, 0), (1, 1)),
    (11, 6, 1, (3, 3), (1, 1), (1, 1), (1, 1)),
    (12, 10, 36, (2, 3), (3, 2), (0, 1), (2, 2)),
    (5, 5, 7, (5, 5), (5, 5), (0, 0), (1, 1)),
    (6, 7, 4, (1, 1), (2, 3), (0, 0), (1, 1)),
    (9, 11, 8, (9, 11), (9, 11), (0, 0), (1, 1)),
]


def images(n, h, w, c, dtype):
    return random.standard_normal((n, h, w, c)).astype(dtype).transpose(0, 3, 1, 2)


def counted(h, w, kernel, stride, start, dilation):
    return tuple(
        (n + 2 * a - d * (k - 1) - 1) // s + 1
        for n, k, s, a, d in zip((h, w), kernel, stride, start, dilation, strict=True)
    )


def check(name, *arrays, module=windows, **static):
    """A kernel gives what the reference gives, from any order, into new memory and given."""
    expected = REGISTRY[name].reference(np, *arrays, **static)
    kernel = getattr(module, name)
    y = kernel(*map(to, arrays), **static)
    assert y is not NotImplemented
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    tolerance = 1e-5 if y.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(host(y), expected, atol=tolerance)
    out = to(np.empty_like(host(y)))
    kernel(*map(to, arrays), **static, out=out)
    np.testing.assert_array_equal(host(out), host(y))
    again = kernel(*[to(np.ascontiguousarray(a)) for a in arrays], **static)
    np.testing.assert_array_equal(host(again), host(y))
    return host(y)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_maxima_and_their_places(geometry, dtype):
    h, w, c, kernel, stride, start, dilation = geometry
    count = counted(h, w, kernel, stride, start, dilation)
    options = {"kernel": kernel, "stride": stride, "start": start, "dilation": dilation}
    x = images(3, h, w, c, dtype)
    x[0, :, : h // 2] = 1.5  # ties
    x[1, 0, 2, 3] = np.nan
    x[2, :, 1] = -np.inf
    y = check("max_pool", x, count=count, **options)
    tap = check("max_tap", x, y, count=count, **options)
    assert tap.dtype == np.int16
    x = images(3, h, w, c, dtype)
    check("tap_pick", x, tap, **options)
    check("tap_spread", images(3, *count, c, dtype), tap, size=(h, w), **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_sums_and_their_adjoint(geometry, dtype):
    h, w, c, kernel, stride, start, _ = geometry
    count = counted(h, w, kernel, stride, start, (1, 1))
    options = {"kernel": kernel, "stride": stride, "start": start}
    check("window_sum", images(3, h, w, c, dtype), count=count, **options)
    check("window_spread", images(3, *count, c, dtype), size=(h, w), **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("size", "count"), [((7, 9), (3, 4)), ((4, 5), (4, 5)), ((5, 3), (7, 1))])
@pytest.mark.parametrize("channels", [1, 8])
def test_maxima_of_bins(channels, size, count, dtype):
    x = images(2, *size, channels, dtype).round()  # ties
    x[0, 0, 2, 1] = np.nan
    place = check("adaptive_max_place", x, count=count)
    assert place.dtype == np.int64
    check("plane_gather", images(2, *size, channels, dtype), place)
    check("plane_scatter", images(2, *count, channels, dtype), place, size=size)


def test_nearest_upsampling():
    x = images(2, 5, 3, 8, np.float32)
    y = check("window_spread", x, size=(10, 9), kernel=(2, 3), stride=(2, 3), start=(0, 0))
    np.testing.assert_array_equal(y, x.repeat(2, axis=2).repeat(3, axis=3))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_resampling_by_matrices(channels, dtype):
    x = images(2, 5, 7, channels, dtype)
    rows, columns = np.zeros((9, 5), dtype), np.zeros((4, 7), dtype)
    for i in range(9):
        rows[i, i * 4 // 8] = 0.25 + i
        rows[i, min(i * 4 // 8 + 1, 4)] += 0.5
    columns[0, 2], columns[1, 3:7], columns[3, 0] = 1, 0.3, 2  # a row of zeros too
    y = check("separable", x, rows, columns, module=separable)
    kernel = separable.separable
    g = kernel(*map(to, (y, rows.T, columns.T)))
    expected = REGISTRY["separable"].reference(np, y, rows.T, columns.T)
    np.testing.assert_allclose(host(g), expected, rtol=1e-4 if dtype == np.float32 else 1e-12)


def test_what_is_left_to_the_reference():
    x = to(images(2, 4, 4, 3, np.float16))
    options = {"kernel": (2, 2), "stride": (2, 2), "start": (0, 0)}
    assert windows.window_sum(x, count=(2, 2), **options) is NotImplemented
    x = to(images(2, 4, 4, 3, np.float32))
    out = to(np.empty((2, 3, 2, 2), np.float32))
    assert windows.window_sum(x, count=(2, 2), out=out, **options) is NotImplemented
