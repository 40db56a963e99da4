"""Tensors from nothing and from other arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygan.autograd import Tensor, made, wrap
from tinygan.backend import Device, backend_for, backend_of
from tinygan.backend.dtypes import dtype_of_scalar, get_default_dtype, int64
from tinygan.backend.layout import order_of_copy
from tinygan.ops.dims import sizes

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]

Where = str | Device | None


def _finish(array: Any, requires_grad: bool) -> Tensor:
    x = wrap(made(array))
    return x.requires_grad_() if requires_grad else x


def _host(data: Any, narrow: bool) -> np.ndarray:
    """Numbers and nested sequences as an array, floats in the default type if `narrow`."""
    if type(data) is float and not narrow:
        return np.asarray(data)
    if type(data) in (bool, int, float):
        return np.asarray(data, dtype=dtype_of_scalar(data))
    if isinstance(data, (list, tuple)) and any(isinstance(x, Tensor) for x in data):
        data = [x.tolist() if isinstance(x, Tensor) else x for x in data]
    array = np.asarray(data)
    if narrow and isinstance(data, (list, tuple)) and array.dtype.kind == "f":
        leaf: Any = data
        while isinstance(leaf, (list, tuple)) and leaf:
            leaf = leaf[0]
        if not isinstance(leaf, (np.ndarray, np.generic)):
            array = array.astype(get_default_dtype())
    if array.dtype.kind not in "biuf":
        raise TypeError(f"tensor: expected numbers, got {array.dtype} from {type(data).__name__}")
    return array


def tensor(
    data: Any, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor with a copy of `data`: a number, a nested sequence, an array or a tensor."""
    if isinstance(data, Tensor):
        return data.detach().to(device=device, dtype=dtype, copy=True).requires_grad_(requires_grad)
    return _finish(_convert(data, dtype, device, copy=True), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Where = None) -> Tensor:
    """`data` as a tensor, sharing its memory where type and device allow."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    return wrap(_convert(data, dtype, device, copy=False))


def _convert(data: Any, dtype: Any, device: Where, copy: bool) -> Any:
    try:
        backend = backend_of(data)
        array = data
    except TypeError:
        backend = backend_for("cpu")
        array = _host(data, narrow=dtype is None)
        if dtype is not None:
            _expect_to_fit(array, np.dtype(dtype))
    target = backend if device is None else backend_for(device)
    if target is not backend:
        array, copy = target.from_host(backend.to_host(array)), False
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def _expect_to_fit(numbers: np.ndarray, dtype: np.dtype[Any]) -> None:
    """Refuse integers that the type does not have, in whose place others would come."""
    if dtype.kind in "iu" and numbers.dtype.kind in "iu" and numbers.size:
        low, high = int(numbers.min()), int(numbers.max())
        limits = np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise ValueError(
                f"tensor: numbers from {low} to {high}; {dtype} has those from {limits.min} to "
                f"{limits.max}"
            )


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(array).__name__}")
    return wrap(array)


def from_dlpack(source: Any) -> Tensor:
    """A tensor that shares the memory of an array of any library that speaks DLPack."""
    kind = source.__dlpack_device__()[0]
    backend = backend_for("cpu" if kind == 1 else "cuda")
    return wrap(backend.xp.from_dlpack(source))


def zeros(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of a shape, given as integers or as a tuple."""
    xp = backend_for(device or "cpu").xp
    return _finish(xp.zeros(sizes(shape, size), dtype=dtype or get_default_dtype()), requires_grad)


def ones(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of a shape, given as integers or as a tuple."""
    xp = backend_for(device or "cpu").xp
    return _finish(xp.ones(sizes(shape, size), dtype=dtype or get_default_dtype()), requires_grad)


def empty(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of a shape whose elements are whatever was in memory."""
    xp = backend_for(device or "cpu").xp
    return _finish(xp.empty(sizes(shape, size), dtype=dtype or get_default_dtype()), requires_grad)


def full(
    size: Any,
    fill_value: Any,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of a shape filled with one number."""
    xp = backend_for(device or "cpu").xp
    shape = sizes((size,))
    array = xp.full(shape, fill_value, dtype=dtype or dtype_of_scalar(fill_value))
    return _finish(array, requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end; arange(n) counts from 0."""
    if end is None:
        start, end = 0, start
    if dtype is None:
        integers = all(isinstance(x, int) for x in (start, end, step))
        dtype = int64 if integers else get_default_dtype()
    dtype = np.dtype(dtype)
    count = max(0, math.ceil((end - start) / step))
    xp = backend_for(device or "cpu").xp
    numbers = start + xp.arange(count, dtype=np.float64 if dtype.kind == "f" else int64) * step
    return _finish(numbers.astype(dtype), requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from start to end, evenly spaced."""
    xp = backend_for(device or "cpu").xp
    array = xp.linspace(start, end, steps).astype(dtype or get_default_dtype())
    return _finish(array, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an n x m matrix (m = n by default)."""
    xp = backend_for(device or "cpu").xp
    return _finish(xp.eye(n, m, dtype=dtype or get_default_dtype()), requires_grad)


def empty_like(
    input: Tensor, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of the shape, type, device and memory order of x, not filled."""
    return _finish(_empty_like(input, dtype, device), requires_grad)


def _empty_like(input: Tensor, dtype: Any, device: Where) -> Any:
    backend = backend_of(input.array)
    target = backend if device is None else backend_for(device)
    if target is backend:
        return target.xp.empty_like(input.array, dtype=dtype, order=order_of_copy(input.array))
    return target.xp.empty(input.array.shape, dtype=dtype or input.dtype)


def full_like(
    input: Tensor,
    fill_value: Any,
    dtype: Any = None,
    device: Where = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of the shape, type, device and memory order of x, filled with one number."""
    array = _empty_like(input, dtype, device)
    array[...] = fill_value
    return _finish(array, requires_grad)


def zeros_like(
    input: Tensor, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of the shape, type, device and memory order of x."""
    return full_like(input, 0, dtype, device, requires_grad)


def ones_like(
    input: Tensor, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """Ones of the shape, type, device and memory order of x."""
    return full_like(input, 1, dtype, device, requires_grad)
