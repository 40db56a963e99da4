"""The layers' functions under PyTorch's names: ops, and losses."""

from __future__ import annotations

import warnings
from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor, change
from tinygan.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from tinygan.ops import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    batch_norm,
    bilinear,
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    dropout,
    dropout1d,
    dropout2d,
    embedding,
    fir_resample,
    fold,
    gelu,
    glu,
    group_norm,
    instance_norm,
    interpolate,
    layer_norm,
    linear,
    logsigmoid,
    max_pool1d,
    max_pool2d,
    one_hot,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    prelu,
    sigmoid,
    softplus,
    tanh,
    unfold,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "elu",
    "embedding",
    "fir_resample",
    "fold",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardtanh",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return _placed(input, ops.relu(input), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return _placed(input, ops.relu6(input), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope x."""
    return _placed(input, ops.leaky_relu(input, negative_slope), inplace)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x >= 0, else a x, a from U(lower, upper) in training and its mean otherwise.

    Source: Xu et al. (2015).
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    x = input.clone() if inplace else input
    slopes = lower + (upper - lower) * ops.rand_like(x)
    return _placed(input, ops.where(x < 0, slopes * x, x), inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (e^x - 1)."""
    return _placed(input, ops.elu(input.clone() if inplace else input, alpha), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu with the scale and alpha that keep mean 0 and variance 1."""
    return _placed(input, ops.selu(input.clone() if inplace else input), inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x)."""
    return _placed(input, ops.silu(input.clone() if inplace else input), inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """min(max(x, min_val), max_val)."""
    return _placed(input, ops.hardtanh(input, min_val=min_val, max_val=max_val), inplace)


def _placed(x: Tensor, y: Tensor, inplace: bool) -> Tensor:
    """y, written into x if in place; an op that needs its input for the gradient gets a clone."""
    return change(x, y) if inplace else y


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """e^x / sum e^x along `dim`; without one 0 for 0, 1 and 3 dimensions, else 1."""
    return ops.softmax(input, _along("softmax", input, dim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """x - log sum e^x along `dim`; without one 0 for 0, 1 and 3 dimensions, else 1."""
    return ops.log_softmax(input, _along("log_softmax", input, dim), dtype)


def _along(name: str, x: Tensor, dim: int | None) -> int:
    """The dimension given, or PyTorch's guess, which it warns of."""
    if dim is not None:
        return dim
    guess = 0 if x.ndim in (0, 1, 3) else 1
    warnings.warn(
        f"{name}: dim was not given, so {guess} is taken; pass dim=... instead", stacklevel=3
    )
    return guess


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(|x|_p, eps), the norm along `dim`."""
    length: Tensor = input.norm(p, dim, True)
    return input / length.clamp(min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """<x1, x2> / (max(|x1|, eps) max(|x2|, eps)) along `dim`."""
    x1, x2 = ops.broadcast_tensors(x1, x2)
    lengths = [x.norm(2, dim).clamp(min=eps) for x in (x1, x2)]
    return (x1 * x2).sum(dim) / (lengths[0] * lengths[1])


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """|x1 - x2 + eps|_p along the last dimension."""
    distance: Tensor = (x1 - x2 + eps).norm(p, -1, keepdim)
    return distance


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, *, dim: int = -1) -> Tensor:
    """softmax((logits + g) / tau) along `dim`, g = -log(-log u), u uniform in [0, 1).

    A sample of classes with these logits, that a gradient flows through, and the closer to one 1
    among zeros the smaller `tau` is. With `hard` it is that, and its gradient the soft one's.
    Source: Jang et al., "Categorical reparameterization with Gumbel-softmax", 2017, section 2.
    """
    u = ops.rand_like(logits.detach())
    soft: Tensor = ops.softmax((logits - (-(u.log())).log()) / tau, dim)
    if not hard:
        return soft
    best = soft.detach().argmax(dim, True)
    chosen = ops.zeros_like(soft).scatter(dim, best, 1.0)
    return chosen - soft.detach() + soft


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its old name, and warns of it, as PyTorch does."""
    return _old_upsample("upsample", input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate`, nearest, under its old name."""
    return _old_upsample("upsample_nearest", input, size, scale_factor, "nearest", None)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate`, bilinear with `align_corners`, under its old name."""
    return _old_upsample("upsample_bilinear", input, size, scale_factor, "bilinear", True)


def _old_upsample(name: str, *args: Any) -> Tensor:
    warnings.warn(f"F.{name} is the old name of F.interpolate", UserWarning, stacklevel=3)
    return interpolate(*args)
