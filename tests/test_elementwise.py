"""Elementwise ops: values on both devices, memory order, types, stability, errors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan
from tinygan.autograd import grad
from tinygan.backend import host_array

X = np.array([[0.3, 1.2, 2.0], [0.7, 1.5, 0.4]])


def on(device: str, array: Any) -> tinygan.Tensor:
    return tinygan.tensor(array, device=device)


def values(x: tinygan.Tensor) -> np.ndarray:
    return host_array(x.array)


NUMPY: dict[str, Callable[..., Any]] = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "exp": np.exp, "expm1": np.expm1,
    "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt,
    "rsqrt": lambda x: x**-0.5, "square": np.square, "reciprocal": lambda x: 1 / x,
    "sin": np.sin, "cos": np.cos, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "tanh": np.tanh, "floor": np.floor, "ceil": np.ceil,
    "round": np.round, "trunc": np.trunc, "erf": np.vectorize(math.erf),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.log1p(np.exp(x)), "silu": lambda x: x / (1 + np.exp(-x)),
    "logsigmoid": lambda x: -np.log1p(np.exp(-x)), "hardtanh": lambda x: np.clip(x, -1, 1),
    "relu6": lambda x: np.clip(x, 0, 6), "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": np.vectorize(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMPY)
def test_values(name: str, device: str) -> None:
    for x in (X, X[:, :0]) if name in ("erf", "gelu") else (X, -X, X[:, :0]):
        if name in ("erf", "gelu") and not x.size:
            continue
        with np.errstate(all="ignore"):
            expected = NUMPY[name](x)
        y = getattr(tinygan, name)(on(device, x))
        assert y.device == device
        np.testing.assert_allclose(values(y), expected, 1e-14, 1e-15)


def test_erf_to_full_precision() -> None:
    x = np.concatenate([np.linspace(-7, 7, 20001), np.logspace(-300, 0, 100), [np.inf, -np.inf]])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(values(tinygan.erf(tinygan.tensor(x))), expected, 4e-16, 0)
    single = values(tinygan.erf(tinygan.tensor(x.astype("float32"))))
    exact = np.array([math.erf(v) for v in x.astype("float32")])
    np.testing.assert_allclose(single[np.abs(x) > 1e-30], exact[np.abs(x) > 1e-30], 3e-7, 0)
    assert math.isnan(tinygan.erf(tinygan.tensor([math.nan])).item())


@pytest.mark.parametrize("name", NUMPY)
def test_channels_last_memory_is_kept(name: str) -> None:
    x = tinygan.tensor(np.random.default_rng(0).random((2, 4, 5, 3)).astype("f4") + 0.1)
    x = x.permute(0, 3, 1, 2).requires_grad_()
    y = getattr(tinygan, name)(x)
    assert y.array.strides == x.array.strides
    (g,) = grad(y, x, tinygan.ones_like(y), allow_unused=True)
    assert g is None or not g.array.strides[0] or g.array.strides == x.array.strides
    assert (y * 2 + x / y).array.strides == x.array.strides
    assert tinygan.where(x > 0.5, x, y).array.strides == x.array.strides
    assert x.clone().array.strides == x.double().float().array.strides == x.array.strides


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
             operator.floordiv, operator.mod, operator.lt, operator.le, operator.gt, operator.ge,
             operator.eq, operator.ne]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS)
def test_operators(function: Callable[..., Any], device: str) -> None:
    x, y = X.astype("f4"), X[::-1].astype("f4") + np.float32(0.1)
    expected = function(x, y)
    result = function(on(device, x), on(device, y))
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(values(result), expected, 1e-6)
    for mine, yours in ((function(on(device, x), 2), function(x, 2)),
                        (function(2.5, on(device, x)), function(2.5, x)),
                        (function(on(device, x), np.float64(1.5)), function(x, 1.5))):  # fmt: skip
        assert mine.dtype == yours.dtype and mine.device == device
        np.testing.assert_allclose(values(mine), yours, 1e-6)


@given(
    numpy_strategies.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4),
    st.sampled_from(["add", "sub", "mul", "true_divide", "maximum", "minimum", "where"]),
)
@settings(max_examples=60, deadline=None)
def test_broadcasting(shapes: Any, name: str) -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape) + 3 for shape in shapes.input_shapes)
    x, y = (tinygan.tensor(v, requires_grad=True) for v in (a, b))
    result = tinygan.where(x > y, x, y) if name == "where" else getattr(tinygan, name)(x, y)
    expected = np.where(a > b, a, b) if name == "where" else getattr(
        np, {"sub": "subtract", "mul": "multiply"}.get(name, name))(a, b)  # fmt: skip
    np.testing.assert_array_equal(values(result), expected)
    gx, gy = grad(result.sum(), [x, y])
    assert gx.shape == a.shape and gy.shape == b.shape
    if name == "mul":
        np.testing.assert_allclose(values(gx).sum(), np.broadcast_to(b, expected.shape).sum())


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "logsigmoid", "silu", "tanh", "gelu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_values_stay_finite_to_order_2(name: str, dtype: str, device: str) -> None:
    x = on(device, np.array([-1000, -100, 0, 100, 1000], dtype)).requires_grad_()
    y = getattr(tinygan, name)(x)
    (g,) = grad(y.sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x, allow_unused=True)
    for result in (y, g, h):
        assert np.isfinite(values(result)).all()


def test_numbers_on_both_sides_of_where(device: str) -> None:
    mask = on(device, X) > 1
    assert tinygan.where(mask, 1.0, 0.0).dtype == "float32"
    assert tinygan.where(mask, 1, 0).dtype == "int64"
    assert tinygan.where(mask, on(device, [1, 2, 3]), 0.5).dtype == "float32"


def test_clamp(device: str) -> None:
    x = on(device, [-2.0, 0.5, 3.0])
    assert x.clamp(-1, 1).tolist() == [-1, 0.5, 1]
    assert x.clamp(min=0).tolist() == [0, 0.5, 3]
    assert x.clip(max=on(device, [-3.0, 0.0, 9.0])).tolist() == [-3, 0, 3]
    with pytest.raises(ValueError, match="clamp: expected min, max or both"):
        x.clamp()


def test_closeness(device: str) -> None:
    x = on(device, [1.0, math.inf, math.nan])
    assert not tinygan.allclose(x, x)
    assert tinygan.allclose(x, x, equal_nan=True)
    assert tinygan.allclose(x[:2], x[:2] + 1e-7)
    assert not tinygan.equal(x[:2], x[:1])
    assert tinygan.allclose(on(device, [1, 0]), on(device, [1, 0]))
    assert tinygan.equal(x[:2], x[:2]) and not tinygan.equal(x, x)


def test_prelu_weights(device: str) -> None:
    x = on(device, [[-1.0, 2.0], [3.0, -4.0]])
    assert tinygan.prelu(x, on(device, [0.5, 0.25])).tolist() == [[-0.5, 2], [3, -1]]
    with pytest.raises(ValueError, match=r"prelu: weight has 3 elements, expected 1 or .* 2"):
        tinygan.prelu(x, on(device, [0.1, 0.2, 0.3]))


def test_errors_name_the_op_and_what_was_given() -> None:
    x = tinygan.tensor(X)
    with pytest.raises(ValueError, match=r"add: .*\(2, 3\), \(2,\)"):
        x + tinygan.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"mul: expected a Tensor or a number, got numpy\.ndarray"):
        x * X
    with pytest.raises(TypeError, match="add"):
        X + x
    with pytest.raises(TypeError, match="where: expected a boolean condition, got float64"):
        tinygan.where(x, x, x)
    with pytest.raises(TypeError, match="masked_fill: expected a boolean mask, got float64"):
        x.masked_fill(x, 0)
    with pytest.raises(TypeError, match="cannot be stored"):
        tinygan.tensor([1, 2]).masked_fill(tinygan.tensor([True, False]), 0.5)
    with pytest.raises(ValueError, match="approximate is 'none' or 'tanh'"):
        tinygan.gelu(x, "erf")
    with pytest.raises(ValueError, match="rounding_mode"):
        tinygan.div(x, 2, rounding_mode="up")
    with pytest.raises(TypeError, match=r"softplus: unknown argument 'betta'; did you mean 'beta'"):
        tinygan.softplus(x, betta=1)


def test_errors_of_types_that_numpy_has_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinygan.sign, "reference", lambda xp, x: xp.sign(x))
    with pytest.raises(TypeError, match=r"sign: .*did not contain a loop.* \(inputs: \(2,\)\)"):
        tinygan.tensor([True, False]).sign()


def test_types_of_powers_and_whole_quotients(device: str) -> None:
    truth = on(device, np.array([True, False]))
    for y, dtype in ((truth**2, "int64"), (truth.square(), "int64"), (truth**True, "bool"),
                     (truth.sign(), "bool"), (truth.masked_fill(truth, 0), "bool")):  # fmt: skip
        assert y.dtype == dtype and y.device == device
    x, y = on(device, np.array([7, -7, 2**53 + 1])), on(device, np.array([-2, 2, 1]))
    whole = tinygan.div(x, y, rounding_mode="trunc")
    assert whole.dtype == "int64" and values(whole).tolist() == [-3, -3, 2**53 + 1]
    assert values(tinygan.nn.functional.relu6(x)).tolist() == [6, 0, 6]


def test_integers_are_not_divided_by_zero() -> None:
    x = tinygan.tensor([4, 5])
    for f in (lambda: x // 0, lambda: x % (x - 4), lambda: 3 // (x - 5), lambda: x.remainder_(0)):
        with pytest.raises(ZeroDivisionError, match=r"x\.float\(\)"):
            f()
    assert values(x.float() // 0).tolist() == [math.inf, math.inf]


def test_devices_do_not_mix() -> None:
    with pytest.raises(RuntimeError, match=r"add: arguments on two devices.*x\.to\("):
        on("cpu", X) + on("cuda", X)
