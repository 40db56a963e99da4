"""Batch normalisation, fused: the training of a DCGAN spends its time here and in convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygan.autograd import Primitive, Tensor, is_grad_enabled, primitive, wrap
from tinygan.distributed import get_world_size, mean_over_ranks, world

__all__ = ["batch_norm", "sync_batch_norm"]


def _by_channel(v: Any, ndim: int) -> Any:
    """A vector over the channels, dimension 1, in a shape that broadcasts."""
    return v.reshape((1, -1) + (1,) * (ndim - 2))


def _axes(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


@primitive
def channels_last(xp: Any, x: Any) -> Any:
    """The same images (N, C, H, W) over channels-last memory."""
    return xp.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


channels_last.vjp(x=lambda g: g)
channels_last.kernel("cpu", "tinygan.backend.cpu.copy:channels_last")
channels_last.kernel("cuda", "tinygan.backend.cuda.copy:channels_last")


def _by_pixel(x: Tensor) -> Tensor:
    """Images in channels-last memory: one copy of what a dense layer made makes the rest fast."""
    if x.ndim == 4 and not x.array.transpose(0, 2, 3, 1).flags.c_contiguous:
        x = channels_last(x)
    return x


@primitive
def batch_moments(xp: Any, x: Any) -> Any:
    """Mean and biased variance of every channel, (N, C, *) -> (2, C), in two passes; of none 0."""
    axes = _axes(x.ndim)
    moments = xp.zeros((2, x.shape[1]), dtype=x.dtype)
    if not x.size:
        return moments
    moments[0] = x.mean(axis=axes)
    centred = x - _by_channel(moments[0], x.ndim)
    centred *= centred
    moments[1] = centred.mean(axis=axes)
    return moments


@primitive
def moments_over_ranks(xp: Any, moments: Any) -> Any:
    """Mean and variance over all ranks, (2, C), from those of each, over equally many values."""
    ranks = world()
    of_each = xp.zeros((ranks.size, *moments.shape), dtype=moments.dtype)
    of_each[ranks.rank] = moments
    ranks.all_reduce(of_each)
    y = of_each.mean(axis=0)
    y[1] += ((of_each[:, 0] - y[0]) ** 2).mean(axis=0)
    return y


@primitive(changes_inputs=True)
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
def _sync_batch_norm(
    xp: Any, x: Any, weight: Any, bias: Any, moments: Any, *, eps: float, training: bool
) -> Any:
    """_batch_norm, with moments over the batches of all ranks."""
    return _batch_norm.reference(xp, x, weight, bias, moments, eps=eps, training=training)


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


def _gradients(of_all: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """The rule for x, weight and bias; `of_all` makes means over the batch those of all ranks."""

    def gradients(
        g: Tensor,
        x: Tensor,
        weight: Tensor | None,
        moments: Tensor,
        eps: float,
        training: bool,
        asked: list[bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """By x (in training also through the moments), weight, bias: fused if nothing records."""
        if training and not is_grad_enabled():
            g = _by_pixel(g)
            sums = batch_norm_sums(g, x, moments, eps=eps)
            by_x = None
            if asked[0]:
                by_x = batch_norm_input_grad(g, x, weight, moments, of_all(sums), eps=eps)
            return by_x, wrap(sums.array[1]), wrap(sums.array[0]), None
        dims, shape = _axes(x.ndim), (1, -1) + (1,) * (x.ndim - 2)
        mean, var = moments[0].reshape(shape), moments[1].reshape(shape)
        if training:
            mean = of_all(x.mean(dims, keepdim=True))
        centred = x - mean
        if training:
            var = of_all(centred.square().mean(dims, keepdim=True))
        inverse = (var + eps).rsqrt()
        scale = inverse if weight is None else inverse * weight.reshape(shape)
        by_weight = by_bias = None
        if training or asked[1] or asked[2]:
            normal = centred * inverse
            by_weight, by_bias = (g * normal).sum(dims, keepdim=True), g.sum(dims, keepdim=True)
            if training:
                total = of_all(by_bias) + normal * of_all(by_weight)
                g = g - total / (x.numel() // x.shape[1])
            by_weight, by_bias = by_weight.reshape(-1), by_bias.reshape(-1)
        return g * scale, by_weight, by_bias, None

    return gradients


_batch_norm.vjp_of_all(_gradients(lambda mean: mean))
_sync_batch_norm.vjp_of_all(_gradients(mean_over_ranks))

for _op, _file in (
    (batch_moments, "moments"),
    (move_running, "moments"),
    (_batch_norm, "normalization"),
    (batch_norm_sums, "normalization"),
    (batch_norm_input_grad, "normalization"),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.{_file}:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.normalization:{_op.name}")
_sync_batch_norm.kernel("cpu", "tinygan.backend.cpu.normalization:batch_norm")
_sync_batch_norm.kernel("cuda", "tinygan.backend.cuda.normalization:batch_norm")


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
    running = running_mean, running_var
    return _normalized(_batch_norm, 1, input, running, weight, bias, training, momentum, eps)


def sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` with the moments of the batches of all ranks, which are of one size.

    Its gradients are of the mean of the ranks' losses; those by weight and bias are this rank's
    part, to be averaged like all others.
    """
    ranks, running = get_world_size() if training else 1, (running_mean, running_var)
    return _normalized(
        _sync_batch_norm, ranks, input, running, weight, bias, training, momentum, eps
    )


def _normalized(
    op: Primitive,
    ranks: int,
    input: Tensor,
    running: tuple[Tensor | None, Tensor | None],
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, by moments of the ranks' batches or running."""
    mean, var = running
    check_channels("batch_norm", input, mean, var, weight, bias)
    input = _by_pixel(input)
    if training:
        count = ranks * (input.numel() // input.shape[1])
        if count == 1:
            raise ValueError(
                "batch_norm: expected more than 1 value per channel when training, got input "
                f"size {tuple(input.shape)}"
            )
        moments = batch_moments(input.detach())
        if ranks > 1:
            moments = moments_over_ranks(moments)
        if count:
            move_towards(moments, mean, var, momentum, count)
    elif mean is None or var is None:
        raise RuntimeError("batch_norm: expected running_mean and running_var when not training")
    else:
        moments = fixed_moments(mean, var)
    return op(input, weight, bias, moments, eps=eps, training=training)


def move_towards(
    moments: Tensor, mean: Tensor | None, var: Tensor | None, momentum: float, count: int
) -> None:
    """`move_running` of the running moments that there are, counted as a change of them."""
    running = [v for v in (mean, var) if v is not None]
    if running:
        move_running(moments, mean, var, momentum=momentum, count=count)
    for v in running:
        v.version[0] += 1


def check_channels(name: str, x: Tensor, *by_channel: Tensor | None) -> None:
    """Refuse an x that is not (N, C, *), and vectors (mean, var, weight, bias) that are not C."""
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
