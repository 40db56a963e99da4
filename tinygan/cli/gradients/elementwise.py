"""Arithmetic, functions of one number, selection, conversions."""

from __future__ import annotations

import tinygan
from tinygan import ops
from tinygan.cli.gradients.table import Domain, mask, nonzero, normal, row, uniform
from tinygan.ops import inplace, unary
from tinygan.ops.conversion import _copy_to

_apart: tuple[Domain, Domain] = (nonzero(2, 3), uniform(-0.1, 0.1, 2, 3))  # no ties
_numbers = uniform(0.5, 3.0, 2, 3)

row("add", lambda x, y: x + y, normal(2, 3), normal(3))
row("add", lambda x, y: ops.add(x, y, alpha=-2.5), normal(2, 1), normal(3))
row("sub", lambda x, y: x - y, normal(2, 3), normal(3))
row("sub", lambda x, y: ops.sub(x, y, alpha=1.5), normal(2, 1), normal(3))
row("sub", lambda x: 2 - x, normal(2, 3))
row("mul", lambda x, y: x * y, normal(2, 3), normal(3))
row("mul", lambda x: x * 3, normal(2, 3))
row("true_divide", lambda x, y: x / y, normal(2, 3), nonzero(3))
row("true_divide", lambda x: 2 / x, nonzero(2, 3))
row("floor_divide", lambda x, y: x * (x // y), uniform(0.2, 0.8, 2, 3), uniform(2.1, 2.9, 3))
row("remainder", lambda x, y: x * (x % y), uniform(3.2, 3.8, 2, 3), uniform(1.7, 1.8, 3))
row("neg", ops.neg, normal(2, 3))
row("pow", lambda x, y: x**y, _numbers, normal(3))
row("pow", lambda x: x**3, normal(2, 3))
row("pow", lambda x: x**2, normal(2, 3))
row("pow", lambda x: x**-1.5, _numbers)
row("pow", lambda x: 2.5**x, normal(2, 3))
row("maximum", lambda x, y: ops.maximum(x, y) * x, *_apart)
row("minimum", lambda x, y: ops.minimum(x, y) * y, *_apart)
row("clamp_min", lambda x, y: ops.clamp(x, min=y) ** 2, *_apart)
row("clamp_min", lambda x: ops.clamp(x, min=0.05) ** 2, nonzero(2, 3))
row("clamp_max", lambda x, y: ops.clamp(x, max=y) ** 2, *_apart)
row("clamp", lambda x: ops.clamp(x, -0.1, 0.1) ** 2 + x**3, nonzero(2, 3))
row("lerp", ops.lerp, normal(2, 3), normal(2, 3), normal(3))
row("addcmul", lambda x, y, z: ops.addcmul(x, y, z, value=0.5), *[normal(2, 3)] * 3)
row("addcdiv", lambda x, y, z: ops.addcdiv(x, y, z, value=2), *[normal(2, 3)] * 2, nonzero(3))

row("abs", lambda x: x * abs(x), nonzero(2, 3))
row("abs_grad", unary._abs_grad, normal(2, 3), nonzero(2, 3))
row("sign", lambda x: x * x * ops.sign(x), nonzero(2, 3))
row("exp", ops.exp, normal(2, 3))
row("expm1", ops.expm1, normal(2, 3))
row("log", ops.log, _numbers)
row("log1p", ops.log1p, _numbers)
row("log2", ops.log2, _numbers)
row("log10", ops.log10, _numbers)
row("sqrt", ops.sqrt, _numbers)
row("rsqrt", ops.rsqrt, _numbers)
row("square", ops.square, normal(2, 3))
row("square_grad", unary._square_grad, normal(2, 3), normal(2, 3))
row("reciprocal", ops.reciprocal, _numbers)
row("sin", ops.sin, normal(2, 3))
row("cos", ops.cos, normal(2, 3))
row("tanh", ops.tanh, normal(2, 3))
row("tanh_grad", unary._tanh_grad, normal(2, 3), normal(2, 3))
row("erf", ops.erf, normal(2, 3))
row("floor", lambda x: x * x * ops.floor(x), uniform(1.2, 1.8, 2, 3))
row("ceil", lambda x: x * x * ops.ceil(x), uniform(1.2, 1.8, 2, 3))
row("trunc", lambda x: x * x * ops.trunc(x), uniform(-1.8, -1.2, 2, 3))
row("round", lambda x: x * x * ops.round(x), uniform(1.6, 2.4, 2, 3))

row("where", lambda m, x, y: ops.where(m, x * x, y), mask(2, 3), normal(2, 3), normal(3))
row("masked_fill", lambda x, m, v: ops.masked_fill(x * x, m, v), normal(4, 5), mask(4, 5), normal())
row("cast", lambda x: ops.cast(x, dtype=tinygan.float64), normal(2, 3))
row("clone", ops.clone, normal(2, 3))
row("contiguous", lambda x: x.transpose(0, 1).contiguous(), normal(2, 3))
row("copy_to", lambda x: _copy_to(x, device=x.device, source=x.device) * x, normal(2, 3))
row("fill", lambda x, v: x * inplace.fill(x, v), normal(2, 3), normal())
row("copy", lambda x, y: x * inplace.copy(x, y), normal(2, 3), normal(3))
row("nan_to_num", lambda x: ops.nan_to_num(x * x), normal(4, 5))
