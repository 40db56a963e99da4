"""Normalisation by CUDA kernels, against the references."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from moved import host, needs_kernels, to

from tinygan.backend.cuda import copy
from tinygan.backend.cuda import normalization as kernels
from tinygan.ops import normalization as parts

ops = importlib.import_module("tinygan.ops.batch_norm")  # the package has a function of its name
pytestmark = needs_kernels

FLOATS = [np.float32, np.float64]
TOLERANCE = {np.float32: {"rtol": 2e-5, "atol": 2e-5}, np.float64: {"rtol": 1e-12, "atol": 1e-12}}


def normal(dtype, *shape, shift=0.0):
    return (np.random.default_rng(len(shape)).normal(size=shape) + shift).astype(dtype)


def last(x):
    """The same numbers over channels-last memory."""
    back = (0, x.ndim - 1, *range(1, x.ndim - 1))
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(back)


def check(op, kernel, arrays, dtype, **options):
    """The kernel against the reference, into new memory and into memory that is given."""
    expected = op.reference(np, *arrays, **options)
    given = [None if a is None else to(a) for a in arrays]
    y = kernel(*given, **options)
    assert y is not NotImplemented
    assert y.dtype == dtype
    assert y.shape == expected.shape
    np.testing.assert_allclose(host(y), expected, **TOLERANCE[dtype])
    out = to(np.full_like(host(y), np.nan))
    assert kernel(*given, out=out, **options) is out
    np.testing.assert_array_equal(host(out), host(y))
    return host(y)


SHAPES = [(2, 1), (7, 3), (64, 5), (500, 64), (1, 4, 9), (3, 5, 7), (2, 3, 4, 5), (5, 64, 7, 9),
          (3, 130, 5, 5), (4, 1, 33, 31), (1, 8, 1, 2)]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [np.ascontiguousarray, last])
def test_batch_norm(order, shape, dtype):
    x, g = order(normal(dtype, *shape, shift=3)), order(normal(dtype, *shape)[::-1])
    weight, bias = normal(dtype, shape[1]), normal(dtype, shape[1], shift=1)
    moments = check(ops.batch_moments, kernels.batch_moments, [x], dtype)
    for by in ((weight, bias), (None, None), (weight, None)):
        options = {"eps": 1e-5, "training": True}
        y = check(ops._batch_norm, kernels.batch_norm, [x, *by, moments], dtype, **options)
        if max(shape[2:], default=2) > 1 and min(shape) > 1:
            assert y.strides == x.strides
    sums = check(ops.batch_norm_sums, kernels.batch_norm_sums, [g, x, moments], dtype, eps=1e-5)
    for w in (weight, None):
        arrays = [g, x, w, moments, sums]
        check(ops.batch_norm_input_grad, kernels.batch_norm_input_grad, arrays, dtype, eps=1e-5)


def test_long_sets_are_cut_into_pieces():
    x, g = last(normal(np.float32, 5, 3, 40, 41, shift=2)), last(normal(np.float32, 5, 3, 40, 41))
    sets = kernels._channels(to(x))
    assert sets is not None
    assert sets.pieces > 1
    moments = check(ops.batch_moments, kernels.batch_moments, [x], np.float32)
    y = kernels.batch_norm_sums(*map(to, (g, x, moments)), eps=1e-5)
    expected = ops.batch_norm_sums.reference(
        np, *(a.astype(np.float64) for a in (g, x, moments)), eps=1e-5
    )
    np.testing.assert_allclose(host(y), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("shape", [(9000, 3), (2000, 64), (64, 4)])
def test_moments_far_from_zero(shape):
    x = normal(np.float32, *shape) + np.float32(1000)
    moments = host(kernels.batch_moments(to(x)))
    exact = x.astype(np.float64)
    np.testing.assert_allclose(moments[0], exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(moments[1], exact.var(0), rtol=1e-5)


@pytest.mark.parametrize("rows", [9, 5000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e15])
@pytest.mark.parametrize("row", [0, 7])
def test_moments_of_what_is_not_finite(row, value, rows):
    x = normal(np.float32, rows, 3)
    x[row, 1] = value
    moments = host(kernels.batch_moments(to(x)))
    with np.errstate(all="ignore"):
        expected = ops.batch_moments.reference(np, x.astype(np.float64))
    np.testing.assert_allclose(moments, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_running_moments(dtype):
    moments, mean, var = normal(dtype, 2, 301), normal(dtype, 301), normal(dtype, 301)
    running = to(mean.copy()), to(var.copy())
    kernels.move_running(to(moments), *running, momentum=0.3, count=7)
    ops.move_running.reference(np, moments, mean, var, momentum=0.3, count=7)
    # sums of two products, one of them rounded with the sum or not: they may nearly cancel
    np.testing.assert_allclose(host(running[0]), mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(host(running[1]), var, rtol=1e-5, atol=1e-6)


def test_an_activation_in_the_same_launch():
    x = normal(np.float32, 30, 8)
    moments = kernels.batch_moments(to(x))
    options = {"eps": 1e-5, "training": True}
    plain = host(kernels.batch_norm(to(x), None, None, moments, **options))
    for activation, expected in (
        (("relu", 0.0), np.maximum(plain, 0)),
        (("leaky_relu", 0.2), np.where(plain > 0, plain, plain * np.float32(0.2))),
        (("tanh", 0.0), np.tanh(plain)),
        (("sigmoid", 0.0), 1 / (1 + np.exp(-plain))),
    ):
        y = kernels.batch_norm(to(x), None, None, moments, activation=activation, **options)
        np.testing.assert_allclose(host(y), expected, rtol=5e-6)


OVER = [
    ((5, 7), (-1,)),
    ((3, 4, 6), (-2, -1)),
    ((2, 9000), (-1,)),
    ((300, 64), (1,)),
    ((2, 3, 4, 5), (2, 3)),
    ((2, 4, 3, 6, 5), (2, 3, 4)),
    ((2, 64, 5, 5), (2, 3)),
    ((2, 4, 3, 6, 5), (3, 4)),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "dims"), OVER)
@pytest.mark.parametrize("order", [np.ascontiguousarray, last])
def test_standardize(order, shape, dims, dtype):
    if len(shape) == 5 and order is last:  # group_norm's view of channels-last memory
        n, groups, channels, height, width = shape
        x, g = [
            normal(dtype, n, height, width, groups, channels, shift=s).transpose(0, 3, 4, 1, 2)
            for s in (2, 0)
        ]
    else:
        x, g = order(normal(dtype, *shape, shift=2)), order(normal(dtype, *shape)[::-1])
    sets = kernels._sets(to(x), dims)
    if sets is None:
        pytest.skip("left to the reference")
    moments = check(parts.moments_over, kernels.moments_over, [x], dtype, dims=dims)
    options = {"dims": dims, "eps": 1e-5}
    check(parts.standardize, kernels.standardize, [x, moments], dtype, **options)
    check(parts.standardize_grad, kernels.standardize_grad, [g, x, moments], dtype, **options)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 64, 8, 8), (3, 33, 1, 37), (2, 70, 65, 3)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_channels_last(shape, dtype):
    x = normal(dtype, *shape)
    y = copy.channels_last(to(x))
    assert host(y).transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(host(y), x)
    out = to(last(np.zeros_like(x)))
    copy.channels_last(to(x), out=out)
    np.testing.assert_array_equal(host(out), x)


def test_what_is_left_to_the_reference():
    x = to(normal(np.float32, 4, 3, 5, 5))
    moments = kernels.batch_moments(x)
    other = to(last(host(x)))
    assert kernels.batch_moments(to(host(x).astype(np.float16))) is NotImplemented
    sums = kernels.batch_norm_sums(x, x, moments, eps=1e-5)
    of_other = kernels.batch_norm_sums(other, x, moments, eps=1e-5)  # by a copy
    np.testing.assert_array_equal(host(of_other), host(sums))
    expanded = to(np.broadcast_to(np.float32(1), x.shape))
    of_ones = kernels.batch_norm_sums(expanded, x, moments, eps=1e-5)
    np.testing.assert_allclose(host(of_ones)[0], 100)
    assert kernels.batch_moments(to(host(x)[:0])) is NotImplemented
