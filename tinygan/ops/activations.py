"""The smooth nonlinearities of neural networks."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.comparison import where
from tinygan.ops.dims import dimension
from tinygan.ops.special import erf
from tinygan.ops.unary import exp

__all__ = [
    "elu",
    "gelu",
    "glu",
    "logsigmoid",
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


@primitive(elementwise=True, real=True)
def logsigmoid(xp: Any, x: Any) -> Any:
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))."""
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


@primitive(elementwise=True)
def _logsigmoid_grad(xp: Any, g: Any, x: Any) -> Any:
    """g sigmoid(-x)."""
    return g / (1 + xp.exp(x))


logsigmoid.vjp(x=lambda g, x: _logsigmoid_grad(g, x))
_logsigmoid_grad.vjp(
    g=lambda v, x: _logsigmoid_grad(v, x),
    x=lambda v, g, x: -_sigmoid_grad(v * g, sigmoid(x)),
)


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


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


@primitive(elementwise=True, real=True)
def selu(xp: Any, x: Any) -> Any:
    """scale * elu(x, alpha), which keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    return SCALE * xp.where(x > 0, x, ALPHA * xp.expm1(xp.minimum(x, 0)))


@primitive(elementwise=True)
def _selu_grad(xp: Any, g: Any, x: Any) -> Any:
    """scale g where x > 0, else scale g alpha exp(x)."""
    return g * xp.where(x > 0, SCALE, SCALE * ALPHA * xp.exp(xp.minimum(x, 0)))


selu.vjp(x=lambda g, x: _selu_grad(g, x))
_selu_grad.vjp(
    g=lambda v, x: _selu_grad(v, x),
    x=lambda v, g, x: where(x > 0, 0, _selu_grad(v * g, x)),
)


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


# x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): 2 u = x (LINEAR + CUBIC x^2)
LINEAR = 2 * math.sqrt(2 / math.pi)
CUBIC = 0.044715 * LINEAR


@primitive(elementwise=True, real=True)
def _gelu_tanh(xp: Any, x: Any) -> Any:
    return x / (1 + xp.exp(-x * (LINEAR + CUBIC * x * x)))


@primitive(elementwise=True)
def _gelu_tanh_grad(xp: Any, g: Any, x: Any) -> Any:
    """g s (1 + x (1 - s) 2 u'), s = sigmoid(2 u)."""
    s = 1 / (1 + xp.exp(-x * (LINEAR + CUBIC * x * x)))
    return g * (s * (1 + (1 - s) * (x * (LINEAR + 3 * CUBIC * x * x))))


def _gelu_tanh_grad_by_x(v: Tensor, g: Tensor, x: Tensor) -> Tensor:
    s = sigmoid(x * (x * x * CUBIC + LINEAR))
    slope = x * x * (3 * CUBIC) + LINEAR
    bend = slope * (2 + x * slope * (1 - s * 2)) + x * x * (6 * CUBIC)
    return _sigmoid_grad(v * g, s) * bend


_gelu_tanh.vjp(x=lambda g, x: _gelu_tanh_grad(g, x))
_gelu_tanh_grad.vjp(g=lambda v, x: _gelu_tanh_grad(v, x), x=_gelu_tanh_grad_by_x)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, or its approximation by "tanh"."""
    if approximate == "tanh":
        return _gelu_tanh(input)
    if approximate != "none":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', it was given as {approximate!r}")
    return _gelu(input)


for _op in (
    *(sigmoid, _sigmoid_grad, softplus, _softplus_grad),
    *(elu, _elu_grad, silu, _silu_grad, _gelu, _gelu_grad),
    *(logsigmoid, _logsigmoid_grad, selu, _selu_grad, _gelu_tanh, _gelu_tanh_grad),
):
    _op.kernel("cpu", f"tinygan.backend.cpu.activations:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.activations:{_op.name}")


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), a and b the halves of x along `dim`; Dauphin et al. (2017), section 2."""
    at = dimension("glu", dim, input.ndim)
    if not input.ndim or input.shape[at] % 2:
        raise RuntimeError(f"glu: halving needs an even size, got {tuple(input.shape)} along {dim}")
    a, b = input.chunk(2, at)
    return a * sigmoid(b)
