"""The ops as methods and operators of Tensor, and their in-place forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.autograd import Tensor
from tinygan.backend.dtypes import (
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from tinygan.ops import comparison, elementwise, inplace

METHODS = ["abs", "absolute", "add", "addcdiv", "addcmul", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "cos", "div", "divide", "exp", "expm1", "floor", "floor_divide", "frac", "lerp", "log", "log1p", "log2", "log10", "maximum", "minimum", "mul", "multiply", "neg", "negative", "pow", "reciprocal", "remainder", "round", "rsqrt", "sign", "sin", "sqrt", "square", "sub", "subtract", "tanh", "true_divide", "trunc", "erf", "sigmoid", "softplus", "logsigmoid", "relu", "leaky_relu", "prelu", "allclose", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "eq", "equal", "ge", "gt", "isclose", "isfinite", "isinf", "isnan", "le", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill", "ne", "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "cumsum", "logsumexp", "max", "mean", "min", "norm", "prod", "std", "sum", "var", "clone", "contiguous", "to", "broadcast_to", "expand", "expand_as", "flatten", "flip", "movedim", "permute", "reshape", "squeeze", "sum_to_size", "swapaxes", "t", "transpose", "unflatten", "unsqueeze", "view", "view_as", "split", "chunk", "roll", "repeat", "tile", "narrow", "unbind", "gather", "scatter", "scatter_add", "index_select", "masked_select", "select", "take_along_dim", "nonzero", "matmul", "mm", "bmm", "addmm", "outer", "dot", "mv", "softmax", "log_softmax", "bernoulli", "multinomial", "normal_", "uniform_", "bernoulli_", "random_", "scatter_", "scatter_add_"]

IN_PLACE = ["add", "sub", "mul", "div", "pow", "neg", "abs", "exp", "sqrt", "square", "clamp", "clamp_min", "clamp_max", "relu", "leaky_relu", "sigmoid", "tanh", "lerp", "masked_fill", "addcmul", "addcdiv", "floor", "ceil", "round", "remainder", "reciprocal", "log"]


def _swapped(op: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    return lambda x, other: op(other, x)


def _unless_foreign(op: Callable[..., Tensor]) -> Callable[[Tensor, Any], Any]:
    """== and != with what is neither tensor nor number are Python's own."""

    def method(x: Tensor, other: Any) -> Any:
        return (
            op(x, other) if isinstance(other, (Tensor, int, float, np.generic)) else NotImplemented
        )

    return method


def _where(x: Tensor, condition: Tensor, other: Any) -> Tensor:
    return comparison.where(condition, x, other)


def attach() -> None:
    """Give Tensor its methods and operators."""
    for name in METHODS:
        op = getattr(ops, name, None)
        if op is not None:
            setattr(Tensor, name, op)
    for name in IN_PLACE:
        setattr(Tensor, f"{name}_", inplace.in_place(getattr(ops, name)))
    for name in ("copy_", "fill_", "zero_"):
        setattr(Tensor, name, getattr(inplace, name))
    for name, op in OPERATORS.items():
        setattr(Tensor, f"__{name}__", op)
    for name in ("add", "sub", "mul", "truediv", "pow"):
        method = getattr(Tensor, {"truediv": "div"}.get(name, name) + "_")
        setattr(Tensor, f"__i{name}__", method)
    for name, dtype in CASTS.items():
        setattr(Tensor, name, _to(dtype))
    extra: Any = Tensor
    extra.where = _where
    extra.type_as = lambda x, other: x.to(other.dtype)
    extra.cpu = lambda x: x.to("cpu")
    extra.cuda = lambda x, device=None: x.to("cuda" if device is None else f"cuda:{device}")
    extra.is_contiguous = lambda x: bool(x.array.flags.c_contiguous)
    extra.mT = property(lambda x: x.transpose(-2, -1))
    extra.T = property(lambda x: x.permute(*range(x.ndim)[::-1]))
    extra.new_zeros = _new("zeros")
    extra.new_ones = _new("ones")
    extra.new_empty = _new("empty")
    extra.new_full = _new("full")
    extra.new_tensor = _new_tensor
    if hasattr(ops, "getitem"):
        extra.__getitem__ = ops.getitem
    if hasattr(ops, "setitem"):
        extra.__setitem__ = ops.setitem
    if hasattr(ops, "matmul"):
        extra.__matmul__ = ops.matmul


def _to(dtype: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x.to(dtype)


def _new(name: str) -> Callable[..., Tensor]:
    create = getattr(ops, name)

    def method(x: Tensor, *args: Any, dtype: Any = None, device: Any = None, **more: Any) -> Tensor:
        result: Tensor = create(*args, dtype=dtype or x.dtype, device=device or x.device, **more)
        return result

    return method


def _new_tensor(
    x: Tensor, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    return ops.tensor(data, dtype or x.dtype, device or x.device, requires_grad)


OPERATORS: dict[str, Callable[..., Any]] = {
    "add": elementwise.add,
    "radd": elementwise.add,
    "sub": elementwise.sub,
    "rsub": _swapped(elementwise.sub),
    "mul": elementwise.mul,
    "rmul": elementwise.mul,
    "truediv": elementwise.true_divide,
    "rtruediv": _swapped(elementwise.true_divide),
    "floordiv": elementwise.floor_divide,
    "rfloordiv": _swapped(elementwise.floor_divide),
    "mod": elementwise.remainder,
    "rmod": _swapped(elementwise.remainder),
    "pow": elementwise.pow,
    "rpow": _swapped(elementwise.pow),
    "neg": elementwise.neg,
    "abs": elementwise.abs,
    "eq": _unless_foreign(comparison.eq),
    "ne": _unless_foreign(comparison.ne),
    "lt": comparison.lt,
    "le": comparison.le,
    "gt": comparison.gt,
    "ge": comparison.ge,
    "and": comparison.bitwise_and,
    "rand": comparison.bitwise_and,
    "or": comparison.bitwise_or,
    "ror": comparison.bitwise_or,
    "xor": comparison.bitwise_xor,
    "rxor": comparison.bitwise_xor,
    "invert": comparison.bitwise_not,
}

CASTS = {
    "float": float32,
    "double": float64,
    "half": float16,
    "bool": bool_,
    "byte": uint8,
    "char": int8,
    "short": int16,
    "int": int32,
    "long": int64,
}

attach()
