"""Softmax and cross entropy by CUDA kernels, against the references."""

from __future__ import annotations

import cuda_on_host
import numpy as np
import pytest
from moved import host, needs_kernels, on_host_only, to

from tinygan.backend.cuda import softmax as kernels
from tinygan.losses import softmax as losses
from tinygan.ops.reductions import logsumexp
from tinygan.ops.softmax import _log_softmax, _softmax

pytestmark = needs_kernels

FLOATS = [np.float32, np.float64]
TOLERANCE = {np.float32: {"rtol": 2e-6, "atol": 2e-6}, np.float64: {"rtol": 1e-13, "atol": 1e-13}}


def normal(dtype, *shape, scale=3.0):
    return (np.random.default_rng(len(shape)).normal(size=shape) * scale).astype(dtype)


SHAPES = [
    ((1,), 0),
    ((13,), 0),
    ((5, 1), 1),
    ((7, 10), 1),
    ((64, 12), -1),
    ((3, 2000), 1),
    ((30, 5), 0),
    ((700, 8), 0),
    ((2, 5, 6), 1),
    ((2, 3, 4, 8), 1),
    ((2, 3, 4, 8), 2),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "dim"), SHAPES)
@pytest.mark.parametrize("op", [_softmax, _log_softmax], ids=lambda op: op.__name__)
def test_softmax(op, shape, dim, dtype):
    _check(op, normal(dtype, *shape), dim)


def _check(op, x, dim):
    kernel = getattr(kernels, op.__name__.strip("_"))
    y = kernel(to(x), dim=dim)
    assert y.dtype == x.dtype
    with np.errstate(all="ignore"):
        expected = op.reference(np, x, dim=dim)
    np.testing.assert_allclose(host(y), expected, **TOLERANCE[x.dtype.type])
    out = to(np.full_like(x, np.nan))
    assert kernel(to(x), dim=dim, out=out) is out
    np.testing.assert_array_equal(host(out), host(y))


@pytest.mark.parametrize("dim", [1, 2])
def test_softmax_over_channels_last(dim):
    x = normal(np.float32, 2, 5, 6, 8).transpose(0, 3, 1, 2)
    _check(_softmax, x, dim)
    _check(_log_softmax, x, dim)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "dim"), [*SHAPES, ((40000,), None), ((5000, 3), 0)])
def test_logsumexp(shape, dim, dtype):
    x = normal(dtype, *shape)
    y = kernels.logsumexp(to(x), dim=dim)
    expected = logsumexp.reference(np, x.astype(np.float64), dim=dim)
    np.testing.assert_allclose(host(y), expected, **TOLERANCE[dtype])
    kept = kernels.logsumexp(to(x), dim=dim, keepdim=True)
    assert kept.shape == x.sum(axis=dim, keepdims=True).shape


@pytest.mark.parametrize("columns", [3, 50, 3000])
def test_nan_and_infinity(columns):
    x = normal(np.float32, 7, columns)
    x[0, 1], x[1, 0], x[2, 2] = np.nan, np.inf, -np.inf
    x[3], x[4] = -np.inf, 1e4
    x[5, 0], x[5, 2] = np.inf, np.nan
    for op in (_softmax, _log_softmax):
        _check(op, x, 1)
        _check(op, np.ascontiguousarray(x.T), 0)
    with np.errstate(all="ignore"):
        expected = logsumexp.reference(np, x, dim=1)
    y = kernels.logsumexp(to(x), dim=1)
    np.testing.assert_allclose(host(y), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 2), (7, 10), (64, 12), (300, 5), (3, 1500)])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing, weighted, reduction, shape, dtype):
    random = np.random.default_rng(0)
    x, target = normal(dtype, *shape), random.integers(0, shape[1], shape[0])
    target[::3] = -100 if len(target) > 1 else target[0]
    weight = random.random(shape[1]).astype(dtype) if weighted else None
    options = {"ignore_index": -100, "reduction": reduction, "smoothing": smoothing}
    g = np.asarray(random.random(() if reduction != "none" else shape[0])).astype(dtype)
    given = [None if a is None else to(a) for a in (x, target, weight)]
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else TOLERANCE[dtype]

    y = kernels.softmax_cross_entropy(*given, **options)
    expected = losses.softmax_cross_entropy.reference(np, x, target, weight, **options)
    assert y.dtype == dtype
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(host(y), expected, **tolerance)
    again = kernels.softmax_cross_entropy(*given, **options)  # the count of blocks is back at 0
    np.testing.assert_array_equal(host(again), host(y))

    y = kernels.softmax_cross_entropy_grad(to(g), *given, **options)
    expected = losses.softmax_cross_entropy_grad.reference(np, g, x, target, weight, **options)
    np.testing.assert_allclose(host(y), expected, **tolerance)
    out = to(np.full_like(x, np.nan))
    kernels.softmax_cross_entropy_grad(to(g), *given, out=out, **options)
    np.testing.assert_array_equal(host(out), host(y))


@on_host_only
@pytest.mark.parametrize("wrong", [-1, 10])
def test_a_class_out_of_range_stops_the_device(wrong):
    x, target = to(normal(np.float32, 40, 10)), np.zeros(40, np.int64)
    options = {"ignore_index": -100, "reduction": "mean"}
    good = kernels.softmax_cross_entropy(x, to(target), **options)
    target[7] = wrong
    message = f"cross_entropy expects indices from 0 to 9, got {wrong}"
    with pytest.raises(cuda_on_host.DeviceStopped, match=message):
        kernels.softmax_cross_entropy(x, to(target), **options)
    with pytest.raises(cuda_on_host.DeviceStopped, match=message):
        kernels.softmax_cross_entropy_grad(to(np.ones((), np.float32)), x, to(target), **options)
    target[7] = 0
    again = kernels.softmax_cross_entropy(x, to(target), **options)
    np.testing.assert_array_equal(host(again), host(good))
