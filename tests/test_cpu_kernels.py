"""The compiled convolutions against their NumPy references."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.backend.cpu import convolution, threads
from tinygan.backend.cpu.epilogue import FUNCTIONS
from tinygan.backend.cpu.tape import START, Tape
from tinygan.ops import conv_trio

random = np.random.default_rng(0)

CASES = [  # n, c, height, width, o, kernel, stride, padding, dilation
    (2, 64, 8, 8, 128, 4, 2, 1, 1),
    (2, 1, 28, 28, 64, 4, 2, 1, 1),
    (1, 3, 7, 7, 5, 3, 1, 1, 1),
    (3, 5, 9, 11, 17, 3, 2, 1, 1),
    (2, 33, 6, 5, 47, 5, 3, 2, 1),
    (2, 16, 6, 6, 1, 3, 1, 1, 1),
    (2, 32, 6, 6, 3, 3, 1, 1, 1),
    (2, 2, 11, 13, 20, 3, 2, 0, 2),
    (1, 1, 1, 1, 4, 1, 1, 0, 1),
    (2, 7, 5, 5, 100, 1, 1, 0, 1),
    (2, 48, 7, 7, 96, 4, 2, 1, 1),
    (5, 64, 4, 4, 3, 4, 2, 1, 1),
    (2, 3, 8, 8, 4, 3, 1, 4, 1),
    (2, 64, 7, 7, 1, 7, 1, 0, 1),
    (65, 4, 2, 2, 8, 2, 2, 0, 1),
    (3, 20, 4, 4, 30, 4, 1, 0, 1),
    (3, 20, 6, 5, 2, 3, 1, 2, 1),
    (3, 20, 6, 5, 2, 3, 1, 3, 1),
    (2, 100, 1, 1, 70, 4, 1, 3, 1),
    (9, 70, 4, 4, 1, 4, 1, 0, 1),
    (1, 20, 1, 300, 20, 3, 1, 1, 1),
    (2, 3, 2, 290, 20, 4, 2, 1, 1),
    (3, 24, 6, 6, 5, 2, 3, 0, 1),
    (2, 12, 7, 6, 18, 3, 2, 1, 1, 3),
    (2, 64, 6, 6, 96, 3, 1, 1, 1, 2),
    (2, 70, 12, 14, 70, 5, 1, 2, 1, 70),
    (3, 67, 9, 21, 67, 3, 2, 1, 1, 67),
    (2, 130, 5, 23, 130, 3, 1, 1, 1, 130),
    (1, 64, 3, 3, 64, 3, 1, 4, 3, 64),
    (2, 64, 2, 3, 64, 3, 4, 2, 1, 64),
    (2, 100, 7, 9, 100, 3, 1, 1, 1, 100),
    (2, 18, 9, 8, 18, 4, 2, 1, 2, 18),
    (2, 5, 8, 8, 15, 3, 1, 1, 1, 5),
]


def doubles(arguments: Any) -> Any:
    """The same numbers as float64, in the same order in memory."""
    return tuple(a.astype(np.float64, order="K") for a in arguments)


@pytest.fixture(autouse=True)
def _everything_by_several_threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(convolution, "PARALLEL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def images(n: int, c: int, h: int, w: int) -> np.ndarray:
    """(N, C, H, W) over N H W C memory."""
    return random.standard_normal((n, h, w, c), np.float32).transpose(0, 3, 1, 2)


def problem(
    n: int, c: int, h: int, w: int, o: int, k: int, s: int, p: int, d: int, groups: int = 1
) -> Any:
    """Arguments of the three ops, by name."""
    static = {"stride": (s, s), "padding": ((p, p), (p, p)), "dilation": (d, d), "groups": groups}
    x = images(n, c, h, w)
    weight = random.standard_normal((o, c // groups, k, k), np.float32)
    size = [(m + 2 * p - d * (k - 1) - 1) // s + 1 for m in (h, w)]
    g = images(n, o, *size)
    return {
        "conv2d": ((x, weight, random.standard_normal(o, np.float32)), static),
        "conv2d_input_grad": (
            (g, weight, random.standard_normal(c, np.float32)),
            {**static, "size": (h, w)},
        ),
        "conv2d_weight_grad": ((x, g), {**static, "kernel": (k, k)}),
    }


def agree(name: str, arguments: Any, static: Any) -> None:
    """The kernel's result is the reference's, N H W C in memory if it is images."""
    result = getattr(convolution, name)(*arguments, **static)
    expected = getattr(conv_trio, f"_{name}").reference(np, *arguments, **static)
    assert result.shape == expected.shape and result.dtype == arguments[0].dtype
    scale = np.abs(expected).max(initial=1e-3)
    bound = 5e-6 if result.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(result / scale, expected / scale, atol=bound, rtol=0)
    memory = result if name == "conv2d_weight_grad" else result.transpose(0, 2, 3, 1)
    assert memory.flags.c_contiguous


@pytest.mark.parametrize("case", CASES)
def test_results_are_the_references(case: Any) -> None:
    for name, (arguments, static) in problem(*case).items():
        agree(name, arguments, static)
        agree(name, doubles(arguments), static)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 20),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 40),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(*[st.integers(-1, 3)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from([1, 1, 2, 3]),
    st.sampled_from([np.float32, np.float64]),
)
def test_any_geometry(
    n: int, c: int, h: int, w: int, o: int, kernel: Any, stride: Any, pads: Any, dilation: Any,
    groups: int, kind: Any,
) -> None:  # fmt: skip
    c, o = c * groups, o * groups
    padding = (pads[:2], pads[2:])
    size = [
        (m + sum(p) - d * (k - 1) - 1) // s + 1
        for m, k, s, p, d in zip((h, w), kernel, stride, padding, dilation, strict=True)
    ]
    if min(size) < 1:
        return
    static = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, g = images(n, c, h, w).astype(kind), images(n, o, *size).astype(kind)
    weight = random.standard_normal((o, c // groups, *kernel)).astype(kind)
    agree("conv2d", (x, weight), static)
    agree("conv2d_input_grad", (g, weight), {**static, "size": (h, w)})
    agree("conv2d_weight_grad", (x, g), {**static, "kernel": kernel})


@pytest.mark.parametrize("c", [3, 24])
def test_any_layout_of_the_inputs(c: int) -> None:
    for name, (arguments, static) in problem(2, c, 8, 8, 32, 4, 2, 1, 1).items():
        first, second = arguments[:2]
        n, channels, h, w = first.shape
        wide = images(2 * n, channels + 3, h + 1, 2 * w)
        wide[::2, 1 : channels + 1, 1:, ::2] = first
        flipped = first[:, :, ::-1].copy(order="K")[:, :, ::-1]
        for x in (np.ascontiguousarray(first), wide[::2, 1 : channels + 1, 1:, ::2], flipped):
            agree(name, (x, second), static)
            agree(name, (x, second.copy(order="F")), static)
        constant = np.broadcast_to(np.float32(0.5), first.shape)
        agree(name, (constant, second), static)


def test_results_go_where_out_says() -> None:
    for name, (arguments, static) in problem(2, 24, 8, 8, 32, 4, 2, 1, 1).items():
        kernel = getattr(convolution, name)
        expected = kernel(*arguments, **static)
        strided = np.zeros((*expected.shape[:3], 2 * expected.shape[3]), np.float32)[..., ::2]
        for out in (np.zeros_like(expected), np.zeros(expected.shape, np.float32), strided):
            assert kernel(*arguments, **static, out=out) is out
            np.testing.assert_array_equal(out, expected)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    for case in (
        (9, 64, 8, 8, 80, 4, 2, 1, 1),
        (16, 1, 28, 28, 64, 4, 2, 1, 1),
        (16, 32, 9, 9, 32, 3, 1, 1, 1, 32),
    ):
        for name, (arguments, static) in problem(*case).items():
            results = []
            for number in (1, 2, 3, 4):
                threads.set_num_threads(number)
                results.append(getattr(convolution, name)(*arguments, **static))
            for result in results[1:]:
                np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("c", [1, 20])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_out(c: int, value: float) -> None:
    for name, (arguments, static) in problem(2, c, 8, 8, 24, 4, 2, 1, 1).items():
        arguments[0][1, 0, 2, 3] = value
        result = getattr(convolution, name)(*arguments, **static)
        with np.errstate(invalid="ignore"):
            expected = getattr(conv_trio, f"_{name}").reference(np, *arguments, **static)
        assert not np.isfinite(expected).all()
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        np.testing.assert_array_equal(np.isposinf(result), np.isposinf(expected))
        np.testing.assert_array_equal(np.isneginf(result), np.isneginf(expected))


def test_what_a_kernel_does_not_do_is_left_to_the_reference() -> None:
    (x, w, bias), static = problem(2, 4, 8, 8, 24, 4, 2, 1, 1)["conv2d"]
    assert convolution.conv2d(x.astype(np.float64), w, bias, **static) is NotImplemented
    assert convolution.conv2d(*doubles((x, w, bias)), **static) is not NotImplemented
    whole = tuple(a.astype(np.int32) for a in (x, w, bias))
    assert convolution.conv2d(*whole, **static) is NotImplemented
    out = np.empty((2, 24, 4, 4))
    assert convolution.conv2d(x, w, bias, **static, out=out) is NotImplemented
    assert convolution.conv2d(x[:0], w, bias, **static) is NotImplemented


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    "activation",
    [("relu", 0.0), ("leaky_relu", 0.2), ("leaky_relu", 3.0), ("tanh", 0.0), ("sigmoid", 0.0)],
)
def test_an_activation_may_follow(activation: Any, kind: Any) -> None:
    name, slope = activation
    for case in (CASES[0], CASES[5], CASES[6], (2, 300, 6, 6, 70, 4, 2, 1, 1), CASES[-3]):
        given = problem(*case)
        for op in ("conv2d", "conv2d_input_grad"):
            arguments, static = given[op]
            x, w, bias = (a.astype(kind, order="K") for a in arguments)
            bias[0] = -np.inf
            kernel = getattr(convolution, op)
            plain = kernel(x, w, bias, **static)
            if name in FUNCTIONS:
                expected = FUNCTIONS[name](plain)
            else:
                negative = 0 if name == "relu" else plain * kind(slope)
                expected = np.where(plain < 0, negative, plain)
            result = kernel(x, w, bias, **static, activation=activation)
            np.testing.assert_array_equal(result, expected)
            assert kernel(x, w, bias, **static, activation=("gelu", 0.0)) is NotImplemented


@pytest.mark.parametrize("case", [CASES[0], CASES[1], (2, 24, 5, 5, 24, 3, 1, 1, 1, 24)])
def test_what_was_recorded_follows_its_inputs(case: Any) -> None:
    """No value is read while launches are noted: they come later, and again."""
    for name, (arguments, static) in problem(*case).items():
        kernel = getattr(convolution, name)
        assert kernel.launches
        expected = [kernel(*arguments, **static)]
        given = [np.zeros_like(a) for a in arguments]
        out = np.full_like(expected[0], np.nan)
        tape = Tape()
        with tape:
            assert kernel(*given, **static, out=out) is out
        assert np.isnan(out).all()
        for factor in (1, 2):
            for a, b in zip(given, arguments, strict=True):
                a[...] = b * np.float32(factor)
            tape.play(START, tape.end)
            again = kernel(*given, **static)
            np.testing.assert_array_equal(out, again)
        assert not np.array_equal(out, expected[0])


def test_threads_that_call_at_the_same_time_do_not_disturb_each_other() -> None:
    threads.set_num_threads(3)
    (x, w, bias), static = problem(8, 32, 8, 8, 48, 4, 2, 1, 1)["conv2d"]
    expected = convolution.conv2d(x, w, bias, **static)
    wrong = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(convolution.conv2d(x, w, bias, **static), expected):
                wrong.append(1)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong
