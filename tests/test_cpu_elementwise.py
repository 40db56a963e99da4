"""The compiled elementwise ops against their NumPy references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import elementwise, threads
from tinygan.ops import activations, comparison

random = np.random.default_rng(0)

CALLS: dict[str, tuple[int, dict[str, float]]] = {
    "relu": (1, {}),
    "leaky_relu": (1, {"negative_slope": 0.2}),
    "leaky_relu_grad": (2, {"negative_slope": 0.2}),
}


@pytest.fixture(autouse=True)
def _everything_compiled(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(elementwise, "SMALL", 0)
    monkeypatch.setattr(elementwise, "PARALLEL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def reference(name: str, *arrays: Any, **static: Any) -> Any:
    op = activations.relu if name == "relu" else getattr(activations, f"_{name}")
    return op.reference(np, *arrays, **static)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", [(1,), (17,), (3, 5, 7), (2, 3, 5, 7), (0, 4), (40, 1000)])
def test_results_are_the_references(name: str, shape: tuple[int, ...]) -> None:
    count, static = CALLS[name]
    arrays = [random.standard_normal(shape, np.float32) for _ in range(count)]
    if len(shape) == 4:
        arrays = [a.transpose(0, 3, 1, 2) for a in arrays]
    for value in (0.0, np.nan, np.inf, -np.inf):
        if arrays[0].size > 4:
            arrays[-1].flat[int(random.integers(arrays[-1].size))] = value
    result = getattr(elementwise, name)(*arrays, **static)
    expected = reference(name, *arrays, **static)
    assert result.strides == expected.strides
    np.testing.assert_array_equal(result, expected)
    out = np.empty_like(result)
    assert getattr(elementwise, name)(*arrays, **static, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", CALLS)
def test_other_types_and_layouts_are_left_to_the_reference(name: str) -> None:
    count, static = CALLS[name]
    kernel = getattr(elementwise, name)
    arrays = [random.standard_normal((4, 6, 5)) for _ in range(count)]
    assert kernel(*arrays, **static) is NotImplemented
    arrays = [a.astype(np.float32)[:, ::2] for a in arrays]
    assert kernel(*arrays, **static) is NotImplemented
    if count == 2:
        assert kernel(*(np.zeros((n, 3), np.float32) for n in (1, 2)), **static) is NotImplemented


def test_images_of_two_orders_come_out_channels_last() -> None:
    g = random.standard_normal((2, 3, 4, 5), np.float32)
    sign = random.standard_normal((2, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    x = elementwise.leaky_relu_grad(g, sign, negative_slope=0.2)
    np.testing.assert_array_equal(x, reference("leaky_relu_grad", g, sign, negative_slope=0.2))
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("name", CALLS)
def test_the_bits_do_not_depend_on_the_number_of_threads(name: str) -> None:
    count, static = CALLS[name]
    arrays = [random.standard_normal(100_001, np.float32) for _ in range(count)]
    results = []
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        results.append(getattr(elementwise, name)(*arrays, **static))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("shape", [(1,), (17,), (3, 5, 7), (2, 3, 5, 7), (0, 4), (40, 1000)])
@pytest.mark.parametrize("number", [None, 0, -0.0, 1.5, -np.inf, np.nan, 1e300, True])
def test_where_and_masked_fill_are_the_references(shape: tuple[int, ...], number: Any) -> None:
    mask = random.random(shape) < 0.5
    x, other = (random.standard_normal(shape, np.float32) for _ in range(2))
    if len(shape) == 4:
        mask, x, other = (a.transpose(0, 3, 1, 2) for a in (mask, x, other))
    if number is None:
        calls = [("where", (mask, x, other)), ("masked_fill", (x, mask, other))]
    else:
        calls = [("where", (mask, x, number)), ("where", (mask, number, x))]
        calls += [("masked_fill", (x, mask, number))]
    for name, arguments in calls:
        with np.errstate(over="ignore"):  # 1e300 as float32
            expected = getattr(comparison, name).reference(np, *arguments)
        result = getattr(elementwise, name)(*arguments)
        assert result.dtype == np.float32 and result.strides == expected.strides
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))
        out = np.empty_like(result)
        assert getattr(elementwise, name)(*arguments, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_where_leaves_other_types_shapes_and_two_numbers_to_the_reference() -> None:
    x = random.standard_normal((4, 6), np.float32)
    for arguments in [
        (x > 0, x.astype(np.float64), x),
        (x > 0, x.astype(np.int32), 0),
        (x, x, x),
        (x > 0, 1.0, 2.0),
        (x[0] > 0, x, x),
        (x > 0, x[0], x),
        (x[:, ::2] > 0, x[:, ::2], 0.0),
    ]:
        assert elementwise.where(*arguments) is NotImplemented


def test_where_of_a_mask_in_another_order_comes_out_channels_last() -> None:
    mask = random.random((2, 3, 4, 5)) < 0.5
    x = random.standard_normal((2, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    y = elementwise.where(mask, x, 0.0)
    np.testing.assert_array_equal(y, np.where(mask, x, 0))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
