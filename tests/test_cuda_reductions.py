"""Sums, means, norms and extremes by CUDA kernels, against the references."""

from __future__ import annotations

import numpy as np
import pytest
from moved import host, needs_kernels, to

from tinygan.backend.cuda import reductions
from tinygan.backend.cuda.sets import sets_of
from tinygan.ops.extremes import amax, amin, norm
from tinygan.ops.reductions import mean, sum

pytestmark = needs_kernels

FLOATS = [np.float32, np.float64]


def images(random, *shape):
    """(N, C, H, W) over channels-last memory."""
    return random.normal(size=[shape[d] for d in (0, 2, 3, 1)]).transpose(0, 3, 1, 2)


CASES = [
    ((), None),
    ((1,), None),
    ((7,), 0),
    ((4097,), None),
    ((70001,), None),
    ((3, 5), 0),
    ((3, 5), 1),
    ((64, 10), -1),
    ((300, 4), 1),
    ((5, 1000), 1),
    ((2, 20000), 1),
    ((20000, 3), 0),
    ((3000, 16), 0),
    ((3000, 70), 0),
    ((4, 6, 8), 1),
    ((4, 6, 8), (0, 2)),
    ((4, 6, 7), (0, 1)),
    ((2, 3, 4, 5), (1, 2)),
    ((2, 3, 4, 5), ()),
    ((5, 1, 4), 1),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "dim"), CASES)
@pytest.mark.parametrize("op", [sum, mean, amax, amin, norm], ids=lambda op: op.__name__)
def test_as_the_reference(op, shape, dim, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    _check(op, x, dim)


def _check(op, x, dim, **options):
    kernel = getattr(reductions, op.__name__)
    axis = None if dim == () else dim
    if op is norm:
        options, expected = {"p": 2}, np.sqrt(np.sum(np.square(x, dtype=np.float64), axis=axis))
    else:
        expected = getattr(np, op.__name__)(x.astype(np.float64), axis=axis)
    y = kernel(to(x), dim=dim, **options)
    assert y is not NotImplemented
    size = np.abs(x).max() * max(1, x.size // max(expected.size, 1)) ** 0.5
    tolerance = 1e-6 if x.dtype == np.float32 else 1e-14
    assert y.dtype == x.dtype
    assert y.shape == expected.shape
    np.testing.assert_allclose(host(y), expected, rtol=tolerance, atol=tolerance * size)
    out = to(np.full(expected.shape, np.nan, x.dtype))
    assert kernel(to(x), dim=dim, out=out, **options) is out
    np.testing.assert_array_equal(host(out), host(y))
    kept = kernel(to(x), dim=dim, keepdim=True, **options)
    assert kept.shape == x.sum(axis=axis, keepdims=True).shape


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [1, 3, 4, 64, 130])
@pytest.mark.parametrize("dim", [(0, 2, 3), 1, (1, 2, 3), (2, 3), 0])
def test_channels_last(channels, dim, dtype):
    x = images(np.random.default_rng(0), 3, channels, 7, 5).astype(dtype)
    _check(sum, x, dim)
    _check(amax, x, dim)


def test_strided_and_expanded():
    random = np.random.default_rng(0)
    x = random.normal(size=(9, 8, 12)).astype(np.float32)
    for part in (x[::2], x[:, 1::3], x[..., ::-2], x[1:, 3:, 5:], x[:, :, 4:8]):
        for dim in (0, 1, 2, (0, 1), (1, 2), None):
            _check(sum, part, dim)
    expanded = np.broadcast_to(random.normal(size=(1, 8, 1)).astype(np.float32), (5, 8, 6))
    _check(sum, expanded, (0, 2))


ARGUMENTS = [((1,), 0), ((13,), None), ((9, 10), 1), ((9, 1), 1), ((64, 12), 0), ((2, 30000), 1),
             ((9000, 8), 0), ((3, 4, 5), 1), ((3, 4, 5), None), ((2, 3, 4, 8), 2)]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "dim"), ARGUMENTS)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_where_extremes_are(name, shape, dim, dtype):
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(dtype)
    rounded, broken = x.round(), x.copy()  # ties, and what is not a number
    broken.reshape(-1)[random.integers(0, x.size, x.size // 3)] = np.nan
    for given in (x, rounded, broken, np.full_like(x, np.inf), np.full_like(x, -np.inf)):
        y = getattr(reductions, name)(to(given), dim=dim)
        assert y.dtype == np.int64
        np.testing.assert_array_equal(host(y), getattr(np, name)(given, axis=dim), strict=True)
    y = getattr(reductions, name)(to(x), dim=dim, keepdim=True)
    np.testing.assert_array_equal(host(y), getattr(np, name)(x, axis=dim, keepdims=True))


@pytest.mark.parametrize("size", [5, 3000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(value, size):
    x = np.random.default_rng(0).normal(size=(size, 6)).astype(np.float32)
    x[size // 2, 1] = x[1, 2] = value
    for op in (sum, mean, amax, amin):
        for dim in (0, 1):
            y = getattr(reductions, op.__name__)(to(x), dim=dim)
            expected = getattr(np, op.__name__)(x, axis=dim)
            np.testing.assert_allclose(host(y), expected, rtol=1e-4, atol=1e-5)


def test_sums_to_a_smaller_shape():
    random = np.random.default_rng(0)
    x = images(random, 4, 6, 5, 3).astype(np.float32)
    y = reductions.sum_to_size(to(x), shape=(6, 1, 1))
    np.testing.assert_allclose(host(y), x.sum((0, 2, 3)).reshape(6, 1, 1), rtol=1e-5, atol=1e-5)
    y = reductions.sum_to_size(to(x), shape=(4, 1, 1, 1))
    np.testing.assert_allclose(host(y), x.sum((1, 2, 3), keepdims=True), rtol=1e-5, atol=1e-5)
    rows = random.normal(size=(900, 12)).astype(np.float32)
    y = reductions.sum_to_size(to(rows), shape=(12,))
    np.testing.assert_allclose(host(y), rows.sum(0), rtol=1e-4, atol=1e-4)


def test_what_is_left_to_the_reference_and_what_is_not():
    x = to(np.ones((3, 4), np.float32))
    assert reductions.sum(to(np.ones((3, 4), np.int64)), dim=0) is NotImplemented
    assert reductions.sum(to(np.ones((3, 4), np.float16)), dim=0) is NotImplemented
    assert reductions.sum(to(np.ones((0, 4), np.float32)), dim=0) is NotImplemented
    assert reductions.sum(x, dim=0, dtype=np.dtype(np.float64)) is NotImplemented
    assert reductions.norm(x, p=1) is NotImplemented
    four = to(np.ones((3, 4, 5, 6), np.float32)[:, ::2, :, ::2])
    assert reductions.sum(four, dim=(1, 3)) is not NotImplemented
    scattered = np.random.default_rng(0).normal(size=(3, 4, 5, 2, 3, 2))
    y = reductions.sum(to(scattered), dim=(0, 2, 4))
    np.testing.assert_allclose(host(y), scattered.sum((0, 2, 4)))


@pytest.mark.parametrize("shape", [(64, 50176), (50176, 64), (1, 1 << 20), (1 << 20, 1)])
def test_long_sets_are_spread_over_the_device(shape):
    dim = 0 if shape[0] > shape[1] else 1
    sets = sets_of(to(np.empty(shape, np.float32)), (dim,))
    assert sets is not None
    assert 128 <= sets.blocks * sets.pieces <= 1024
    assert sets.vector
