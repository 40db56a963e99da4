"""Initial weights, written into a tensor in place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, no_grad, wrap
from tinygan.backend import backend_of
from tinygan.ops import where
from tinygan.ops.generator import Generator
from tinygan.ops.random_inplace import normal_ as _fill_normal
from tinygan.ops.random_inplace import uniform_ as _fill_uniform


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights are scaled so that the variance survives the nonlinearity.

    `param` is the slope of leaky_relu, 0.01 unless given.
    """
    if nonlinearity in ("linear", "identity", "sigmoid") or nonlinearity.startswith("conv"):
        return 1.0
    if nonlinearity == "tanh":
        return 5 / 3
    if nonlinearity == "relu":
        return math.sqrt(2)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 3 / 4
    raise ValueError(
        f"Unsupported nonlinearity {nonlinearity!r}: expected linear, conv1d, conv2d, sigmoid, "
        "tanh, relu, leaky_relu or selu"
    )


@no_grad()
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """U(a, b)."""
    return _fill_uniform(tensor, a, b, generator=generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """N(mean, std^2)."""
    return _fill_normal(tensor, mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """N(mean, std^2) on the condition that it is in [a, b], by inversion of its distribution."""
    low, high = (math.erf((end - mean) / (std * math.sqrt(2))) for end in (a, b))
    u = _fill_uniform(tensor, low, high, generator=generator)
    inside = 1 - float(np.finfo(u.dtype).eps)  # at 1 itself, which rounding reaches, is infinity
    value = mean + std * math.sqrt(2) * _erfinv(u.clamp(-inside, inside))
    return tensor.copy_(value.clamp(a, b))


def _erfinv(x: Tensor) -> Tensor:
    """The inverse of erf, to about 1e-6; M. Giles (2012), Approximating the erfinv function."""
    w = -((1 - x) * (1 + x)).log()
    near = [
        2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
        -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
    ]  # fmt: skip
    far = [
        -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
        -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    ]  # fmt: skip
    z_near, z_far = w - 2.5, w.sqrt() - 3
    y_near, y_far = z_near * 0, z_far * 0
    for c_near, c_far in zip(near, far, strict=True):
        y_near = y_near * z_near + c_near
        y_far = y_far * z_far + c_far
    return where(w < 5, y_near, y_far) * x


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """val everywhere."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """1 on the diagonal and 0 elsewhere: a linear layer keeps as many inputs as it can."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected 2 dimensions, got shape {tuple(tensor.shape)}")
    xp = backend_of(tensor.array).xp
    return _store(tensor, xp.eye(*tensor.shape, dtype=tensor.dtype))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """1 in the middle of the kernel from channel i to channel i: a convolution keeps its input."""
    if tensor.ndim not in (3, 4):
        raise ValueError(f"dirac_: expected 3 or 4 dimensions, got shape {tuple(tensor.shape)}")
    outputs, inputs = tensor.shape[:2]
    if outputs % groups:
        raise ValueError(f"dirac_: {groups} groups do not divide {outputs} output channels")
    tensor.zero_()
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        first = group * (outputs // groups)
        for i in range(min(outputs // groups, inputs)):
            tensor[(first + i, i, *middle)] = 1
    return tensor


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, ...): in and out, each times the kernel's size."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"got shape {tuple(tensor.shape)}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_calculate_fan_in_and_fan_out = fans  # the name that PyTorch scripts import


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)). Source: Glorot and Bengio (2010), eq. 16."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, gain^2 2 / (fan_in + fan_out)). Source: Glorot and Bengio (2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """U(-b, b), b = gain sqrt(3 / fan), gain for a slope `a`. Source: He et al. (2015), eq. 14."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """N(0, gain^2 / fan), gain for a slope `a`. Source: He et al. (2015), eq. 14."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode!r} not supported: expected 'fan_in' or 'fan_out'")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """gain Q, Q with orthonormal rows or columns, uniform among those. (out, in, ...) as a matrix.

    Source: Saxe et al. (2014).
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected 2 dimensions or more, got {tuple(tensor.shape)}")
    rows = tensor.shape[0]
    # on the host: networks that begin alike on all devices, and no cuSOLVER needed
    flat = _fill_normal(tensor, generator=generator).detach().cpu().numpy().reshape(rows, -1)
    tall = flat.shape[0] >= flat.shape[1]
    q, r = np.linalg.qr(flat if tall else flat.T)
    q = q * np.sign(np.diagonal(r))  # makes the decomposition unique, and so the draw uniform
    return _store(tensor, gain * (q if tall else q.T).reshape(tensor.shape))


def _store(tensor: Tensor, array: Any) -> Tensor:
    return tensor.copy_(wrap(array))


def _old_name(initialize: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The name without its underscore, which older scripts call; it warns, as PyTorch's does."""

    def old(*args: Any, **options: Any) -> Tensor:
        warnings.warn(
            f"nn.init.{initialize.__name__[:-1]} is the old name of {initialize.__name__}",
            FutureWarning,
            stacklevel=2,
        )
        return initialize(*args, **options)

    return old


uniform = _old_name(uniform_)
normal = _old_name(normal_)
constant = _old_name(constant_)
eye = _old_name(eye_)
dirac = _old_name(dirac_)
xavier_uniform = _old_name(xavier_uniform_)
xavier_normal = _old_name(xavier_normal_)
kaiming_uniform = _old_name(kaiming_uniform_)
kaiming_normal = _old_name(kaiming_normal_)
orthogonal = _old_name(orthogonal_)
