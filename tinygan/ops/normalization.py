"""Batch, layer, group and instance normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tinygan.autograd import Tensor, is_grad_enabled, no_grad, primitive

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm"]


# -- batch normalisation: fused, since the training of a DCGAN spends its time here ---------------


def _by_channel(v: Any, ndim: int) -> Any:
    """A vector over the channels, dimension 1, in a shape that broadcasts."""
    return v.reshape((1, -1) + (1,) * (ndim - 2))


def _axes(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


@primitive
def batch_moments(xp: Any, x: Any) -> Any:
    """Mean and biased variance of every channel, (N, C, *) -> (2, C), in two passes."""
    axes = _axes(x.ndim)
    moments = xp.empty((2, x.shape[1]), dtype=x.dtype)
    moments[0] = x.mean(axis=axes)
    centred = x - _by_channel(moments[0], x.ndim)
    centred *= centred
    moments[1] = centred.mean(axis=axes)
    return moments


@primitive
def move_running(xp: Any, moments: Any, mean: Any, var: Any, *, momentum: float, count: int) -> Any:
    """running = (1 - momentum) running + momentum moment, in place, with the unbiased variance.

    `count` is how many values the moments, (2, C), were taken over.
    """
    if mean is not None:
        mean *= 1 - momentum
        mean += momentum * moments[0]
    if var is not None:
        var *= 1 - momentum
        var += momentum * count / (count - 1) * moments[1]
    return moments


@primitive
def fixed_moments(xp: Any, mean: Any, var: Any) -> Any:
    """Two vectors as the (2, C) that batch_moments returns."""
    return xp.stack([mean, var])


@primitive
def _batch_norm(
    xp: Any, x: Any, weight: Any, bias: Any, moments: Any, *, eps: float, training: bool
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, per channel: dimension 1."""
    scale = 1 / xp.sqrt(moments[1] + eps)
    if weight is not None:
        scale *= weight
    y = x - _by_channel(moments[0], x.ndim)
    y *= _by_channel(scale, x.ndim)
    if bias is not None:
        y += _by_channel(bias, x.ndim)
    return y


@primitive
def batch_norm_sums(xp: Any, g: Any, x: Any, moments: Any, *, eps: float) -> Any:
    """sum(g) and sum(g (x - mean) / sqrt(var + eps)) of every channel, (2, C)."""
    axes = _axes(x.ndim)
    sums = xp.empty_like(moments)
    sums[0] = g.sum(axis=axes)
    centred = x - _by_channel(moments[0], x.ndim)
    centred *= g
    sums[1] = centred.sum(axis=axes) / xp.sqrt(moments[1] + eps)
    return sums


@primitive
def batch_norm_input_grad(
    xp: Any, g: Any, x: Any, weight: Any, moments: Any, sums: Any, *, eps: float
) -> Any:
    """The gradient of _batch_norm by x through its moments too; `sums` as batch_norm_sums."""
    count = x.size // x.shape[1]
    inverse = 1 / xp.sqrt(moments[1] + eps)
    y = x - _by_channel(moments[0], x.ndim)
    y *= _by_channel(inverse * sums[1] / -count, x.ndim)
    y += g
    y -= _by_channel(sums[0] / count, x.ndim)
    y *= _by_channel(inverse if weight is None else inverse * weight, x.ndim)
    return y


def _gradients(
    g: Tensor,
    x: Tensor,
    weight: Tensor | None,
    moments: Tensor,
    eps: float,
    training: bool,
    asked: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
    """By x (in training also through the moments), weight and bias: fused if nothing records."""
    dims, shape = _axes(x.ndim), (1, -1) + (1,) * (x.ndim - 2)
    if training and not is_grad_enabled():
        sums = batch_norm_sums(g, x, moments, eps=eps)
        by_x = batch_norm_input_grad(g, x, weight, moments, sums, eps=eps) if asked[0] else None
        return by_x, sums[1], sums[0], None
    mean = x.mean(dims, keepdim=True) if training else moments[0].reshape(shape)
    centred = x - mean
    var = centred.square().mean(dims, keepdim=True) if training else moments[1].reshape(shape)
    inverse = (var + eps).rsqrt()
    scale = inverse if weight is None else inverse * weight.reshape(shape)
    by_weight = by_bias = None
    if training or asked[1] or asked[2]:
        normal = centred * inverse
        by_weight, by_bias = (g * normal).sum(dims, keepdim=True), g.sum(dims, keepdim=True)
        if training:
            g = g - (by_bias + normal * by_weight) / (x.numel() // x.shape[1])
        by_weight, by_bias = by_weight.reshape(-1), by_bias.reshape(-1)
    return g * scale, by_weight, by_bias, None


_batch_norm.vjp_of_all(_gradients)

for _op in (batch_moments, _batch_norm, batch_norm_sums, batch_norm_input_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.normalization:{_op.name}")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of (N, C), (N, C, L), (N, C, H, W).

    In training the moments are the batch's and the running ones, if given, move towards them in
    place by the share `momentum`; else the moments are the running ones.
    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015.
    """
    _check("batch_norm", input, running_mean, running_var, weight, bias)
    if training:
        if input.numel() == input.shape[1]:
            raise ValueError(
                "batch_norm: expected more than 1 value per channel when training, got input "
                f"size {tuple(input.shape)}"
            )
        moments = batch_moments(input.detach())
        _move(moments, running_mean, running_var, momentum, input.numel() // input.shape[1])
    elif running_mean is None or running_var is None:
        raise RuntimeError("batch_norm: expected running_mean and running_var when not training")
    else:
        moments = fixed_moments(running_mean, running_var)
    return _batch_norm(input, weight, bias, moments, eps=eps, training=training)


def _move(
    moments: Tensor, mean: Tensor | None, var: Tensor | None, momentum: float, count: int
) -> None:
    running = [v for v in (mean, var) if v is not None]
    if running:
        move_running(moments, mean, var, momentum=momentum, count=count)
    for v in running:
        v.version[0] += 1


def _check(name: str, x: Tensor, *by_channel: Tensor | None) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input (N, C, *), got shape {tuple(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point input, got {x.dtype}")
    names = ("running_mean", "running_var", "weight", "bias")
    for label, v in zip(names, by_channel, strict=True):
        if v is not None and v.shape != (x.shape[1],):
            raise RuntimeError(
                f"{name}: {label} should contain {x.shape[1]} elements, one per channel of the "
                f"input {tuple(x.shape)}, got shape {tuple(v.shape)}"
            )


# -- the others -----------------------------------------------------------------------------------


def _standardize(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps) over some dimensions."""
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Sequence[int]) -> Tensor:
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, `normalized_shape`.

    Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
    """
    over = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not over or input.shape[-len(over) :] != over:
        raise RuntimeError(
            f"layer_norm: normalized_shape {over} is not the end of the input's shape "
            f"{tuple(input.shape)}"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and v.shape != over:
            raise RuntimeError(
                f"layer_norm: expected a {name} of shape {over}, got {tuple(v.shape)}"
            )
    return _affine(_standardize(input, tuple(range(-len(over), 0)), eps), weight, bias, over)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Per sample, (x - mean) / sqrt(var + eps) over groups of channels, then weight and bias.

    Source: Wu and He, "Group normalization", ECCV 2018.
    """
    _check("group_norm", input, None, None, weight, bias)
    count, channels, *space = input.shape
    if num_groups < 1 or channels % num_groups:
        raise RuntimeError(
            f"group_norm: {channels} channels cannot be divided into {num_groups} groups"
        )
    if count * channels // num_groups * prod(space) == 1:
        raise ValueError(
            f"group_norm: expected more than 1 value per group, got input size {tuple(input.shape)}"
        )
    groups = input.reshape(count, num_groups, channels // num_groups, *space)
    y = _standardize(groups, tuple(range(2, groups.ndim)), eps).reshape(input.shape)
    return _affine(y, weight, bias, (channels,) + (1,) * len(space))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Per sample and channel, (x - mean) / sqrt(var + eps) * weight + bias; (N, C, *).

    The running moments move towards the mean over the batch of the samples' moments.
    Source: Ulyanov, Vedaldi, Lempitsky, "Instance normalization", 2016.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    _check("instance_norm", input, running_mean, running_var, weight, bias)
    if prod(input.shape[2:]) == 1:
        raise ValueError(
            "instance_norm: expected more than 1 spatial element when training, got input size "
            f"{tuple(input.shape)}"
        )
    dims = tuple(range(2, input.ndim))
    if running_mean is not None or running_var is not None:
        with no_grad():
            mean = input.mean(dims, keepdim=True)
            var = (input - mean).square().mean(dims).mean(0)
            moments = fixed_moments(mean.reshape(input.shape[:2]).mean(0), var)
        _move(moments, running_mean, running_var, momentum, prod(input.shape[2:]))
    y = _standardize(input, dims, eps)
    return _affine(y, weight, bias, (input.shape[1],) + (1,) * (input.ndim - 2))
