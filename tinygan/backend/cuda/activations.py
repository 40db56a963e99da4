"""Activations, losses by element, and their derivatives: the functions in functions.cuh."""

from __future__ import annotations

from typing import Any

from tinygan.backend.cuda.mapping import Elementwise
from tinygan.backend.kernels import launches

relu = Elementwise("x", "relu(x)")
sigmoid = Elementwise("x", "sigmoid(x)")
sigmoid_grad = Elementwise("g y", "sigmoid_grad(g, y)")
silu = Elementwise("x", "silu(x)")
silu_grad = Elementwise("g x", "silu_grad(g, x)")
gelu_tanh = Elementwise("x", "gelu_tanh(x)")
gelu_tanh_grad = Elementwise("g x", "gelu_tanh_grad(g, x)")
selu = Elementwise("x", "selu(x)")
selu_grad = Elementwise("g x", "selu_grad(g, x)")
logsigmoid = Elementwise("x", "-softplus_of(-x)")
logsigmoid_grad = Elementwise("g x", "g * sigmoid(-x)")
prelu = Elementwise("x sign weight", "leaky_relu_grad(x, sign, weight)")
gelu = Elementwise("x", "gelu(x)")
gelu_grad = Elementwise("g x", "gelu_grad(g, x)")
logistic_loss = Elementwise("x t", "logistic_loss(x, t)")
logistic_loss_grad = Elementwise("g x t", "logistic_loss_grad(g, x, t)")
bernoulli_cross_entropy = Elementwise("p t", "bernoulli_cross_entropy(p, t)")
bernoulli_cross_entropy_grad = Elementwise("g p t", "bernoulli_cross_entropy_grad(g, p, t)")
_huber = Elementwise("x t delta", "huber(x, t, delta)")
_huber_grad = Elementwise("g x t delta", "huber_grad(g, x, t, delta)")
_hardtanh_grad = Elementwise("g y low high", "hardtanh_grad(g, y, low, high)")
_hardtanh = Elementwise("x low high", "hardtanh(x, low, high)")
_leaky_relu = Elementwise("x slope", "leaky_relu(x, slope)")
_leaky_relu_grad = Elementwise("g sign slope", "leaky_relu_grad(g, sign, slope)")
_softplus = Elementwise("x beta threshold", "softplus(x, beta, threshold)")
_softplus_grad = Elementwise("g x beta threshold", "softplus_grad(g, x, beta, threshold)")
_elu = Elementwise("x alpha", "elu(x, alpha)")
_elu_grad = Elementwise("g x alpha", "elu_grad(g, x, alpha)")
finished = Elementwise("x bias activation slope", "activated(x + bias, int(activation), slope)")


@launches
def hardtanh(x: Any, *, min_val: float, max_val: float, out: Any = None) -> Any:
    return _hardtanh(x, min_val, max_val, out=out)


@launches
def leaky_relu(x: Any, *, negative_slope: float, out: Any = None) -> Any:
    return _leaky_relu(x, negative_slope, out=out)


@launches
def leaky_relu_grad(g: Any, sign: Any, *, negative_slope: float, out: Any = None) -> Any:
    return _leaky_relu_grad(g, sign, negative_slope, out=out)


@launches
def softplus(x: Any, *, beta: float, threshold: float, out: Any = None) -> Any:
    return _softplus(x, beta, threshold, out=out)


@launches
def softplus_grad(g: Any, x: Any, *, beta: float, threshold: float, out: Any = None) -> Any:
    return _softplus_grad(g, x, beta, threshold, out=out)


@launches
def elu(x: Any, *, alpha: float, out: Any = None) -> Any:
    return _elu(x, alpha, out=out)


@launches
def elu_grad(g: Any, x: Any, *, alpha: float, out: Any = None) -> Any:
    return _elu_grad(g, x, alpha, out=out)


@launches
def hardtanh_grad(g: Any, y: Any, *, min_val: float, max_val: float, out: Any = None) -> Any:
    return _hardtanh_grad(g, y, min_val, max_val, out=out)


@launches
def huber(x: Any, t: Any, *, delta: float, out: Any = None) -> Any:
    return _huber(x, t, delta, out=out)


@launches
def huber_grad(g: Any, x: Any, t: Any, *, delta: float, out: Any = None) -> Any:
    return _huber_grad(g, x, t, delta, out=out)
