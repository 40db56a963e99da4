"""Pooling: closed forms, ties, adjointness and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.autograd import grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.ops.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)
from tinygan.ops.window_max import _plane_gather, _plane_scatter
from tinygan.ops.window_sum import _window_spread, _window_sum

random = np.random.default_rng(0)


def naive(x: np.ndarray, kernel: int, stride: int, padding: int, dilation: int, f: Any) -> Any:
    """f of the pixels inside of each window, by a loop over the windows."""
    count = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in x.shape[2:]]
    y = np.zeros((*x.shape[:2], *count))
    for i, j in np.ndindex(*count):
        rows, columns = (
            [
                a
                for a in range(
                    p * stride - padding, p * stride - padding + kernel * dilation, dilation
                )
            ]
            for p in (i, j)
        )
        rows = [a for a in rows if 0 <= a < x.shape[2]]
        columns = [a for a in columns if 0 <= a < x.shape[3]]
        y[:, :, i, j] = f(x[:, :, rows][:, :, :, columns], axis=(2, 3))
    return y


geometries = st.tuples(
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2)
).filter(lambda g: 2 * g[2] <= (g[0] - 1) * g[3] + 1)


@settings(deadline=None, max_examples=60)
@given(geometries, st.integers(0, 5), st.integers(0, 5), st.integers(0, 2), st.integers(1, 3))
def test_pooling_is_its_definition(geometry: Any, h: int, w: int, n: int, c: int) -> None:
    kernel, stride, padding, dilation = geometry
    reach = dilation * (kernel - 1) + 1
    x = random.standard_normal((n, c, reach + h, reach + w))
    largest = max_pool2d(wrap(x), kernel, stride, padding, dilation)
    np.testing.assert_array_equal(
        largest.numpy(), naive(x, kernel, stride, padding, dilation, np.max)
    )
    values, places = max_pool2d(wrap(x), kernel, stride, padding, dilation, return_indices=True)
    np.testing.assert_array_equal(values.numpy(), largest.numpy())
    flat = x.reshape(n, c, x.shape[2] * x.shape[3])
    picked = np.take_along_axis(flat, places.numpy().reshape(n, c, -1), 2) if n else flat
    np.testing.assert_array_equal(picked.ravel(), values.numpy().ravel())
    if dilation == 1 and 2 * padding <= kernel:
        mean = avg_pool2d(wrap(x), kernel, stride, padding, count_include_pad=False)
        np.testing.assert_allclose(
            mean.numpy(), naive(x, kernel, stride, padding, 1, np.mean), atol=1e-12
        )


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.integers(1, 4)] * 3, st.integers(-1, 2)), min_size=2, max_size=2))
def test_window_sum_and_spread_are_adjoint(axes: list[tuple[int, int, int, int]]) -> None:
    count, kernel, stride, start = zip(*axes, strict=True)
    size = tuple(random.integers(1, 9, 2).tolist())
    x, g = random.standard_normal((2, 3, *size)), random.standard_normal((2, 3, *count))
    y = _window_sum(wrap(x), count, kernel, stride, start).numpy()
    dx = _window_spread(wrap(g), size, kernel, stride, start).numpy()
    np.testing.assert_allclose(np.vdot(g, y), np.vdot(dx, x), atol=1e-12)


def test_gather_and_scatter_are_adjoint(device: str) -> None:
    to = backend_for(device).from_host
    x, g = random.standard_normal((2, 3, 4, 5)), random.standard_normal((2, 3, 2, 6))
    place = to(random.integers(0, 20, g.shape))
    y = host_array(_plane_gather(wrap(to(x)), wrap(place)).array)
    dx = host_array(_plane_scatter(wrap(to(g)), wrap(place), size=(4, 5)).array)
    np.testing.assert_allclose(np.vdot(g, y), np.vdot(dx, x), atol=1e-12)


def test_the_gradient_of_a_tie_goes_to_the_first() -> None:
    x = wrap(np.ones((1, 1, 2, 4))).requires_grad_()
    (dx,) = grad(max_pool2d(x, 2).sum(), x)
    assert dx is not None and dx.tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0]]]]


def test_overlapping_windows_add_their_gradients() -> None:
    x = wrap(np.array([[[1.0, 5.0, 2.0]]])).requires_grad_()
    (dx,) = grad(max_pool1d(x, 2, 1).sum(), x)
    assert dx is not None and dx.tolist() == [[[0, 2, 0]]]
    (dx,) = grad(avg_pool1d(x, 2, 1).sum(), x)
    assert dx is not None and dx.tolist() == [[[0.5, 1, 0.5]]]


def test_a_nan_is_the_largest_number_and_stays_in_its_windows() -> None:
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 0, 1] = np.nan
    for pool in (max_pool2d, avg_pool2d, adaptive_max_pool2d):
        y = pool(wrap(x), 2).numpy()
        assert np.isnan(y).tolist() == [[[[True, False], [False, False]]]]


def test_padding_never_wins_a_maximum() -> None:
    x = wrap(np.full((1, 1, 2, 2), -5.0))
    assert max_pool2d(x, 3, 1, 1).numpy().tolist() == [[[[-5, -5], [-5, -5]]]]
    lowest = wrap(np.full((1, 1, 2, 2), -np.inf))
    _, places = max_pool2d(lowest, 3, 1, 1, return_indices=True)
    assert places.numpy().tolist() == [[[[0, 0], [0, 0]]]]


def test_a_window_of_more_than_32767_pixels_finds_its_maximum() -> None:
    x = np.zeros((1, 1, 2, 20_000))
    x[0, 0, 1, 19_998] = 1
    y, place = max_pool2d(wrap(x), (2, 20_000), return_indices=True)
    assert (y.item(), place.item()) == (1, 39_998)


def test_padding_counts_in_means_or_not() -> None:
    x = wrap(np.ones((1, 1, 2, 2)))
    assert avg_pool2d(x, 3, 1, 1).numpy()[0, 0, 0, 0] == pytest.approx(4 / 9)
    assert avg_pool2d(x, 3, 1, 1, count_include_pad=False).numpy()[0, 0, 0, 0] == 1
    assert avg_pool2d(x, 2, divisor_override=8).item() == 0.5


def test_adaptive_bins_overlap_where_sizes_do_not_divide() -> None:
    x = wrap(np.arange(5.0).reshape(1, 1, 5))
    assert adaptive_avg_pool1d(x, 2).tolist() == [[[1, 3]]]  # bins [0, 3) and [2, 5)
    image = wrap(np.arange(25.0).reshape(1, 1, 5, 5))
    assert adaptive_max_pool2d(image, (2, None)).shape == (1, 1, 2, 5)
    assert adaptive_avg_pool2d(image, 1).item() == 12


def test_pooling_keeps_channels_last_memory_and_type() -> None:
    x = wrap(np.ones((2, 6, 7, 3), np.float32).transpose(0, 3, 1, 2))
    for y in (max_pool2d(x, 2), avg_pool2d(x, 3, 2, 1), adaptive_avg_pool2d(x, (2, 3))):
        assert y.dtype == np.float32
        assert y.numpy().transpose(0, 2, 3, 1).flags.c_contiguous


def test_an_empty_batch_pools_to_an_empty_batch() -> None:
    x = wrap(np.zeros((0, 2, 4, 4))).requires_grad_()
    for y in (
        max_pool2d(x, 2),
        max_pool2d(x, 2, return_indices=True)[0],
        avg_pool2d(x, 2),
        adaptive_avg_pool2d(x, 3),
        adaptive_max_pool2d(x, 3),
    ):
        assert y.shape[:2] == (0, 2)
        (dx,) = grad(y.sum(), x)
        assert dx is not None and dx.shape == x.shape


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: max_pool2d(x, 2, padding=2), "max_pool2d: padding .* at most half"),
        (lambda x: max_pool2d(x, 5), "max_pool2d: the kernel .* larger than the input"),
        (lambda x: max_pool2d(x, 0), "kernel_size is 0"),
        (lambda x: max_pool2d(x, 2, 0), "stride is 0"),
        (lambda x: avg_pool2d(x, (1, 2, 3)), "kernel_size has 3 numbers"),
        (lambda x: avg_pool2d(x, 2, divisor_override=0), "must not be zero"),
        (lambda x: avg_pool1d(x, 2), r"avg_pool1d: expected an input \(N, C, L\)"),
        (lambda x: max_pool2d(x[0, 0], 2), r"\(N, C, H, W\) or \(C, H, W\)"),
        (lambda x: adaptive_avg_pool2d(x, 0), "output_size is 0"),
        (lambda x: adaptive_avg_pool2d(x, (1, 2, 3)), "expected 2 numbers"),
    ],
)
def test_misuse_is_an_error_that_says_what_was_expected(call: Any, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        call(wrap(np.zeros((1, 1, 4, 4))))
