"""The nonlinearities of neural networks that are made of straight lines."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.comparison import where

__all__ = ["hardtanh", "leaky_relu", "prelu", "relu", "relu6"]


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


@primitive(elementwise=True, real=True)
def _prelu(xp: Any, x: Any, sign: Any, weight: Any) -> Any:
    """x where sign > 0, else weight x."""
    return xp.where(sign > 0, x, x * weight)


_prelu.vjp(
    x=lambda g, sign, weight: _prelu(g, sign, weight),
    sign=lambda g: None,
    weight=lambda g, x, sign: where(sign > 0, 0, g * x),
)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope x."""
    if negative_slope < 0:
        return _prelu(input, input, negative_slope)
    return _leaky_relu(input, negative_slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight x; `weight` has one element, or one per channel (dimension 1)."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.numel() not in (1, channels):
        raise ValueError(
            f"prelu: weight has {weight.numel()} elements, expected 1 or the number of "
            f"channels, {channels} (input: {tuple(input.shape)})"
        )
    weight = weight.reshape((-1,) + (1,) * (input.ndim - 2) if input.ndim else ())
    return _prelu(input, input, weight)


@primitive(elementwise=True)
def hardtanh(xp: Any, x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """min(max(x, min_val), max_val), whose derivative at both bounds is 0.

    Integers have whole bounds: those given, without their fractions.
    """
    if x.dtype.kind != "f":
        min_val, max_val = int(min_val), int(max_val)
    return xp.minimum(xp.maximum(x, min_val), max_val)


@primitive(elementwise=True)
def _hardtanh_grad(xp: Any, g: Any, y: Any, *, min_val: float, max_val: float) -> Any:
    """g where min_val < y < max_val, else 0; a constant between the bounds."""
    return xp.where((y > min_val) & (y < max_val), g, 0)


hardtanh.vjp(x=lambda g, y, min_val, max_val: _hardtanh_grad(g, y, min_val, max_val))
_hardtanh_grad.vjp(
    g=lambda v, y, min_val, max_val: _hardtanh_grad(v, y, min_val, max_val),
    y=lambda v: None,
)


def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, min_val=0.0, max_val=6.0)


for _op in (relu, _leaky_relu, _leaky_relu_grad, _prelu, hardtanh, _hardtanh_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.activations:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.activations:{_op.name}")
