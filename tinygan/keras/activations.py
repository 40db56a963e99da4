"""Activations by Keras's names and defaults, and what they were applied to."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.keras.configured import by_name
from tinygan.nn import functional as F

# output -> its logits, so that a loss need not take the logarithm of what was an exponential
_logits: dict[int, tuple[weakref.ref[Tensor], str, Tensor]] = {}


def _remember(kind: str, y: Tensor, x: Tensor) -> Tensor:
    key = id(y)
    _logits[key] = (weakref.ref(y, lambda _: _logits.pop(key, None)), kind, x)
    return y


def logits_of(kind: str, y: Tensor) -> Tensor | None:
    """The x of which y is the "softmax" (over the last axis) or "sigmoid", None for any other y."""
    found = _logits.get(id(y))
    return found[2] if found is not None and found[0]() is y and found[1] == kind else None


def linear(x: Tensor) -> Tensor:
    """x."""
    return x


def relu(
    x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """max(x, 0); negative_slope (x - threshold) below the threshold, max_value at most."""
    if threshold:
        y = ops.where(x > threshold, x, (x - threshold) * negative_slope)
    else:
        y = ops.leaky_relu(x, negative_slope) if negative_slope else ops.relu(x)
    return y if max_value is None else y.clamp(max=max_value)


def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """x where x > 0, else negative_slope x."""
    return ops.leaky_relu(x, negative_slope)


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return ops.relu6(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return _remember("sigmoid", ops.sigmoid(x), x)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) along the axis."""
    y = ops.softmax(x, axis)
    return _remember("softmax", y, x) if axis in (-1, x.ndim - 1) else y


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """x_i - log sum_j exp(x_j) along the axis."""
    return ops.log_softmax(x, axis)


def tanh(x: Tensor) -> Tensor:
    """tanh(x)."""
    return ops.tanh(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    return ops.softplus(x)


def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return x / (x.abs() + 1)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1)."""
    return F.elu(x, alpha)


def selu(x: Tensor) -> Tensor:
    """elu with the scale and alpha that keep mean 0 and variance 1."""
    return F.selu(x)


def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """x Phi(x), or with tanh in Phi's place."""
    return ops.gelu(x, approximate="tanh" if approximate else "none")


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return F.silu(x)


def exponential(x: Tensor) -> Tensor:
    """exp(x)."""
    return x.exp()


def hard_sigmoid(x: Tensor) -> Tensor:
    """min(max(x / 6 + 1/2, 0), 1)."""
    return ops.relu6(x + 3) / 6


swish = silu

_FUNCTIONS: tuple[Callable[..., Tensor], ...] = (
    *(linear, relu, leaky_relu, relu6, sigmoid, softmax, log_softmax, tanh, softplus, softsign),
    *(elu, selu, gelu, silu, exponential, hard_sigmoid),
)
NAMED = {**{function.__name__: function for function in _FUNCTIONS}, "swish": silu}


def get(identifier: Any) -> Callable[..., Tensor]:
    """The function of a name, linear for None, or the callable given."""
    found: Any = linear if identifier is None else by_name("activation", identifier, NAMED)
    if not callable(found):
        raise TypeError(f"activation: expected a name or a function, got {identifier!r}")
    function: Callable[..., Tensor] = found
    return function
