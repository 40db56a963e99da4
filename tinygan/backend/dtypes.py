"""Types of numbers, and which one a mixed operation has: PyTorch's rules on NumPy's types."""

from __future__ import annotations

from typing import Any

import numpy as np

float16 = half = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
uint8 = np.dtype(np.uint8)
int8 = np.dtype(np.int8)
int16 = short = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = long = np.dtype(np.int64)
bool_ = np.dtype(np.bool_)


class _BFloat16:
    """The name of a precision, for `autocast`; arrays of it there are none."""

    def __repr__(self) -> str:
        return "bfloat16"


bfloat16 = _BFloat16()

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
_default = float32


def get_default_dtype() -> np.dtype[Any]:
    """The floating-point type that Python floats and factories without a dtype get."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make `dtype` (a floating-point type) the default; it is float32 until then."""
    global _default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: expected a floating-point type, got {dtype}")
    _default = dtype


def dtype_of_scalar(value: Any) -> np.dtype[Any]:
    """The type that a Python number becomes when it has to become an array."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else _default


def can_store(dtype: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Whether an in-place op may store numbers of a type as `target`: not in a lower category."""
    return _CATEGORY[dtype.kind] <= _CATEGORY[target.kind]


def result_dtype(operands: list[Any]) -> np.dtype[Any]:
    """The common type of arrays and Python numbers, as PyTorch promotes.

    A category (bool < integer < float) is ranked before a width: int64 with float32 is float32.
    Within a category arrays with dimensions outrank 0-d arrays, which outrank Python numbers.
    """
    ranks: list[np.dtype[Any] | None] = [None, None, None]
    for x in operands:
        if isinstance(x, (bool, int, float)):
            rank, dtype = 2, dtype_of_scalar(x)
        else:
            rank, dtype = (0 if x.ndim else 1), x.dtype
        known = ranks[rank]
        ranks[rank] = dtype if known is None else _wider(known, dtype)
    result: np.dtype[Any] | None = None
    for ranked in ranks:
        if ranked is not None and (
            result is None or _CATEGORY[ranked.kind] > _CATEGORY[result.kind]
        ):
            result = ranked
    assert result is not None
    return result


def _wider(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    if a == b:
        return a
    if _CATEGORY[a.kind] != _CATEGORY[b.kind]:
        return a if _CATEGORY[a.kind] > _CATEGORY[b.kind] else b
    return np.promote_types(a, b)


def promote(operands: list[Any], real: bool) -> list[Any]:
    """Cast the arrays among `operands` to their common type; Python numbers stay weak.

    With `real` an integer result becomes the default floating-point type, as in `exp` or `/`.
    """
    first: Any = None
    floats = False
    for x in operands:
        if isinstance(x, float):
            floats = True
        elif not isinstance(x, int):
            if first is None:
                first = x.dtype
            elif x.dtype != first:
                first = None
                break
    if first is not None and (first.kind == "f" or not (floats or real or first.kind == "b")):
        return operands
    dtype = result_dtype(operands)
    if real and dtype.kind != "f":
        dtype = _default
    return [
        x if isinstance(x, (int, float)) or x.dtype == dtype else x.astype(dtype) for x in operands
    ]
