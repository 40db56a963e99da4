"""The nonlinearities of neural networks."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.comparison import where
from tinygan.ops.elementwise import mul
from tinygan.ops.special import erf
from tinygan.ops.unary import exp, neg, tanh

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


@primitive(elementwise=True, real=True)
def elu(xp: Any, x: Any, *, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x) - 1)."""
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


@primitive(elementwise=True)
def _elu_grad(xp: Any, g: Any, x: Any, *, alpha: float) -> Any:
    """g where x > 0, else g alpha exp(x)."""
    return g * xp.where(x > 0, 1, alpha * xp.exp(xp.minimum(x, 0)))


elu.vjp(x=lambda g, x, alpha: _elu_grad(g, x, alpha))
_elu_grad.vjp(
    g=lambda v, x, alpha: _elu_grad(v, x, alpha),
    x=lambda v, g, x, alpha: where(x > 0, 0, _elu_grad(v * g, x, alpha)),
)


def selu(x: Tensor) -> Tensor:
    """scale * elu(x, alpha), which keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    return mul(elu(x, 1.6732632423543772), 1.0507009873554805)


@primitive(elementwise=True, real=True)
def silu(xp: Any, x: Any) -> Any:
    """x sigmoid(x)."""
    return x / (1 + xp.exp(-x))


@primitive(elementwise=True)
def _silu_grad(xp: Any, g: Any, x: Any) -> Any:
    """g s (1 + x (1 - s)), s = sigmoid(x)."""
    s = 1 / (1 + xp.exp(-x))
    return g * (s * (1 + x * (1 - s)))


def _silu_grad_by_x(v: Tensor, g: Tensor, x: Tensor) -> Tensor:
    s = sigmoid(x)
    return _sigmoid_grad(v * g, s) * (2 + x * (1 - s * 2))


silu.vjp(x=lambda g, x: _silu_grad(g, x))
_silu_grad.vjp(g=lambda v, x: _silu_grad(v, x), x=_silu_grad_by_x)


@primitive(elementwise=True, real=True)
def _gelu(xp: Any, x: Any) -> Any:
    return x * (erf.reference(xp, x * math.sqrt(0.5)) + 1) * 0.5


@primitive(elementwise=True)
def _gelu_grad(xp: Any, g: Any, x: Any) -> Any:
    """g (Phi(x) + x phi(x)), phi the normal density and Phi its integral."""
    below = (erf.reference(xp, x * math.sqrt(0.5)) + 1) * 0.5
    return g * (below + x * xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _gelu_grad_by_x(v: Tensor, g: Tensor, x: Tensor) -> Tensor:
    return v * g * exp(x * x * -0.5) * (2 - x * x) * (1 / math.sqrt(2 * math.pi))


_gelu.vjp(x=lambda g, x: _gelu_grad(g, x))
_gelu_grad.vjp(g=lambda v, x: _gelu_grad(v, x), x=_gelu_grad_by_x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, or its approximation by "tanh"."""
    if approximate == "tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
        return x * (tanh(inner) + 1) * 0.5
    if approximate != "none":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', it was given as {approximate!r}")
    return _gelu(x)


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
    *(elu, _elu_grad, silu, _silu_grad, _gelu, _gelu_grad),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.activations:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.elementwise:{_op.name}")


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(x, min_val=0.0, max_val=6.0)
