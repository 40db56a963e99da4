"""Convolutions by squares of 2 x 2 results are those of the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from tinygan.backend.cpu import (
    convolution,
    threads,
    unary,
    winograd,
    winograd_plans,
    winograd_weights,
)
from tinygan.backend.cpu.tape import START, Tape
from tinygan.ops import conv_trio

random = np.random.default_rng(0)

CASES: list[Any] = [  # images, in channels, pixels, out channels, padding
    (5, 64, 16, 16, 64, ((1, 1), (1, 1))),
    (3, 64, 9, 12, 128, ((1, 1), (1, 1))),
    (2, 128, 19, 11, 64, ((0, 3), (2, 4))),
    (2, 64, 30, 20, 192, ((-1, 1), (0, -2))),
    (7, 64, 4, 4, 64, ((1, 1), (1, 1))),
    (4, 64, 14, 14, 128, ((1, 1), (1, 1))),
    (2, 64, 23, 4, 64, ((2, 2), (1, 1))),
    (60, 256, 4, 4, 320, ((1, 1), (1, 1))),  # in two stages
]


@pytest.fixture(autouse=True)
def _all_by_squares(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(winograd_plans, "ENOUGH_PIXELS", 0)
    monkeypatch.setattr(convolution, "FILLED", 0.5)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of the ops were computed by squares."""
    names: list[str] = []
    for module, name in ((winograd, "results"), (winograd_weights, "gradient")):
        function = getattr(module, name)

        def noted(*arguments: Any, function: Any = function, name: str = name) -> Any:
            names.append(name)
            return function(*arguments)

        monkeypatch.setattr(module, name, noted)
    return names


def images(n: int, c: int, h: int, w: int) -> np.ndarray:
    return random.standard_normal((n, h, w, c), np.float32).transpose(0, 3, 1, 2)


def problem(n: int, c: int, h: int, w: int, o: int, padding: Any) -> dict[str, Any]:
    """Arguments of the three ops, by name."""
    static = {"stride": (2, 2), "padding": padding, "dilation": (1, 1), "groups": 1}
    size = [(m + sum(p) - 4) // 2 + 1 for m, p in zip((h, w), padding, strict=True)]
    x, g = images(n, c, h, w), images(n, o, *size)
    weight = random.standard_normal((o, c, 4, 4), np.float32)
    shift, back = (random.standard_normal(count, np.float32) for count in (o, c))
    return {
        "conv2d": ((x, weight, shift), static),
        "conv2d_input_grad": ((g, weight, back), {**static, "size": (h, w)}),
        "conv2d_weight_grad": ((x, g), {**static, "kernel": (4, 4)}),
    }


def reference(name: str, arguments: Any, static: Any) -> Any:
    wide = [a.astype(np.float64, order="K") for a in arguments]
    with np.errstate(invalid="ignore"):
        return getattr(conv_trio, f"_{name}").reference(np, *wide, **static)


@pytest.mark.parametrize("case", CASES)
def test_results_are_the_references(case: Any, computed: list[str]) -> None:
    for name, (arguments, static) in problem(*case).items():
        result = getattr(convolution, name)(*arguments, **static)
        expected = reference(name, arguments, static)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(result / scale, expected / scale, atol=5e-6, rtol=0)
    assert computed == ["results", "results", "gradient"]


def test_rounding_is_of_the_size_of_the_definitions() -> None:
    """The error is less than four times that of a product of matrices of float32."""
    for name, (arguments, static) in problem(8, 128, 16, 16, 128, ((1, 1), (1, 1))).items():
        expected = reference(name, arguments, static)
        result = getattr(convolution, name)(*arguments, **static)
        plain = getattr(conv_trio, f"_{name}").reference(np, *arguments, **static)
        error, usual = (np.sqrt(np.mean((y - expected) ** 2)) for y in (result, plain))
        assert error < 4 * usual


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 7e37])
@pytest.mark.parametrize("operand", [0, 1])
def test_what_is_not_finite_comes_out_where_it_does_by_definition(bad: float, operand: int) -> None:
    for name, (arguments, static) in problem(*CASES[1]).items():
        arguments[operand][1, 3, 2, 1] = bad
        result = getattr(convolution, name)(*arguments, **static)
        with np.errstate(invalid="ignore", over="ignore"):
            expected = reference(name, arguments, static).astype(np.float32)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        np.testing.assert_array_equal(np.isposinf(result), np.isposinf(expected))
        np.testing.assert_array_equal(np.isneginf(result), np.isneginf(expected))
        good = np.isfinite(expected)
        assert good.any()
        scale = np.abs(expected[good]).max()
        np.testing.assert_allclose(result[good] / scale, expected[good] / scale, atol=5e-6, rtol=0)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    for case in CASES[:4:3]:
        for name, (arguments, static) in problem(*case).items():
            results = []
            for number in (1, 2, 4):
                threads.set_num_threads(number)
                results.append(getattr(convolution, name)(*arguments, **static))
            for result in results[1:]:
                np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("activation", [("relu", 0.0), ("leaky_relu", 0.2), ("tanh", 0.0)])
def test_an_activation_may_follow(activation: Any) -> None:
    name, slope = activation
    given = problem(*CASES[1])
    for op in ("conv2d", "conv2d_input_grad"):
        (x, w, bias), static = given[op]
        bias[0] = -np.inf
        plain = getattr(convolution, op)(x, w, bias, **static)
        if name == "tanh":
            expected = unary.tanh(plain)
        else:
            negative = 0 if name == "relu" else plain * np.float32(slope)
            expected = np.where(plain < 0, negative, plain)
        result = getattr(convolution, op)(x, w, bias, **static, activation=activation)
        np.testing.assert_array_equal(result, expected)


def test_other_orders_of_memory() -> None:
    for name, (arguments, static) in problem(*CASES[1]).items():
        kernel = getattr(convolution, name)
        expected = kernel(*arguments, **static)
        turned = [np.ascontiguousarray(a) for a in arguments]
        spread = [np.repeat(a, 2, axis=0)[::2] for a in arguments[:2]] + list(arguments[2:])
        np.testing.assert_array_equal(kernel(*turned, **static), expected)
        np.testing.assert_array_equal(kernel(*spread, **static), expected)
        for out in (
            np.empty(expected.shape, np.float32),
            np.empty((*expected.shape[:3], 2 * expected.shape[3]), np.float32)[..., ::2],
        ):
            assert kernel(*arguments, **static, out=out) is out
            np.testing.assert_array_equal(out, expected)


def test_what_was_recorded_follows_its_inputs() -> None:
    """A step that was once computed again as defined is computed by squares the next time."""
    for case in (CASES[0], CASES[-1]):
        for name, (arguments, static) in problem(*case).items():
            kernel = getattr(convolution, name)
            given = [np.zeros_like(a) for a in arguments]
            out = np.full_like(kernel(*arguments, **static), np.nan)
            tape = Tape()
            with tape:
                assert kernel(*given, **static, out=out) is out
            assert np.isnan(out).all()
            for factor in (1, np.inf, 2):
                for a, b in zip(given, arguments, strict=True):
                    a[...] = b * np.float32(factor)
                tape.play(START, tape.end)
                np.testing.assert_array_equal(out, kernel(*given, **static))
            assert np.isfinite(out).all()


def test_what_says_that_results_are_good_lives_as_long_as_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is computed again because its word was given to somebody else."""
    given = problem(*CASES[0])
    expected = {
        name: getattr(convolution, name)(*a, **static) for name, (a, static) in given.items()
    }
    held: list[np.ndarray] = []
    aligned = convolution.aligned

    def crowded(*arguments: Any) -> Any:
        held.extend(np.full(1, 7) for _ in range(100))
        return aligned(*arguments)

    monkeypatch.setattr(convolution, "aligned", crowded)
    for name, (arguments, static) in given.items():
        result = getattr(convolution, name)(*arguments, **static)
        np.testing.assert_array_equal(result, expected[name])
    assert held
