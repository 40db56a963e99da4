"""Normalisation against its formula, its running statistics and its errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


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
    mean, var = normal(3), RNG.random(3)
    axes = (0, *range(2, len(shape)))
    by_channel = (slice(None), *[None] * (len(shape) - 2))
    tensors = [tinygan.tensor(v, device=device) for v in (mean, var, weight, bias)]
    given = tinygan.Tensor(tinygan.backend.backend_for(device).from_host(order(x)))
    y = F.batch_norm(given, *tensors, training=True, momentum=0.2)
    expected = standardized(x, axes) * weight[by_channel] + bias[by_channel]
    assert np.allclose(y.cpu().numpy(), expected)
    if order is last and device == "cpu":
        assert y.array.strides == given.array.strides
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
        F.batch_norm(tinygan.Tensor(order(x)), None, var, training=True, momentum=1.0)
        assert np.allclose(var.numpy(), x.astype(np.float64).var((0, 2, 3), ddof=1), rtol=1e-3)


def test_batch_norm_gradient_is_orthogonal_to_ones_and_to_the_output() -> None:
    x = tinygan.tensor(normal(6, 3, 4), requires_grad=True)
    y = F.batch_norm(x, None, None, training=True, eps=0.0)
    (g,) = tinygan.autograd.grad(y, x, tinygan.tensor(normal(6, 3, 4)))
    assert np.allclose(g.numpy().sum((0, 2)), 0)
    assert np.allclose((g * y.detach()).numpy().sum((0, 2)), 0)


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
        given = tinygan.Tensor(last(x))
        for y in (F.group_norm(given, 2, *tensors), F.instance_norm(given)):
            assert y.array.strides == given.array.strides
    with pytest.raises(RuntimeError, match="cannot be divided into 4 groups"):
        F.group_norm(given, 4)
    with pytest.raises(ValueError, match="more than 1 value per group"):
        F.group_norm(tinygan.randn(1, 2), 2)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(tinygan.randn(2, 3, 1))


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
