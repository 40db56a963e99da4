"""The nonlinearities of neural networks."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.comparison import where
from tinygan.ops.elementwise import clamp_max, mul
from tinygan.ops.special import erf
from tinygan.ops.unary import expm1, neg, tanh

__all__ = [
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
]


@primitive(elementwise=True, real=True)
def sigmoid(xp: Any, x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + xp.exp(-x))


@primitive(elementwise=True)
def _sigmoid_grad(xp: Any, g: Any, y: Any) -> Any:
    """g y (1 - y), the gradient by the input of a sigmoid whose output is y."""
    return g * (y * (1 - y))


_sigmoid_grad.vjp(g=lambda v, y: _sigmoid_grad(v, y), y=lambda v, g, y: v * g * (1 - y * 2))
sigmoid.vjp(x=lambda g, y: _sigmoid_grad(g, y))


@primitive(elementwise=True, real=True)
def softplus(xp: Any, x: Any, *, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta x)) / beta, and x itself where beta x > threshold."""
    z = x if beta == 1 else x * beta
    y = xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))
    return xp.where(z > threshold, x, y if beta == 1 else y / beta)


@primitive(elementwise=True)
def _softplus_grad(xp: Any, g: Any, x: Any, *, beta: float, threshold: float) -> Any:
    """g sigmoid(beta x), and g itself where beta x > threshold."""
    z = x if beta == 1 else x * beta
    return xp.where(z > threshold, g, g / (1 + xp.exp(-z)))


def _softplus_grad_by_x(v: Tensor, g: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
    z = x if beta == 1 else x * beta
    s = sigmoid(z)
    return where(z > threshold, 0, v * g * beta * _sigmoid_grad(1, s))


_softplus_grad.vjp(
    g=lambda v, x, beta, threshold: _softplus_grad(v, x, beta, threshold),
    x=_softplus_grad_by_x,
)
softplus.vjp(x=lambda g, x, beta, threshold: _softplus_grad(g, x, beta, threshold))


def logsigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)) = -softplus(-x)."""
    return neg(softplus(neg(x), threshold=math.inf))


@primitive(elementwise=True)
def relu(xp: Any, x: Any) -> Any:
    """max(x, 0), whose derivative at 0 is 0."""
    return xp.maximum(x, 0)


@primitive(elementwise=True, real=True)
def _leaky_relu(xp: Any, x: Any, *, negative_slope: float) -> Any:
    return (
        xp.maximum(x, x * negative_slope)
        if negative_slope <= 1
        else xp.minimum(x, x * negative_slope)
    )


@primitive(elementwise=True, real=True)
def _leaky_relu_grad(xp: Any, g: Any, sign: Any, *, negative_slope: float) -> Any:
    """g where sign > 0, else negative_slope g; a constant between the steps of `sign`.

    A product: choosing element by element is 20 times slower on random signs.
    """
    positive = (sign > 0).astype(g.dtype)
    if negative_slope == 0:
        return g * positive
    if negative_slope <= 1:
        return g * xp.maximum(positive, negative_slope)
    return g * (negative_slope - positive * (negative_slope - 1))


_leaky_relu_grad.vjp(
    g=lambda v, sign, negative_slope: _leaky_relu_grad(v, sign, negative_slope),
    sign=lambda v: None,
)
# by the sign of the output, so that the input need not be kept
relu.vjp(x=lambda g, y: _leaky_relu_grad(g, y, 0.0))
_leaky_relu.vjp(x=lambda g, y, negative_slope: _leaky_relu_grad(g, y, negative_slope))


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope x."""
    if negative_slope < 0:
        return where(x > 0, x, mul(x, negative_slope))
    return _leaky_relu(x, negative_slope=negative_slope)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight x; `weight` has one element, or one per channel (dimension 1)."""
    if weight.numel() != 1 and x.ndim > 1:
        if weight.numel() != x.shape[1]:
            raise ValueError(
                f"prelu: weight has {weight.numel()} elements, expected 1 or the number of "
                f"channels, {x.shape[1]} (input: {tuple(x.shape)})"
            )
        weight = weight.reshape((-1,) + (1,) * (x.ndim - 2))
    return where(x > 0, x, mul(x, weight))


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1)."""
    return where(x > 0, x, mul(expm1(clamp_max(x, 0)), alpha))


def selu(x: Tensor) -> Tensor:
    """scale * elu(x, alpha), which keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    return mul(elu(x, 1.6732632423543772), 1.0507009873554805)


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return mul(x, sigmoid(x))


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, or its approximation by "tanh"."""
    if approximate == "tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
        return x * (tanh(inner) + 1) * 0.5
    if approximate != "none":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', it was given as {approximate!r}")
    return x * (erf(x * math.sqrt(0.5)) + 1) * 0.5


@primitive(elementwise=True)
def hardtanh(xp: Any, x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """min(max(x, min_val), max_val), whose derivative at both bounds is 0."""
    return xp.minimum(xp.maximum(x, min_val), max_val)


hardtanh.vjp(
    x=lambda g, y, min_val, max_val: where((y > min_val) & (y < max_val), g, 0),
)


for _op in (
    *(sigmoid, _sigmoid_grad, softplus, _softplus_grad),
    *(relu, _leaky_relu, _leaky_relu_grad, hardtanh),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.elementwise:{_op.name}")


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(x, min_val=0.0, max_val=6.0)
