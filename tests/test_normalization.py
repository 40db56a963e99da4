"""Normalisation against its formula, its running statistics and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan.autograd import REGISTRY, Primitive
from tinygan.backend.cpu import activations, threads, unary
from tinygan.backend.cpu import moments as running
from tinygan.backend.cpu import normalization as kernels
from tinygan.nn import functional as F

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape)


def standardized(x: np.ndarray, axes: tuple[int, ...], eps: float = 1e-5) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def last(x: np.ndarray) -> np.ndarray:
    """The same values over channels-last memory."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(
        0, x.ndim - 1, *range(1, x.ndim - 1)
    )


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("order", [np.asarray, last])
def test_batch_norm(shape: tuple[int, ...], order, device: str) -> None:  # type: ignore[no-untyped-def]
    x, weight, bias = normal(*shape) + 3, normal(3), normal(3)
    mean, var = normal(3), random.random(3)
    axes = (0, *range(2, len(shape)))
    by_channel = (slice(None), *[None] * (len(shape) - 2))
    tensors = [tinygan.tensor(v, device=device) for v in (mean, var, weight, bias)]
    given = tinygan.autograd.wrap(tinygan.backend.backend_for(device).from_host(order(x)))
    y = F.batch_norm(given, *tensors, training=True, momentum=0.2)
    expected = standardized(x, axes) * weight[by_channel] + bias[by_channel]
    assert np.allclose(y.cpu().numpy(), expected)
    if len(shape) != 3 or order is last:
        assert y.array.strides == (order if len(shape) == 3 else last)(x).strides
    assert np.allclose(tensors[0].cpu().numpy(), 0.8 * mean + 0.2 * x.mean(axes))
    assert np.allclose(tensors[1].cpu().numpy(), 0.8 * var + 0.2 * x.var(axes, ddof=1))
    y = F.batch_norm(given, *tensors)
    mean, var = (v.cpu().numpy()[by_channel] for v in tensors[:2])
    expected = (x - mean) / np.sqrt(var + 1e-5) * weight[by_channel] + bias[by_channel]
    assert np.allclose(y.cpu().numpy(), expected)


def test_running_statistics_are_changed_in_place_and_counted() -> None:
    mean, var = tinygan.zeros(3), tinygan.ones(3)
    arrays = mean.array, var.array
    F.batch_norm(tinygan.randn(8, 3), mean, var, training=True)
    assert (mean.array, var.array) == arrays or (mean.array is arrays[0] and var.array is arrays[1])
    assert mean.version[0] == var.version[0] == 1
    w = tinygan.ones(3, requires_grad=True)
    y = (mean * w).sum()
    F.batch_norm(tinygan.randn(8, 3), mean, var, training=True)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    F.batch_norm(tinygan.randn(8, 3), mean, var)
    assert mean.version[0] == 2


def test_batch_norm_of_a_large_offset_keeps_its_variance() -> None:
    x = (normal(64, 4, 7, 7) + 3000).astype(np.float32)
    for order in (np.asarray, last):
        var = tinygan.zeros(4)
        F.batch_norm(tinygan.from_numpy(order(x)), None, var, training=True, momentum=1.0)
        assert np.allclose(var.numpy(), x.astype(np.float64).var((0, 2, 3), ddof=1), rtol=1e-3)


def test_batch_norm_gradient_is_orthogonal_to_ones_and_to_the_output() -> None:
    x = tinygan.tensor(normal(6, 3, 4), requires_grad=True)
    y = F.batch_norm(x, None, None, training=True, eps=0.0)
    (g,) = tinygan.autograd.grad(y, x, tinygan.tensor(normal(6, 3, 4)))
    assert np.allclose(g.numpy().sum((0, 2)), 0)
    assert np.allclose((g * y.detach()).numpy().sum((0, 2)), 0)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4, 4), (2, 3, 0)])
def test_batch_norm_of_an_empty_batch(shape: tuple[int, ...], device: str) -> None:
    mean, var, weight = (tinygan.full((3,), v, device=device) for v in (2.0, 3.0, 4.0))
    x = tinygan.zeros(*shape, device=device, requires_grad=True)
    y = F.batch_norm(x, mean, var, weight.requires_grad_(), training=True)
    y.sum().backward()
    assert y.shape == shape and x.grad.shape == shape  # type: ignore[union-attr]
    assert mean.cpu().tolist() == [2.0] * 3 and var.cpu().tolist() == [3.0] * 3
    assert weight.grad.cpu().tolist() == [0.0] * 3  # type: ignore[union-attr]


def test_batch_norm_errors() -> None:
    x = tinygan.randn(4, 3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        F.batch_norm(tinygan.randn(1, 3, 1, 1), None, None, training=True)
    with pytest.raises(RuntimeError, match="expected running_mean and running_var"):
        F.batch_norm(x, None, None)
    with pytest.raises(RuntimeError, match="running_var should contain 3 elements"):
        F.batch_norm(x, tinygan.zeros(3), tinygan.ones(4))
    with pytest.raises(RuntimeError, match="bias should contain 3 elements"):
        F.batch_norm(x, None, None, None, tinygan.ones(3, 1), training=True)
    with pytest.raises(ValueError, match=r"\(N, C, \*\)"):
        F.batch_norm(tinygan.randn(4), None, None, training=True)
    with pytest.raises(TypeError, match="floating-point"):
        F.batch_norm(tinygan.randint(3, (4, 3)), None, None, training=True)


def test_layer_norm(device: str) -> None:
    x, weight, bias = normal(4, 5, 3), normal(5, 3), normal(5, 3)
    tensors = [tinygan.tensor(v, device=device) for v in (x, weight, bias)]
    y = F.layer_norm(tensors[0], (5, 3), *tensors[1:])
    assert np.allclose(y.cpu().numpy(), standardized(x, (1, 2)) * weight + bias)
    y = F.layer_norm(tensors[0], 3)
    assert np.allclose(y.cpu().numpy(), standardized(x, (2,)))
    with pytest.raises(RuntimeError, match="not the end of the input's shape"):
        F.layer_norm(tensors[0], (4, 3))
    with pytest.raises(RuntimeError, match="weight of shape"):
        F.layer_norm(tensors[0], 3, tensors[1])


def test_group_and_instance_norm(device: str) -> None:
    x, weight, bias = normal(2, 6, 3, 4), normal(6), normal(6)
    tensors = [tinygan.tensor(v, device=device) for v in (weight, bias)]
    given = tinygan.tensor(x, device=device)
    y = F.group_norm(given, 2, *tensors)
    groups = standardized(x.reshape(2, 2, 3, 3, 4), (2, 3, 4)).reshape(x.shape)
    expected = groups * weight[:, None, None] + bias[:, None, None]
    assert np.allclose(y.cpu().numpy(), expected)
    y = F.instance_norm(given, None, None, *tensors)
    expected = standardized(x, (2, 3)) * weight[:, None, None] + bias[:, None, None]
    assert np.allclose(y.cpu().numpy(), expected)
    if device == "cpu":
        given = tinygan.from_numpy(last(x))
        for y in (F.group_norm(given, 2, *tensors), F.instance_norm(given)):
            assert y.array.strides == given.array.strides
    with pytest.raises(RuntimeError, match="cannot be divided into 4 groups"):
        F.group_norm(given, 4)
    with pytest.raises(ValueError, match="more than 1 value per group"):
        F.group_norm(tinygan.randn(1, 2), 2)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(tinygan.randn(2, 3, 1))


def test_the_output_may_be_overwritten() -> None:
    for norm in (
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.layer_norm(x, (3, 2)),
        lambda x: F.group_norm(x, 2),
        F.instance_norm,
    ):
        x = tinygan.tensor(normal(3, 4, 3, 2), requires_grad=True)
        (expected,) = tinygan.autograd.grad(norm(x).relu().square().sum(), x)
        (g,) = tinygan.autograd.grad(norm(x).relu_().square().sum(), x)
        assert np.array_equal(g.numpy(), expected.numpy())


def test_batch_norm_reads_nothing_back() -> None:
    import strict_cupy

    x = tinygan.randn(4, 3, 2, 2, device="cuda", requires_grad=True)
    moments = tinygan.zeros(3, device="cuda"), tinygan.ones(3, device="cuda")
    weight, bias = (tinygan.ones(3, device="cuda", requires_grad=True) for _ in range(2))
    with strict_cupy.no_synchronization():
        F.batch_norm(x, *moments, weight, bias, training=True).sum().backward()
        F.batch_norm(x, *moments, weight, bias).sum().backward()
        F.instance_norm(x, *moments, weight, bias).sum().backward()
        F.layer_norm(x, (2, 2)).sum().backward()


# -- the kernels against the reference ------------------------------------------------------------

KERNELS = {
    "batch_moments": running.batch_moments,
    "batch_norm": kernels.batch_norm,
    "batch_norm_sums": kernels.batch_norm_sums,
    "batch_norm_input_grad": kernels.batch_norm_input_grad,
}
OPS = [REGISTRY[name] for name in KERNELS]


def call(op: Primitive, x: np.ndarray, g: np.ndarray, affine: bool, out: Any = None) -> np.ndarray:
    """The op by its kernel, or NotImplemented, on moments and sums that fit x."""
    random = np.random.default_rng(1)
    channels = x.shape[1]
    moments = REGISTRY["batch_moments"].reference(np, x)
    sums, weight, bias = (
        random.standard_normal(s).astype(x.dtype) for s in ((2, channels), channels, channels)
    )
    arguments, static = {
        "batch_moments": ([x], {}),
        "batch_norm": ([x, weight, bias, moments], {"eps": 1e-5, "training": True}),
        "batch_norm_sums": ([g, x, moments], {"eps": 1e-5}),
        "batch_norm_input_grad": ([g, x, weight, moments, sums * x.size], {"eps": 1e-5}),
    }[op.name]
    if not affine:
        arguments = [None if a is weight or a is bias else a for a in arguments]
    if out is None:
        return op.reference(np, *arguments, **static)
    return KERNELS[op.name](*arguments, **static, out=None if out is True else out)


@pytest.mark.parametrize(
    "shape",
    [
        (64, 33, 5, 5),
        (3, 1, 40, 41),
        (1025, 2),
        (2, 1024, 1, 1),
        (130, 48, 9),
        (64, 128, 16, 17),
        (5, 7, 31, 33),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels(shape: tuple[int, ...], affine: bool, dtype: Any) -> None:
    x, g = (last((random.standard_normal(shape) * 3 + 5).astype(dtype)) for _ in range(2))
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    for op in OPS:
        expected = call(op, x.astype(np.float64), g.astype(np.float64), affine)
        y = call(op, x, g, affine, True)
        assert y is not NotImplemented and y.dtype == dtype
        limit = tolerance * np.abs(expected).max()
        assert np.allclose(y, expected, rtol=tolerance, atol=limit)
        if y.shape == x.shape:
            assert y.strides == x.strides
        out = np.empty_like(y)
        assert call(op, x, g, affine, out) is out and np.array_equal(out, y)
        for number in (1, 3):
            before = threads.get_num_threads()
            threads.set_num_threads(number)
            try:
                assert np.array_equal(call(op, x, g, affine, True), y)
            finally:
                threads.set_num_threads(before)


def test_kernels_are_those_that_training_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinygan.backend.kernels, "enabled", True)
    x = tinygan.from_numpy(last(random.standard_normal((8, 16, 5, 5)).astype(np.float32)))
    y = F.batch_norm(x.requires_grad_(), None, None, training=True)
    y.sum().backward()
    for op in OPS:
        assert op.kernels.find("cpu") is KERNELS[op.name]


@pytest.mark.parametrize("mean", [0.0, 5.0])
def test_moments_are_nearly_as_exact_as_their_type(mean: float) -> None:
    x = (np.random.default_rng(1).standard_normal((8, 24, 24, 64)) + mean).astype(np.float32)
    exact = x.astype(np.float64).reshape(-1, 64)
    found, var = running.batch_moments(x.transpose(0, 3, 1, 2))
    assert np.abs(found - exact.mean(0)).max() < 2e-7 * (1 + mean)
    np.testing.assert_allclose(var, exact.var(0), rtol=6e-7)


@pytest.mark.parametrize("rows", [1, 3, 8, 9, 700])
def test_what_is_constant_has_no_variance(rows: int) -> None:
    x = np.full((rows, 1, 1, 21), 0.1, np.float32) * np.arange(21, dtype=np.float32)
    found, var = running.batch_moments(x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(found, x[0, 0, 0])
    np.testing.assert_array_equal(var, 0)


@pytest.mark.parametrize("shape", [(64, 1030), (2000, 33), (8, 16, 5, 5)])
def test_an_activation_is_applied_to_the_same_bits(shape: tuple[int, ...]) -> None:
    x = last(random.standard_normal(shape).astype(np.float32))
    moments = running.batch_moments(x)
    weight, bias = random.standard_normal((2, shape[1])).astype(np.float32)
    arguments = (x, weight, bias, moments)
    y = kernels.batch_norm(*arguments, eps=1e-5, training=True)
    for activation, expected in (
        (("relu", 0.0), np.maximum(y, 0)),
        (("leaky_relu", 0.2), np.where(y > 0, y, y * np.float32(0.2))),
        (("tanh", 0.0), unary.tanh(y)),
        (("sigmoid", 0.0), activations.sigmoid(y)),
    ):
        z = kernels.batch_norm(*arguments, eps=1e-5, training=True, activation=activation)
        assert np.array_equal(z, expected)


def test_a_small_variance_beside_a_large_mean() -> None:
    x = (1e4 + 0.1 * random.standard_normal((100_000, 5))).astype(np.float32)
    moments = running.batch_moments(x)
    assert np.allclose(moments[0], x.astype(np.float64).mean(0), rtol=1e-6)
    assert np.allclose(moments[1], x.astype(np.float64).var(0), rtol=1e-3)


def test_running_moments_move_in_place() -> None:
    moments, mean, var = random.random((3, 2, 7)).astype(np.float32)
    mean, var = mean[0], var[0]
    expected = [mean.copy(), var.copy()]
    REGISTRY["move_running"].reference(np, moments, *expected, momentum=0.1, count=20)
    running.move_running(moments, mean, var, momentum=0.1, count=20)
    assert np.allclose(mean, expected[0], rtol=1e-6) and np.allclose(var, expected[1], rtol=1e-6)


def test_kernels_decline_what_is_not_channels_last() -> None:
    x = random.standard_normal((8, 16, 5, 5))
    for array in (x, x.astype(np.float32), last(x).astype(np.float16), last(x)[:2, :, ::2]):
        for op in OPS:
            assert call(op, array, array, True, True) is NotImplemented


def test_a_gradient_in_another_order_is_no_obstacle() -> None:
    x, g = random.standard_normal((2, 8, 16, 5, 5)).astype(np.float32)
    results = []
    for given in (g, last(g)):
        t = tinygan.from_numpy(last(x)).requires_grad_()
        y = F.batch_norm(t, None, None, training=True)
        (r,) = tinygan.autograd.grad(y, t, tinygan.from_numpy(given))
        assert r.array.strides == t.array.strides
        results.append(r.numpy())
    assert np.array_equal(*results)


def test_kernels_pass_nan_and_infinity_on() -> None:
    for bad in (np.nan, np.inf):
        x = last(random.standard_normal((8, 16, 5, 5)).astype(np.float32))
        x[3, 2, 1, 1] = bad
        y = F.batch_norm(tinygan.from_numpy(x), None, None, training=True).numpy()
        assert np.isnan(y[:, 2]).any() and np.isfinite(np.delete(y, 2, axis=1)).all()
