"""The compiled elementwise ops against their NumPy references."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygan.losses  # noqa: F401  which registers its ops
from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import (
    activations,
    comparison,
    elementwise,
    losses,
    mapping,
    threads,
    unary,
)
from tinygan.backend.cpu.tape import START, Tape

random = np.random.default_rng(0)

# Name: how many operands, keyword arguments, units in the last place that may differ
CALLS: dict[str, tuple[int, dict[str, float], float]] = {
    "neg": (1, {}, 0), "abs": (1, {}, 0), "square": (1, {}, 0), "sqrt": (1, {}, 0),
    "rsqrt": (1, {}, 1), "reciprocal": (1, {}, 0), "exp": (1, {}, 3), "expm1": (1, {}, 4),
    "log": (1, {}, 3), "log1p": (1, {}, 3), "log2": (1, {}, 3), "log10": (1, {}, 4),
    "sin": (1, {}, 3), "cos": (1, {}, 3), "sign": (1, {}, 0), "floor": (1, {}, 0),
    "ceil": (1, {}, 0), "trunc": (1, {}, 0), "round": (1, {"decimals": 0}, 0),
    "isnan": (1, {}, 0), "isinf": (1, {}, 0), "isfinite": (1, {}, 0),
    "logical_not": (1, {}, 0), "logical_and": (2, {}, 0), "logical_or": (2, {}, 0),
    "logical_xor": (2, {}, 0), "remainder": (2, {}, 0), "floor_divide": (2, {}, 0),
    "erf": (1, {}, 4), "tanh": (1, {}, 4), "sigmoid": (1, {}, 4),
    "softplus": (1, {"beta": 1, "threshold": 20}, 4), "relu": (1, {}, 0),
    "leaky_relu": (1, {"negative_slope": 0.25}, 0),
    "hardtanh": (1, {"min_val": -0.5, "max_val": 0.75}, 0),
    "add": (2, {"alpha": 1}, 0), "sub": (2, {"alpha": 1}, 0), "mul": (2, {}, 0),
    "true_divide": (2, {}, 0), "maximum": (2, {}, 0), "minimum": (2, {}, 0),
    "clamp_min": (2, {}, 0), "clamp_max": (2, {}, 0),
    "eq": (2, {}, 0), "ne": (2, {}, 0), "lt": (2, {}, 0), "le": (2, {}, 0), "gt": (2, {}, 0),
    "ge": (2, {}, 0), "tanh_grad": (2, {}, 4), "sigmoid_grad": (2, {}, 4),
    "leaky_relu_grad": (2, {"negative_slope": 0.25}, 0),
    "softplus_grad": (2, {"beta": 1, "threshold": 20}, 4),
    "elu": (1, {"alpha": 0.75}, 4), "elu_grad": (2, {"alpha": 0.75}, 8), "silu": (1, {}, 8),
    "silu_grad": (2, {}, 16), "gelu": (1, {}, 8), "gelu_grad": (2, {}, 16),
    "hardtanh_grad": (2, {"min_val": -0.5, "max_val": 0.75}, 0), "prelu": (3, {}, 0),
    "logsigmoid": (1, {}, 4), "logsigmoid_grad": (2, {}, 4), "selu": (1, {}, 4),
    "selu_grad": (2, {}, 8), "gelu_tanh": (1, {}, 8), "gelu_tanh_grad": (2, {}, 16),
    "abs_grad": (2, {}, 0), "square_grad": (2, {}, 0), "huber": (2, {"delta": 0.75}, 4),
    "huber_grad": (3, {"delta": 0.75}, 4), "logistic_loss": (2, {}, 8),
    "logistic_loss_grad": (3, {}, 16),
    "bernoulli_cross_entropy": (2, {}, 8), "bernoulli_cross_entropy_grad": (3, {}, 8),
}  # fmt: skip
SHAPES = [(), (1,), (17,), (3, 5, 7), (2, 3, 5, 7), (0, 4), (40, 1000)]
TYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def _everything_compiled(monkeypatch: pytest.MonkeyPatch) -> Any:
    global random
    random = np.random.default_rng(0)  # the same numbers in whatever order the tests run
    monkeypatch.setattr(mapping, "PARALLEL", 0)
    for module in (unary, elementwise, comparison, activations, losses):
        for kernel in vars(module).values():
            if isinstance(kernel, mapping.Mapped):
                monkeypatch.setattr(kernel, "small", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def drawn(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    x = np.asarray(random.standard_normal(shape) * 3).astype(dtype)
    if x.size > 6:
        for value in (0.0, -0.0, np.nan, np.inf, -np.inf):
            x.flat[int(random.integers(x.size))] = value
    return x


def kernel(name: str) -> Any:
    return REGISTRY[name].kernels.find("cpu")


@np.errstate(all="ignore")
def reference(name: str, *arrays: Any, **static: Any) -> Any:
    return np.asarray(REGISTRY[name].reference(np, *arrays, **static))


def agree(y: np.ndarray, expected: np.ndarray, units: float) -> None:
    assert y.dtype == expected.dtype and y.shape == expected.shape
    if y.dtype == bool or not units:
        np.testing.assert_array_equal(y, expected)
    else:
        limit = units * np.finfo(y.dtype).eps
        np.testing.assert_allclose(y, expected, rtol=limit, atol=limit)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", CALLS)
def test_results_are_the_references(name: str, dtype: Any) -> None:
    count, static, units = CALLS[name]
    for shape in SHAPES:
        arrays = [drawn(shape, dtype) for _ in range(count)]
        if len(shape) == 4:
            arrays = [a.transpose(0, 3, 1, 2) for a in arrays]
        result = kernel(name)(*arrays, **static)
        expected = reference(name, *arrays, **static)
        if name.endswith("_grad"):  # 1 - y * y cancels: what is left is exact to the operands' size
            units *= max(1.0, *[float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays])
        agree(result, expected, units)
        assert [s // result.itemsize for s in result.strides] == [
            s // arrays[0].itemsize for s in arrays[0].strides
        ]
        out = np.empty_like(result)
        assert kernel(name)(*arrays, **static, out=out) is out
        np.testing.assert_array_equal(out, result)
        for operand in arrays:
            if operand.dtype == result.dtype:
                given = [a.copy(order="K") if a is operand else a for a in arrays]
                place = next(a for a, b in zip(given, arrays, strict=True) if b is operand)
                assert kernel(name)(*given, **static, out=place) is place
                np.testing.assert_array_equal(place, result)


def layouts(dtype: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of operands that broadcast, of many orders and strides."""
    x = drawn((4, 6, 5, 8), dtype)
    turned = drawn((4, 5, 8, 6), dtype).transpose(0, 3, 1, 2)
    for other in (drawn((1, 6, 1, 1), dtype), drawn((8,), dtype), drawn((5, 1), dtype), turned):
        yield from product([x], [other])
        yield from product([turned], [other])
    yield x[:, ::2], turned[:, 1::2]
    yield x[..., ::-1], drawn((), dtype)
    yield x[0, 0].T, x[0, 1].T.copy()
    yield drawn((7, 1), dtype), drawn((1, 9), dtype)
    yield np.broadcast_to(drawn((3, 1), dtype), (3, 2000)), drawn((2000,), dtype)
    yield x.transpose(3, 1, 0, 2), drawn((8, 1, 4, 1), dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["sub", "gt", "leaky_relu_grad", "maximum"])
def test_operands_of_all_orders_broadcast(name: str, dtype: Any) -> None:
    _, static, _ = CALLS[name]
    for number in (1, 4):
        threads.set_num_threads(number)
        for a, b in layouts(dtype):
            for x, y in ((a, b), (b, a)):
                expected = reference(name, x, y, **static)
                result = kernel(name)(x, y, **static)
                agree(result, expected, 0)
                out = np.zeros(expected.shape[::-1], result.dtype).T
                if kernel(name)(x, y, **static, out=out) is not NotImplemented:
                    agree(out, expected, 0)


@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_take_the_place_of_arrays(dtype: Any) -> None:
    x = drawn((3, 700), dtype)
    for number in (0, -0.0, 1.5, -np.inf, np.nan, True, 3, 1e300):
        for name in ("add", "sub", "mul", "true_divide", "maximum", "lt", "ne"):
            with np.errstate(all="ignore"):
                for operands in ((x, number), (number, x)):
                    expected = reference(name, *operands)
                    agree(kernel(name)(*operands), expected, 0)
        for alpha in (2, -0.5):
            given = kernel("add")(x, number, alpha=alpha)
            agree(given, reference("add", x, number, alpha=alpha), 2)
    for exponent in (2, 0.5, -1, 3, 2.5, 0, -2):
        expected = reference("pow", x, exponent)
        agree(kernel("pow")(x, exponent), expected, 2)


@pytest.mark.parametrize("dtype", TYPES)
@np.errstate(all="ignore")
def test_powers_of_all_kinds_of_numbers(dtype: Any) -> None:
    sizes = [0.0, 1, 0.5, 2, 3, 2.5, 1e-30, 1e30, np.inf, np.nan, 1e-45, 100, 16777217, 0.9999999]
    numbers = np.array([s * n for n in sizes for s in (1, -1)], dtype)
    result = kernel("pow")(numbers[:, None], numbers)
    exact = np.power(numbers[:, None].astype(np.float64), numbers.astype(np.float64))
    agree(result, exact.astype(dtype), 1)
    known = ~np.isnan(result)
    np.testing.assert_array_equal(np.signbit(result)[known], np.signbit(exact)[known])
    x, y = np.exp(drawn((5000,), dtype) * 3), drawn((5000,), dtype)
    exact = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    np.testing.assert_allclose(kernel("pow")(x, y), exact, rtol=np.finfo(dtype).eps, atol=1e-44)


def test_the_sign_of_zero_is_that_of_the_reference() -> None:
    x = np.array([0.0, -0.0, 1, -1], np.float32)
    for operands in ((x, 0.0), (x, -0.0)):
        for name in ("add", "mul"):
            result, expected = kernel(name)(*operands), reference(name, *operands)
            np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", [None, 0, -0.0, 1.5, -np.inf, np.nan, 1e300, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_where_and_masked_fill_are_the_references(
    shape: tuple[int, ...], number: Any, dtype: Any
) -> None:
    mask = np.asarray(random.random(shape) < 0.5)
    x, other = (drawn(shape, dtype) for _ in range(2))
    if len(shape) == 4:
        mask, x, other = (a.transpose(0, 3, 1, 2) for a in (mask, x, other))
    if number is None:
        calls = [("where", (mask, x, other)), ("masked_fill", (x, mask, other))]
    else:
        calls = [("where", (mask, x, number)), ("where", (mask, number, x))]
        calls += [("masked_fill", (x, mask, number))]
    for name, arguments in calls:
        expected = reference(name, *arguments)
        result = kernel(name)(*arguments)
        agree(result, expected, 0)
        np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))
        out = np.empty_like(result)
        assert kernel(name)(*arguments, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_a_mask_broadcasts_and_becomes_numbers() -> None:
    x = drawn((6, 50), np.float32)
    for mask in (x[:, :1] > 0, x[0] > 0, x.T.copy().T > 0):
        agree(kernel("where")(mask, x, 0.0), reference("where", mask, x, 0.0), 0)
        out = np.empty(mask.shape)
        assert kernel("cast")(mask, dtype=np.dtype(float), out=out) is out
        np.testing.assert_array_equal(out, mask)


def test_other_types_are_left_to_the_reference() -> None:
    x = random.standard_normal((4, 6)).astype(np.float32)
    for name, operands in [
        ("add", (x, x.astype(np.float64))),
        ("add", (x.astype(np.int32), 1)),
        ("add", (x, np.zeros((4, 5), np.float32))),
        ("exp", (x.astype(np.float16),)),
        ("where", (x > 0, x.astype(np.int32), 0)),
        ("where", (x, x, x)),
        ("where", (x > 0, 1.0, 2.0)),
    ]:
        assert kernel(name)(*operands) is NotImplemented
    deep = np.zeros((2, 3) * 5, np.float32)[:, ::2, :, ::2, :, ::2, :, ::2]
    assert kernel("add")(deep, deep) is NotImplemented
    assert kernel("neg")(x, out=np.zeros((4, 6))) is NotImplemented
    assert kernel("neg")(x, out=np.zeros((6, 4), np.float32)) is NotImplemented


def test_images_of_two_orders_come_out_channels_last() -> None:
    x = drawn((2, 3, 4, 5), np.float32)
    y = drawn((2, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    for operands in ((x, y), (y, x)):
        assert kernel("add")(*operands).transpose(0, 2, 3, 1).flags.c_contiguous
    mask = random.random((2, 3, 4, 5)) < 0.5
    assert kernel("where")(mask, y, 0.0).transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("name", ["leaky_relu", "tanh", "add"])
def test_the_bits_do_not_depend_on_the_number_of_threads(name: str) -> None:
    count, static, _ = CALLS[name]
    arrays = [drawn((100_001,), np.float32) for _ in range(count)]
    results = []
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        results.append(kernel(name)(*arrays, **static))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("name", ["and", "or", "xor", "not"])
def test_logic_of_booleans(name: str) -> None:
    for shape in SHAPES:
        arrays = [np.asarray(random.random(shape) < 0.5) for _ in range(1 + (name != "not"))]
        turned = [a.T for a in arrays]
        for op, operands in product(("logical_", "bitwise_"), (arrays, turned)):
            result = kernel(op + name)(*operands)
            agree(result, reference(op + name, *operands), 0)
            out = np.empty_like(result)
            assert kernel(op + name)(*operands, out=out) is out
            np.testing.assert_array_equal(out, result)
    mask, x = arrays[0], drawn(arrays[0].shape, np.float32)
    if name != "not":
        for a, b in ((mask, mask[:1]), (x, 0.0), (mask, True)):
            agree(kernel(f"logical_{name}")(a, b), reference(f"logical_{name}", a, b), 0)
        assert kernel(f"logical_{name}")(mask, x) is NotImplemented
    assert kernel(f"bitwise_{name}")(*[mask.astype(np.int64)] * len(arrays)) is NotImplemented
    assert kernel(f"bitwise_{name}")(*[x] * len(arrays)) is NotImplemented
    assert kernel("add")(mask, mask) is NotImplemented


@pytest.mark.parametrize("dtype", TYPES)
def test_division_of_every_sign_and_size(dtype: Any) -> None:
    numbers = [0.0, 1, 2.5, 3, 0.1, 7, 1e-30, 1e30, np.inf, np.nan, 1e-44]
    x, y = (np.array([s * n for n in numbers for s in (1, -1)], dtype) for _ in range(2))
    for name in ("remainder", "floor_divide"):
        agree(kernel(name)(x[:, None], y), reference(name, x[:, None], y), 0)


@pytest.mark.parametrize("dtype", TYPES)
def test_halves_are_rounded_to_the_even_neighbour(dtype: Any) -> None:
    x = np.arange(-4.5, 5, 0.5).astype(dtype)
    for name, static in (("round", {"decimals": 0}), ("floor", {}), ("ceil", {}), ("trunc", {})):
        agree(kernel(name)(x, **static), reference(name, x, **static), 0)
    assert kernel("round")(x, decimals=1) is NotImplemented


@pytest.mark.parametrize("name", CALLS)
def test_every_kernel_can_be_played_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the arrays: those are not left to NumPy while launches are recorded."""
    monkeypatch.undo()
    count, static, _ = CALLS[name]
    arrays = [drawn((3, 5), np.float32) for _ in range(count)]
    out = np.empty_like(reference(name, *arrays, **static))
    tape = Tape()
    assert tape.record(lambda: kernel(name)(*arrays, **static, out=out))
    for array in arrays:
        array[...] = drawn((3, 5), np.float32)
    tape.play(START, tape.end)
    agree(out, reference(name, *arrays, **static), CALLS[name][2])


def test_in_place() -> None:
    x = drawn((50_000,), np.float32)
    expected = reference("leaky_relu", x, negative_slope=0.25)
    assert kernel("leaky_relu")(x, negative_slope=0.25, out=x) is x
    agree(x, expected, 0)
