"""Interpolation, pixel shuffle, unfold and fold: closed forms, adjointness, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.autograd import grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.ops.columns import fold, unfold
from tinygan.ops.conv_trio import _conv2d
from tinygan.ops.resample import fir_resample, interpolate, pixel_shuffle, pixel_unshuffle

random = np.random.default_rng(0)


def test_nearest_repeats_pixels(device: str) -> None:
    x = random.standard_normal((2, 3, 4, 5))
    y = interpolate(wrap(backend_for(device).from_host(x)), scale_factor=(2, 3))
    np.testing.assert_array_equal(host_array(y.array), x.repeat(2, axis=2).repeat(3, axis=3))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(3, 3), (9, 4), (12, 1)])
def test_bilinear_keeps_constants_and_within_the_image_planes(
    size: tuple[int, int], align_corners: bool
) -> None:
    ones = wrap(np.ones((1, 2, 5, 6)))
    y = interpolate(ones, size=size, mode="bilinear", align_corners=align_corners)
    np.testing.assert_allclose(y.numpy(), 1)
    rows = np.linspace(0, 1, 5)[:, None] + np.linspace(0, 2, 6)
    y = interpolate(wrap(rows[None, None]), size=(9, 11), mode="bilinear", align_corners=True)
    expected = np.linspace(0, 1, 9)[:, None] + np.linspace(0, 2, 11)
    np.testing.assert_allclose(y.numpy()[0, 0], expected, atol=1e-14)


def test_bicubic_weighs_four_pixels_and_overshoots_edges() -> None:
    """A quarter of a pixel to the right of pixel 3, and to the left of pixel 4."""
    weights = np.array([-0.10546875, 0.87890625, 0.26171875, -0.03515625])  # of Keys, a = -3/4
    y = interpolate(wrap(np.eye(8)[:, None, None]), size=(1, 16), mode="bicubic").numpy()
    np.testing.assert_allclose(y[:, 0, 0, 7], np.r_[0, 0, weights, 0, 0], atol=1e-15)
    np.testing.assert_allclose(y[:, 0, 0, 8], np.r_[0, 0, weights[::-1], 0, 0], atol=1e-15)
    np.testing.assert_allclose(y.sum(0), 1, atol=1e-14)
    edge = wrap(np.repeat([0.0, 1.0], 4)[None, None, None])
    y = interpolate(edge, size=(1, 16), mode="bicubic").numpy()
    assert y.min() < -0.05 and y.max() > 1.05


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_the_same_size_is_the_identity(mode: str) -> None:
    x = random.standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(interpolate(wrap(x), size=(4, 5), mode=mode).numpy(), x)


def test_the_gradient_of_nearest_is_a_sum_over_the_copies() -> None:
    x = wrap(np.zeros((1, 1, 2, 2))).requires_grad_()
    (dx,) = grad(interpolate(x, scale_factor=3).sum(), x)
    assert dx is not None and dx.tolist() == [[[[9, 9], [9, 9]]]]


def test_resampling_keeps_channels_last_memory_and_type() -> None:
    x = wrap(np.ones((2, 6, 7, 4), np.float32).transpose(0, 3, 1, 2))
    for y in (
        interpolate(x, scale_factor=2),
        interpolate(x, size=(5, 9)),
        interpolate(x, size=(5, 9), mode="bilinear"),
        pixel_shuffle(x, 2),
        pixel_unshuffle(interpolate(x, scale_factor=2), 2),
        fold(unfold(x, 3), (6, 7), 3),
    ):
        assert y.dtype == np.float32
        assert y.numpy().transpose(0, 2, 3, 1).flags.c_contiguous


def test_pixel_shuffle_is_its_definition_and_unshuffle_its_inverse(device: str) -> None:
    x = random.standard_normal((2, 12, 3, 4))
    y = pixel_shuffle(wrap(backend_for(device).from_host(x)), 2)
    shuffled = host_array(y.array)
    assert shuffled.shape == (2, 3, 6, 8)
    for c, h, w in np.ndindex(3, 6, 8):
        source = x[:, 4 * c + 2 * (h % 2) + w % 2, h // 2, w // 2]
        np.testing.assert_array_equal(shuffled[:, c, h, w], source)
    np.testing.assert_array_equal(host_array(pixel_unshuffle(y, 2).array), x)


geometries = st.tuples(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),  # kernel
    st.integers(1, 2),  # dilation
    st.tuples(st.integers(0, 2), st.integers(0, 2)),  # padding
    st.tuples(st.integers(1, 3), st.integers(1, 3)),  # stride
)


@settings(deadline=None, max_examples=60)
@given(geometries, st.integers(0, 2), st.integers(1, 3), st.integers(0, 4))
def test_fold_is_the_adjoint_of_unfold(geometry: Any, n: int, c: int, more: int) -> None:
    kernel, dilation, _, _ = geometry
    size = (dilation * (kernel[0] - 1) + 1 + more, dilation * (kernel[1] - 1) + 2)
    x = random.standard_normal((n, c, *size))
    y = unfold(wrap(x), *geometry).numpy()
    g = random.standard_normal(y.shape)
    dx = fold(wrap(g), size, *geometry).numpy()
    np.testing.assert_allclose(np.vdot(g, y), np.vdot(dx, x), atol=1e-12)


def test_convolution_is_a_product_with_the_unfolded_image() -> None:
    x, w = random.standard_normal((2, 3, 6, 5)), random.standard_normal((4, 3, 3, 2))
    columns = unfold(wrap(x), (3, 2), padding=(1, 0), stride=(2, 1)).numpy()
    y = _conv2d(
        wrap(x), wrap(w), stride=(2, 1), padding=((1, 1), (0, 0)), dilation=(1, 1), groups=1
    )
    np.testing.assert_allclose(w.reshape(4, -1) @ columns, y.numpy().reshape(2, 4, -1))


def test_fold_of_unfold_counts_the_windows_that_see_a_pixel() -> None:
    ones = wrap(np.ones((1, 3, 3)))
    assert fold(unfold(ones, 2), (3, 3), 2).tolist() == [[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: interpolate(x), ValueError, "either size or scale_factor"),
        (lambda x: interpolate(x, 2, 2.0), ValueError, "either size or scale_factor"),
        (lambda x: interpolate(x, (1, 2, 3)), ValueError, r"size is \(1, 2, 3\)"),
        (lambda x: interpolate(x, 0), RuntimeError, "must be positive"),
        (lambda x: interpolate(x, 3, mode="cubic"), NotImplementedError, "unknown mode 'cubic'"),
        (lambda x: interpolate(x, 3, mode="linear"), NotImplementedError, "needs an input with 3"),
        (lambda x: interpolate(x, 3, align_corners=True), ValueError, "for the linear modes"),
        (lambda x: interpolate(x, 3, recompute_scale_factor=True), ValueError, "scale_factor"),
        (lambda x: pixel_shuffle(x, 2), RuntimeError, "3 channels are not divisible"),
        (lambda x: pixel_shuffle(x, 0), RuntimeError, "must be positive"),
        (lambda x: pixel_unshuffle(x, 2), RuntimeError, r"\(4, 5\) is not divisible"),
        (lambda x: pixel_unshuffle(x[0, 0], 2), RuntimeError, "at least 3 dimensions"),
        (lambda x: unfold(x, 6), RuntimeError, "larger than the image"),
        (lambda x: unfold(x, 2, stride=0), RuntimeError, "stride is 0"),
        (lambda x: fold(x, 4, 2), RuntimeError, r"fold: expected an input \(N, C kh kw, L\)"),
        (lambda x: fold(x[0], (4, 4), 2), RuntimeError, "does not fit"),
    ],
)
def test_misuse_is_an_error_that_says_what_was_expected(
    call: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call(wrap(np.zeros((1, 3, 4, 5))))


# -- a filter between zeros put in and pixels left out ------------------------------------------

BILINEAR = (1, 3, 3, 1)


def test_bilinear_taps_interpolate_within_the_image(device: str) -> None:
    x = wrap(backend_for(device).from_host(random.standard_normal((2, 3, 5, 6))))
    y = host_array(fir_resample(x, BILINEAR, up=2).array)
    expected = host_array(interpolate(x, scale_factor=2, mode="bilinear").array)
    np.testing.assert_allclose(y[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-14)
    np.testing.assert_allclose(y[:, :, 0, 0], expected[:, :, 0, 0] * 9 / 16)  # zeros outside


def test_a_filter_is_its_formula() -> None:
    """Zeros between the pixels, numpy's convolution, every third of the sums."""
    x, taps = random.standard_normal(9), (1.0, 2.0, -3.0, 4.0)
    between = np.zeros(2 * 9)
    between[::2] = x
    k = 2 / sum(taps) * np.convolve(between, taps[::-1], "full")
    y = fir_resample(wrap(np.tile(x, (1, 1, 3, 1))), (*taps,), up=2, down=3)
    column = [sum(f for i, f in enumerate(taps) if (3 * j + i - 1) in (0, 2, 4)) for j in range(2)]
    rows = 2 / sum(taps) * np.array(column)
    np.testing.assert_allclose(y.numpy()[0, 0], np.outer(rows, k[2::3][:6]), atol=1e-13)


def test_down_is_the_adjoint_of_up() -> None:
    x, g = random.standard_normal((1, 2, 4, 6)), random.standard_normal((1, 2, 8, 12))
    up, down = fir_resample(wrap(x), BILINEAR, up=2), fir_resample(wrap(g), BILINEAR, down=2)
    assert (up.numpy() * g).sum() == pytest.approx(4 * (down.numpy() * x).sum())


def test_a_filter_without_a_middle_is_an_error() -> None:
    x = wrap(np.ones((1, 1, 4, 6)))
    with pytest.raises(ValueError, match="up 2 and down 1 with 3 taps"):
        fir_resample(x, (1, 2, 1), up=2)
    with pytest.raises(ValueError, match="taps of sum 0"):
        fir_resample(x, (1, -2, 1))
    with pytest.raises(RuntimeError, match=r"down 4 does not divide up 1 times the size \(4, 6\)"):
        fir_resample(x, (1, 1, 1, 1, 1, 1), down=4)
