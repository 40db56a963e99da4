"""The ops as methods and operators of Tensor."""

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
from tinygan.ops import conversion, inplace, legacy

__all__: list[str] = []

_METHODS = """
    abs absolute acos add addcdiv addcmul arccos arcsin arctan arctan2 asin atan atan2 ceil clamp
    clamp_max clamp_min clip cos div divide erf exp expm1 floor floor_divide frac lerp log log1p
    log2 log10 maximum minimum mul multiply neg negative pow reciprocal remainder round rsqrt sign
    sin sqrt square sub subtract tanh true_divide trunc
    leaky_relu logsigmoid prelu relu sigmoid softplus
    allclose bitwise_and bitwise_not bitwise_or bitwise_xor eq equal ge gt isclose isfinite isinf
    isnan le logical_and logical_not logical_or logical_xor lt masked_fill nan_to_num ne
    all amax amin any argmax argmin count_nonzero cumsum logsumexp max mean min norm prod std sum
    var
    clone
    broadcast_to expand expand_as flatten flip movedim permute reshape squeeze sum_to_size swapaxes
    t transpose unflatten unsqueeze view view_as
    chunk diag diag_embed diagonal repeat repeat_interleave roll split tile trace tril triu unbind
    argsort gather index_add index_select masked_select narrow nonzero scatter scatter_add select
    sort take_along_dim topk
    addmm baddbmm bmm dot matmul mm mv outer
    log_softmax softmax
    bernoulli multinomial
    bernoulli_ normal_ random_ uniform_
"""

_IN_PLACE = """
    abs add addcdiv addcmul ceil clamp clamp_max clamp_min clip div exp expm1 floor floor_divide
    index_add leaky_relu lerp log log1p masked_fill mul nan_to_num neg pow reciprocal relu
    remainder round rsqrt scatter scatter_add sigmoid sign sin cos sqrt square sub tanh tril triu
    trunc
"""

_NUMBER_FIRST = {  # in place, the number that scripts write before so many tensors
    "add_": ("alpha", 1),
    "sub_": ("alpha", 1),
    "addcdiv_": ("value", 2),
    "addcmul_": ("value", 2),
}

_OPERATORS = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}

_CASTS = {
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


def _swapped(op: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    return lambda x, other: op(other, x)


def _unless_foreign(op: Callable[..., Tensor]) -> Callable[[Tensor, Any], Any]:
    """== and != with what is neither a tensor nor a number are Python's own."""

    def method(x: Tensor, other: Any) -> Any:
        known = isinstance(other, (Tensor, int, float, np.generic))
        return op(x, other) if known else NotImplemented

    return method


def _to(dtype: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x.to(dtype)


def _new(create: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A factory whose type and device are those of a tensor."""

    def method(x: Tensor, *args: Any, dtype: Any = None, device: Any = None, **more: Any) -> Tensor:
        return create(*args, dtype=dtype or x.dtype, device=device or x.device, **more)

    return method


def _where(x: Tensor, condition: Tensor, other: Any) -> Tensor:
    return ops.where(condition, x, other)


def _stride(x: Tensor, dim: int | None = None) -> Any:
    """By how many elements the memory moves along each dimension."""
    strides = tuple(n // x.array.itemsize for n in x.array.strides)
    return strides if dim is None else strides[dim]


def _transposed(x: Tensor) -> Tensor:
    return x.permute(*range(x.ndim)[::-1])


def _attach(name: str, method: Any) -> None:
    setattr(Tensor, name, method)


def attach() -> None:
    """Give Tensor its methods and operators, when all ops are there."""
    for name in _METHODS.split():
        _attach(name, getattr(ops, name))
    for name in _IN_PLACE.split():
        _attach(f"{name}_", inplace.in_place(getattr(ops, name)))
    for name, (scale, count) in _NUMBER_FIRST.items():
        _attach(name, inplace.number_first(getattr(Tensor, name), scale, count))
    for name in ("contiguous", "cpu", "cuda", "to", "type_as"):
        _attach(name, getattr(conversion, name))
    for name in inplace.__all__:
        _attach(name, getattr(inplace, name))
    for name, op in _OPERATORS.items():
        _attach(f"__{name}__", getattr(ops, op))
        _attach(f"__r{name}__", _swapped(getattr(ops, op)))
    for name in ("add", "mul"):  # they commute, and without a detour are quicker
        _attach(f"__r{name}__", getattr(ops, name))
    for name in ("add", "sub", "mul", "floordiv", "mod", "pow", "and", "or", "xor"):
        _attach(f"__i{name}__", inplace.in_place(getattr(ops, _OPERATORS[name])))
    _attach("__itruediv__", inplace.in_place(ops.div))
    for name in ("lt", "le", "gt", "ge", "neg", "abs"):
        _attach(f"__{name}__", getattr(ops, name))
    for name in ("eq", "ne"):
        _attach(f"__{name}__", _unless_foreign(getattr(ops, name)))
    _attach("__invert__", ops.bitwise_not)
    _attach("__pos__", lambda x: x)
    for name in ("getitem", "setitem"):
        _attach(f"__{name}__", getattr(ops, name))
    for name, dtype in _CASTS.items():
        _attach(name, _to(dtype))
    for name in ("zeros", "ones", "empty", "full"):
        _attach(f"new_{name}", _new(getattr(ops, name)))
    _attach("new_tensor", _new(ops.tensor))
    _attach("new", lambda x, *data: legacy.TypedTensor(x.dtype, x.device)(*data))
    _attach("type", legacy.as_type)
    _attach("where", _where)
    _attach("stride", _stride)
    _attach("nelement", Tensor.numel)
    _attach("ndimension", Tensor.dim)
    _attach("is_cuda", property(lambda x: x.device.type == "cuda"))
    _attach("is_contiguous", lambda x: bool(x.array.flags.c_contiguous))
    _attach("T", property(_transposed))
    _attach("mT", property(lambda x: x.transpose(-2, -1)))
