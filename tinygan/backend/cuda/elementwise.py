"""Elementwise ops: one launch each, of the functions in functions.cuh."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tinygan.backend.core import backend_for
from tinygan.backend.cuda.source import C_NAMES, text
from tinygan.backend.kernels import launches
from tinygan.backend.layout import common_order


class Elementwise:
    """y = an expression of parameters, all of one type, for arrays and numbers that broadcast.

    The result is of the same type, or of booleans (`truth`); with `masked` the first parameter is
    of booleans.
    """

    launches = True

    def __init__(
        self, parameters: str, expression: str, *, truth: bool = False, masked: bool = False
    ) -> None:
        self.parameters, self.expression = parameters.split(), expression
        self.truth, self.masked = truth, masked

    def __call__(self, *operands: Any, out: Any = None) -> Any:
        arrays = [x for x in operands if x is not None and not isinstance(x, (int, float))]
        kinds = [x.dtype for x in (arrays[1:] if self.masked and arrays else arrays)]
        if not arrays or (self.masked and isinstance(operands[0], (int, float))):
            return NotImplemented
        if out is not None and not self.truth:
            kinds.append(out.dtype)
        if not kinds or kinds[0] not in C_NAMES or any(k != kinds[0] for k in kinds):
            return NotImplemented
        if self.masked and arrays[0].dtype != np.bool_:
            return NotImplemented
        if out is None:
            out = empty(arrays, np.dtype(np.bool_) if self.truth else kinds[0])
        if out.size:
            kernel(self)(*operands, out)
        return out


@cache
def kernel(op: Elementwise) -> Any:
    """The op as a kernel of CuPy's."""
    kinds = ["bool" if op.masked and not i else "T" for i in range(len(op.parameters))]
    given = ", ".join(f"{k} {name}" for k, name in zip(kinds, op.parameters, strict=True))
    name = "tinygan_" + "".join(c if c.isalnum() else "_" for c in op.expression)
    return backend_for("cuda").xp.ElementwiseKernel(
        given,
        "bool result" if op.truth else "T result",
        f"result = {op.expression}",
        name,
        preamble=text("functions.cuh"),
    )


def empty(operands: list[Any], dtype: Any) -> Any:
    """Memory for the result of operands that broadcast, in their order of dimensions."""
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    order = common_order(shape, [(x.shape, x.strides) for x in operands])
    y = backend_for("cuda").xp.empty(tuple(shape[d] for d in order), dtype)
    if order == list(range(len(shape))):
        return y
    return y.transpose([order.index(d) for d in range(len(shape))])


# -- arithmetic -----------------------------------------------------------------------------------

neg = Elementwise("x", "-x")
abs = Elementwise("x", "abs(x)")
square = Elementwise("x", "square(x)")
sqrt = Elementwise("x", "sqrt(x)")
rsqrt = Elementwise("x", "inverse_root(x)")
reciprocal = Elementwise("x", "reciprocal(x)")
exp = Elementwise("x", "exp(x)")
expm1 = Elementwise("x", "expm1(x)")
log = Elementwise("x", "log(x)")
log1p = Elementwise("x", "log1p(x)")
log2 = Elementwise("x", "log2(x)")
log10 = Elementwise("x", "log10(x)")
sin = Elementwise("x", "sin(x)")
cos = Elementwise("x", "cos(x)")
erf = Elementwise("x", "erf(x)")
sign = Elementwise("x", "sign(x)")
floor = Elementwise("x", "floor(x)")
ceil = Elementwise("x", "ceil(x)")
trunc = Elementwise("x", "trunc(x)")
_add = Elementwise("x other", "x + other")
_add_multiple = Elementwise("x other alpha", "x + alpha * other")
_sub = Elementwise("x other", "x - other")
mul = Elementwise("x other", "x * other")
true_divide = Elementwise("x other", "x / other")
maximum = Elementwise("x other", "larger(x, other)")
minimum = Elementwise("x other", "smaller(x, other)")
_power = Elementwise("x exponent", "pow(x, exponent)")
POWERS = {2: square, 0.5: sqrt, -1: reciprocal}


@launches
def add(x: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Any:
    return _add(x, other, out=out) if alpha == 1 else _add_multiple(x, other, alpha, out=out)


@launches
def sub(x: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Any:
    return _sub(x, other, out=out) if alpha == 1 else _add_multiple(x, other, -alpha, out=out)


@launches
def pow(x: Any, exponent: Any, *, out: Any = None) -> Any:
    if isinstance(exponent, (int, float)) and exponent in POWERS:
        return POWERS[exponent](x, out=out)
    return _power(x, exponent, out=out)


# -- comparison and selection ---------------------------------------------------------------------

eq = Elementwise("x other", "x == other", truth=True)
ne = Elementwise("x other", "x != other", truth=True)
lt = Elementwise("x other", "x < other", truth=True)
le = Elementwise("x other", "x <= other", truth=True)
gt = Elementwise("x other", "x > other", truth=True)
ge = Elementwise("x other", "x >= other", truth=True)
isnan = Elementwise("x", "x != x", truth=True)
isinf = Elementwise("x", "bool(isinf(x))", truth=True)
isfinite = Elementwise("x", "bool(isfinite(x))", truth=True)
where = Elementwise("condition x other", "condition ? x : other", masked=True)


@launches
def masked_fill(x: Any, mask: Any, value: Any, *, out: Any = None) -> Any:
    return where(mask, value, x, out=out)


# -- activations, losses by element, and their derivatives ----------------------------------------

relu = Elementwise("x", "relu(x)")
tanh = Elementwise("x", "tanh(x)")
tanh_grad = Elementwise("g y", "tanh_grad(g, y)")
sigmoid = Elementwise("x", "sigmoid(x)")
sigmoid_grad = Elementwise("g y", "sigmoid_grad(g, y)")
silu = Elementwise("x", "silu(x)")
silu_grad = Elementwise("g x", "silu_grad(g, x)")
gelu = Elementwise("x", "gelu(x)")
gelu_grad = Elementwise("g x", "gelu_grad(g, x)")
logistic_loss = Elementwise("x t", "logistic_loss(x, t)")
logistic_loss_grad = Elementwise("g x t", "logistic_loss_grad(g, x, t)")
bernoulli_cross_entropy = Elementwise("p t", "bernoulli_cross_entropy(p, t)")
bernoulli_cross_entropy_grad = Elementwise("g p t", "bernoulli_cross_entropy_grad(g, p, t)")
_hardtanh = Elementwise("x low high", "hardtanh(x, low, high)")
_leaky_relu = Elementwise("x slope", "leaky_relu(x, slope)")
_leaky_relu_grad = Elementwise("g sign slope", "leaky_relu_grad(g, sign, slope)")
_softplus = Elementwise("x beta threshold", "softplus(x, beta, threshold)")
_softplus_grad = Elementwise("g x beta threshold", "softplus_grad(g, x, beta, threshold)")
_elu = Elementwise("x alpha", "elu(x, alpha)")
_elu_grad = Elementwise("g x alpha", "elu_grad(g, x, alpha)")


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
