"""Layer, group and instance normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tinygan.autograd import Tensor, is_grad_enabled, no_grad, primitive
from tinygan.ops.batch_norm import batch_norm, check_channels, fixed_moments, move_towards

__all__ = ["group_norm", "instance_norm", "layer_norm"]


def _mean(x: Any, dims: tuple[int, ...]) -> Any:
    """In two stages: NumPy averages over pixels fast, over pixels and a group's channels not."""
    if len(dims) > 1:
        x = x.mean(axis=dims[1:], keepdims=True)
    return x.mean(axis=dims[0], keepdims=True)


@primitive
def moments_over(xp: Any, x: Any, *, dims: tuple[int, ...]) -> Any:
    """Mean and biased variance over some dimensions, which are kept: a pair in front of them."""
    mean = _mean(x, dims)
    centred = x - mean
    centred *= centred
    return xp.stack([mean, _mean(centred, dims)])


@primitive
def standardize(xp: Any, x: Any, moments: Any, *, dims: tuple[int, ...], eps: float) -> Any:
    """(x - mean) / sqrt(var + eps), the moments being those of x over `dims`."""
    y = x - moments[0]
    y *= 1 / xp.sqrt(moments[1] + eps)
    return y


@primitive
def standardize_grad(
    xp: Any, g: Any, x: Any, moments: Any, *, dims: tuple[int, ...], eps: float
) -> Any:
    """(g - mean(g) - y mean(g y)) / sqrt(var + eps) with y = standardize(x)."""
    inverse = 1 / xp.sqrt(moments[1] + eps)
    y = x - moments[0]
    z = g * y
    y *= _mean(z, dims) * -inverse * inverse
    y += g
    y -= _mean(g, dims)
    y *= inverse
    return y


def _standardize_by_x(
    g: Tensor, x: Tensor, moments: Tensor, dims: tuple[int, ...], eps: float
) -> Tensor:
    """Through the moments too. The output is not asked for, so that a ReLU may overwrite it."""
    if not is_grad_enabled():
        return standardize_grad(g, x, moments, dims=dims, eps=eps)
    centred = x - x.mean(dims, keepdim=True)
    inverse = (centred.square().mean(dims, keepdim=True) + eps).rsqrt()
    y = centred * inverse
    g = g - g.mean(dims, keepdim=True) - y * (g * y).mean(dims, keepdim=True)
    return g * inverse


standardize.vjp(x=_standardize_by_x)

for _op in (moments_over, standardize, standardize_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.standardize:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.normalization:{_op.name}")


def _standardize(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    return standardize(x, moments_over(x.detach(), dims=dims), dims=dims, eps=eps)


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
    check_channels("group_norm", input, None, None, weight, bias)
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
    check_channels("instance_norm", input, running_mean, running_var, weight, bias)
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
        move_towards(moments, running_mean, running_var, momentum, prod(input.shape[2:]))
    y = _standardize(input, dims, eps)
    return _affine(y, weight, bias, (input.shape[1],) + (1,) * (input.ndim - 2))
