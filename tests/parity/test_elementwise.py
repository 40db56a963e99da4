"""Elementwise ops against PyTorch's: values, types, derivatives to order 2, special values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare, same  # noqa: E402

import tinygan  # noqa: E402

REAL = np.array([-2.5, -1.5, -1.0, -0.7, -0.0, 0.0, 0.3, 0.5, 1.0, 1.5, 2.5, 4.0])
FAR = np.array([-1000.0, -100.0, -20.0, 20.0, 100.0, 1000.0])
ODD = np.array([np.inf, -np.inf, np.nan])
INTEGERS = np.array([-3, -1, 0, 1, 2, 5])

UNARY = (
    "neg abs sign exp expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos "
    "asin acos atan tanh erf floor ceil round trunc frac"
)


@pytest.mark.parametrize("name", UNARY.split())
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_functions_of_one_number(name: str, dtype: str) -> None:
    order = 2 if dtype == "float64" else 1
    if name == "frac" and dtype == "float16":
        order = 0
    f = lambda lib, x: getattr(lib, name)(x)  # noqa: E731
    compare(f, REAL.astype(dtype), order=order)
    compare(f, REAL.astype(dtype).reshape(3, 4).T, order=order)


@pytest.mark.parametrize("name", UNARY.split())
def test_of_special_and_integer_values(name: str) -> None:
    f = lambda lib, x: getattr(lib, name)(x)  # noqa: E731
    if name != "sign":  # of NaN it is NaN here and 0 there
        compare(f, ODD, order=0)
    if name not in ("sin", "cos"):
        compare(f, FAR, order=1)
    if name != "frac":
        compare(f, INTEGERS)


BINARY: dict[str, Callable[..., Any]] = {
    "add": lambda lib, x, y: x + y,
    "add alpha": lambda lib, x, y: lib.add(x, y, alpha=3),
    "sub": lambda lib, x, y: x - y,
    "sub alpha": lambda lib, x, y: x.sub(y, alpha=-0.5),
    "mul": lambda lib, x, y: x * y,
    "div": lambda lib, x, y: x / y,
    "div floor": lambda lib, x, y: lib.div(x, y, rounding_mode="floor"),
    "div trunc": lambda lib, x, y: lib.div(x, y, rounding_mode="trunc"),
    "pow": lambda lib, x, y: x**y,
    "remainder": lambda lib, x, y: x % y,
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "minimum": lambda lib, x, y: lib.minimum(x, y),
    "max": lambda lib, x, y: lib.max(x, y),
    "min": lambda lib, x, y: x.min(y),
    "clamp min": lambda lib, x, y: lib.clamp(x, min=y),
    "clamp max": lambda lib, x, y: x.clamp(max=y),
    "where": lambda lib, x, y: lib.where(x > y, x * x, y),
    "lerp": lambda lib, x, y: lib.lerp(x, y, 0.3),
    "lerp tensor": lambda lib, x, y: x.lerp(y, x * 0.1),
    "addcmul": lambda lib, x, y: lib.addcmul(x, x, y, value=0.5),
    "addcdiv": lambda lib, x, y: lib.addcdiv(x, y, x + 9.0, value=2),
    "atan2": lambda lib, x, y: lib.atan2(x, y),
}


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name: str) -> None:
    f = BINARY[name]
    second = np.array([1.0, 2.0, -1.0, 0.5, -3.0, 2.0, 0.3, -0.5, 1.0, 3.0, -2.5, 0.25])
    # 0 ** 2 has a second derivative by exponent and base, which PyTorch takes for NaN
    compare(f, REAL, second, order=1 if name == "pow" else 2)
    compare(f, REAL.reshape(3, 4), second[:4], order=1)  # broadcast
    compare(f, REAL.reshape(3, 4)[:, :1], second[:4].reshape(1, 4), order=1)
    compare(f, REAL, np.float64(1.5), order=1)


def test_ties() -> None:
    x = np.array([1.0, 2.0, 2.0, 0.0])
    y = np.array([1.0, 1.0, 3.0, -0.0])
    for name in ("maximum", "minimum", "max", "min", "clamp min", "clamp max"):
        compare(BINARY[name], x, y, order=1)
    compare(lambda lib, x: lib.clamp(x, 0, 2), x, order=1)
    compare(lambda lib, x, a, b: lib.clamp(x, a, b), x, y - 1, y, order=1)
    compare(lambda lib, x, a, b: lib.clamp(x, a, b), x, y + 1, y, order=1)  # min above max


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, -0.5, 1.5, 2.5, 0.0, 2.0])
def test_powers(exponent: float) -> None:
    x = REAL[np.signbit(REAL) <= (REAL < 0)]  # without -0.0, of which roots differ in sign
    compare(lambda lib, x: x**exponent, x)
    compare(lambda lib, x: x**exponent, x.astype("float32"), order=1)
    compare(lambda lib, x: lib.pow(x, exponent), np.array([0.0, 1.0]))


def test_powers_of_zero_and_of_negative_numbers() -> None:
    base, exponent = np.meshgrid([-2.0, -0.5, 0.0, 1.0, 2.0], [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 0.5])
    compare(lambda lib, x, y: x**y, base, exponent, order=1)
    for number in (0, 1, 2, 0.5):
        compare(lambda lib, y: number**y, exponent, order=1)  # noqa: B023
    compare(lambda lib, x, y: x**y, np.array([2, 3, -2]), np.array([3, 0, 2]))
    compare(lambda lib, x: 2**x, np.array([0, 3]))


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_whole_quotients(dtype: str) -> None:
    x, y = np.meshgrid(np.array([-7, -6, 0, 5, 6, 7]), np.array([-3, -1, 1, 2]))
    x, y = (abs(x), abs(y)) if dtype == "uint8" else (x, y)
    for mode in ("trunc", "floor"):
        f = lambda lib, x, y: lib.div(x, y, rounding_mode=mode)  # noqa: B023, E731
        compare(f, x.astype(dtype), y.astype(dtype))
        compare(lambda lib, x: lib.div(x, 2, rounding_mode=mode), x.astype(dtype))  # noqa: B023
        compare(lambda lib, y: lib.div(7, y, rounding_mode=mode), y.astype(dtype))  # noqa: B023
    large = np.array([2**53 + 1, -(2**53) - 1, 2**62 + 1])
    compare(lambda lib, x: lib.div(x, 1, rounding_mode="trunc"), large)
    compare(lambda lib, x: lib.div(x, -3, rounding_mode="trunc"), large)
    compare(lambda lib, x: lib.div(x, 2.5, rounding_mode="trunc"), x.astype(dtype))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers_divided_by_zero_are_an_error_in_both(dtype: str) -> None:
    for lib in (tinygan, torch):
        x, y = (lib.tensor(a, dtype=getattr(lib, dtype)) for a in ([1, 2], [1, 0]))
        for f in (
            lambda x, y: x // y,
            lambda x, y: x % y,
            lambda x, y: x % 0,
            lambda x, y: 1 // y,
            lambda x, y: lib.div(x, y, rounding_mode="trunc"),  # noqa: B023
            lambda x, y: lib.div(x, 0, rounding_mode="floor"),  # noqa: B023
            lambda x, y: x.remainder_(y),
        ):
            with pytest.raises((ZeroDivisionError, RuntimeError), match=r"ZeroDivision|by 0"):
                f(x, y)
    integers = np.array([1, 2, 0])
    compare(lambda lib, x: x // 0.0, integers)
    compare(lambda lib, x: x[:0] // 0, integers)
    compare(lambda lib, x: lib.tensor([1.0, -1.0, 0.0]) % x, integers * 0)


BOOLEAN: dict[str, Callable[[Any, Any], Any]] = {
    "square": lambda lib, x: x.square(),
    "** 2": lambda lib, x: x**2,
    "2 **": lambda lib, x: 2**x,
    "** 0": lambda lib, x: x**0,
    "** True": lambda lib, x: x**True,
    "** 2.0": lambda lib, x: x**2.0,
    "// 2": lambda lib, x: x // 2,
    "% 2": lambda lib, x: x % 2,
    "+ 2": lambda lib, x: x + 2,
    "* True": lambda lib, x: x * True,
    "== 1": lambda lib, x: x == 1,
    "where": lambda lib, x: lib.where(x, x, 2),
    "masked_fill": lambda lib, x: x.masked_fill(x, 0),
    "clamp": lambda lib, x: x.clamp(0, 1),
    "sign": lambda lib, x: x.sign(),
}


@pytest.mark.parametrize("name", BOOLEAN)
def test_types_of_what_booleans_give(name: str) -> None:
    x = np.array([True, False])
    for operand in (x, x[0]):
        compare(BOOLEAN[name], operand)


SCALARS: dict[str, Callable[[Any], Any]] = {
    "x + 0.5": lambda x: x + 0.5,
    "2 - x": lambda x: 2 - x,
    "x * 2": lambda x: x * 2,
    "x * 0.5": lambda x: x * 0.5,
    "x / 2": lambda x: x / 2,
    "1 / x": lambda x: 1 / x,
    "x // 2": lambda x: x // 2,
    "x % 2": lambda x: x % 2,
    "7 % x": lambda x: 7 % x,
    "x ** 2": lambda x: x**2,
    "x ** 0.5": lambda x: x**0.5,
    "x > 0.5": lambda x: x > 0.5,
    "2 <= x": lambda x: x >= 2,
    "x == 1": lambda x: x == 1,
    "x != 1": lambda x: x != 1,
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "uint8"])
def test_python_numbers_are_weak(name: str, dtype: str) -> None:
    x = np.array([1, 2, 3, 4], dtype=dtype)
    for operand in (x, x[1].reshape(())):
        same(SCALARS[name](tinygan.tensor(operand)), SCALARS[name](torch.tensor(operand)), name)


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("one", DTYPES)
@pytest.mark.parametrize("other", DTYPES)
def test_types_of_mixed_operands(one: str, other: str) -> None:
    values = np.array([1, 0, 3, 1])
    for x in (values.astype(one), values[2].astype(one)):
        for y in (values[::-1].astype(other), values[2].astype(other)):
            mine, yours = (tinygan.tensor(x), tinygan.tensor(y)), (torch.tensor(x), torch.tensor(y))
            same(mine[0] + mine[1], yours[0] + yours[1], "+")
            same(mine[0] * mine[1], yours[0] * yours[1], "*")
            same(mine[0] / mine[1], yours[0] / yours[1], "/")
            same(mine[0] == mine[1], yours[0] == yours[1], "==")
            same(mine[0] > mine[1], yours[0] > yours[1], ">")
            condition = np.array([True, False, False, True])
            same(
                tinygan.where(tinygan.tensor(condition), *mine),
                torch.where(torch.tensor(condition), *yours),
                "where",
            )


LOGIC: dict[str, Callable[..., Any]] = {
    "and": lambda lib, x, y: x & y,
    "or": lambda lib, x, y: x | y,
    "xor": lambda lib, x, y: x ^ y,
    "not": lambda lib, x, y: ~x,
    "logical_and": lambda lib, x, y: lib.logical_and(x, y),
    "logical_or": lambda lib, x, y: lib.logical_or(x, y),
    "logical_xor": lambda lib, x, y: x.logical_xor(y),
    "logical_not": lambda lib, x, y: lib.logical_not(x),
}


@pytest.mark.parametrize("name", LOGIC)
def test_logic(name: str) -> None:
    x, y = np.meshgrid(np.arange(4), np.arange(4))
    compare(LOGIC[name], x, y)
    compare(LOGIC[name], x > 1, y > 1)
    if name.startswith("logical"):
        compare(LOGIC[name], x.astype("float32"), y)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
def test_what_a_number_is(name: str) -> None:
    compare(lambda lib, x: getattr(lib, name)(x), np.concatenate([REAL, ODD]))
    compare(lambda lib, x: getattr(x, name)(), INTEGERS)


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose(equal_nan: bool) -> None:
    x, y = np.meshgrid(np.concatenate([REAL, ODD, REAL + 1e-6]), np.concatenate([REAL, ODD]))
    compare(lambda lib, x, y: lib.isclose(x, y, equal_nan=equal_nan), x, y)
    compare(lambda lib, x, y: x.isclose(y, 0.1, 0.2, equal_nan), x, y)


def test_where_and_masked_fill() -> None:
    mask = np.array([[True, False, True], [False, False, True]])
    x, y = np.arange(6.0).reshape(2, 3), np.array([7.0, 8.0, 9.0])
    compare(lambda lib, m, x, y: lib.where(m, x, y), mask, x, y)
    compare(lambda lib, m, x: lib.where(m, x, 0.5), mask, x)
    compare(lambda lib, m, x: lib.where(m, 2, x), mask, x)
    compare(lambda lib, m, x: x.where(m, 0), mask, x)
    compare(lambda lib, m: lib.where(m, 1.0, 0.0), mask)
    compare(lambda lib, m: lib.where(m, 1, 0), mask)
    compare(lambda lib, m, x: x.masked_fill(m, 3), mask, x)
    compare(lambda lib, m, x, v: x.masked_fill(m, v), mask, x, np.float64(2.0))


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_clamps_of_every_type(dtype: str) -> None:
    x = np.arange(5).astype(dtype)
    compare(lambda lib, x: lib.clamp(x, 1, 3), x, order=0)
    compare(lambda lib, x: lib.clamp(x, 1.5), x, order=0)
    compare(lambda lib, x, y: x.clamp(max=y), x, np.array([2]), order=0)
    compare(lambda lib, x, y: lib.maximum(x, y), x, np.float32(2.5), order=0)
