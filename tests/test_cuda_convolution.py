"""The convolution trio by CUDA kernels, against the references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moved import DEVICE, ON_GPU, needs_kernels

import tinygan
from tinygan.backend.cuda import convolution, geometry, precision, product
from tinygan.ops import conv_trio

random = np.random.default_rng(0)
KINDS = [np.float32, np.float64]
# Relative to the largest result. The sums of tensor cores are cut off, not rounded: Fasi et al.,
# "Numerical behavior of NVIDIA tensor cores", 2021.
EXACT = 5e-6
CUT_OFF = 2e-5 if ON_GPU else EXACT

pytestmark = needs_kernels

CASES = [  # n, c, height, width, o, kernel, stride, padding, dilation, groups
    (2, 1, 14, 14, 16, 4, 2, 1, 1, 1),
    (2, 16, 7, 7, 1, 4, 2, 1, 1, 1),
    (3, 5, 9, 11, 17, 3, 2, 1, 1, 1),
    (2, 12, 6, 5, 8, 5, 3, 2, 1, 1),
    (2, 3, 8, 8, 4, 3, 1, 4, 1, 1),
    (2, 2, 11, 13, 20, 3, 2, 0, 2, 1),
    (2, 4, 9, 9, 8, 3, 4, 1, 2, 1),
    (2, 7, 5, 5, 100, 1, 1, 0, 1, 1),
    (9, 20, 4, 4, 1, 4, 1, 0, 1, 1),
    (70, 20, 1, 1, 9, 4, 1, 3, 1, 1),
    (65, 4, 2, 2, 8, 2, 2, 0, 1, 1),
    (3, 24, 6, 6, 5, 2, 3, 0, 1, 1),
    (1, 4, 1, 100, 20, 3, 1, 1, 1, 1),
    (1, 1, 1, 1, 4, 1, 1, 0, 1, 1),
    (2, 12, 7, 6, 18, 3, 2, 1, 1, 3),
    (2, 64, 4, 4, 32, 3, 1, 1, 1, 2),
    (2, 40, 7, 9, 40, 3, 1, 1, 1, 40),
    (2, 18, 9, 8, 18, 4, 2, 1, 2, 18),
    (2, 5, 8, 8, 15, 3, 2, 1, 1, 5),
    (2, 20, 7, 6, 40, 3, 3, 1, 2, 10),
]


def images(kind: Any, n: int, c: int, h: int, w: int) -> np.ndarray:
    """(N, C, H, W) over N H W C memory."""
    return random.standard_normal((n, h, w, c)).astype(kind).transpose(0, 3, 1, 2)


def trio(
    kind: Any,
    shape: tuple[int, int, int, int],
    o: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """Arguments of the three ops, by name; None where the result would be empty."""
    n, c, *size = shape
    count = [
        (m + sum(p) - d * (k - 1) - 1) // s + 1
        for m, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    if min(count) < 1:
        return None
    static = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, g = images(kind, *shape), images(kind, n, o, count[0], count[1])
    w = random.standard_normal((o, c // groups, *kernel)).astype(kind)
    biases = [random.standard_normal(m).astype(kind) for m in (o, c)]
    return {
        "conv2d": ((x, w, biases[0]), static),
        "conv2d_input_grad": ((g, w, biases[1]), {**static, "size": tuple(size)}),
        "conv2d_weight_grad": ((x, g), {**static, "kernel": tuple(kernel)}),
    }


def problem(kind: Any, case: Any) -> Any:
    n, c, h, w, o, k, s, p, d, groups = case
    return trio(kind, (n, c, h, w), o, (k, k), (s, s), ((p, p), (p, p)), (d, d), groups)


def computed(name: str, arguments: Any, static: Any, **more: Any) -> Any:
    return getattr(convolution, name)(*map(DEVICE.from_host, arguments), **static, **more)


def agree(name: str, arguments: Any, static: Any, result: Any = None, bound: float = EXACT) -> None:
    """The kernel's result is the reference's, N H W C in memory if it is images."""
    if result is None:
        result = computed(name, arguments, static)
        memory = result if name == "conv2d_weight_grad" else result.transpose(0, 2, 3, 1)
        assert memory.flags.c_contiguous
    result = DEVICE.to_host(result)
    expected = getattr(conv_trio, f"_{name}").reference(np, *arguments, **static)
    assert result.shape == expected.shape and result.dtype == arguments[0].dtype
    scale = np.abs(expected).max(initial=1e-3)
    bound = bound if result.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(result / scale, expected / scale, atol=bound, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_results_are_the_references(case: Any, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (arguments, static) in problem(kind, case).items():
        agree(name, arguments, static)
    monkeypatch.setattr(convolution, "SMALL", 0)  # weights are laid out
    for name, (arguments, static) in problem(kind, case).items():
        agree(name, arguments, static)


@pytest.fixture(params=[(tile, parts) for tile in range(len(product.TILES)) for parts in (1, 3)])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every tile that there is, the depth whole and in parts, whatever the shape."""
    tile, parts = request.param

    def tiling(*sizes: int) -> tuple[int, int]:
        small = sizes[4] == 8 or sizes[5] == product.TF32X3
        return max(tile, product.LARGEST + small), parts

    monkeypatch.setattr(geometry, "tiling", tiling)
    geometry.plan.cache_clear()
    yield
    geometry.plan.cache_clear()


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[3], CASES[6], CASES[9], CASES[15]])
def test_results_are_the_references_in_every_tile(case: Any, kind: Any) -> None:
    for name, (arguments, static) in problem(kind, case).items():
        agree(name, arguments, static)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[3], CASES[6], CASES[9], CASES[15]])
def test_factors_are_rounded_for_tensor_cores(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (arguments, static) in problem(np.float32, case).items():
        with monkeypatch.context() as patch:
            patch.setattr(precision, "_allowed", "x3")
            agree(name, arguments, static, None, CUT_OFF)
            patch.setattr(precision, "_allowed", True)
            result = computed(name, arguments, static)
        for a in arguments[:2]:
            a[...] = ((a.copy().view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)
        agree(name, arguments, static, result, CUT_OFF)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", [CASES[0], CASES[3], CASES[9], CASES[14], CASES[16], CASES[19]])
def test_factors_are_rounded_to_halves(case: Any, half: str) -> None:
    for name, (arguments, static) in problem(np.float32, case).items():
        agree(name, arguments, {**static, "precision": half}, None, CUT_OFF)


@pytest.mark.parametrize(
    "case", [(3, 40, 9, 8, 40, 3, 2, 1, 1, 40), (2, 16, 7, 7, 32, 3, 1, 1, 2, 8)]
)
def test_narrow_groups_may_be_in_parts(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "LEAST_PIXELS", 8)
    geometry.plan.cache_clear()
    name = "conv2d_weight_grad"
    for kind in KINDS:
        arguments, static = problem(kind, case)[name]
        agree(name, arguments, static)
        agree(name, arguments, static)
    geometry.plan.cache_clear()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 10),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(*[st.tuples(st.integers(-1, 3), st.integers(-1, 3))] * 2),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([1, 1, 2, 3, 8]),
    st.sampled_from(KINDS),
)
def test_any_geometry(
    shape: Any, o: int, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int,
    kind: Any,
) -> None:  # fmt: skip
    n, c, h, w = shape
    shape = (n, c * groups, h, w)
    given_ = trio(kind, shape, o * groups, kernel, stride, padding, dilation, groups)
    for name, (arguments, static) in (given_ or {}).items():
        agree(name, arguments, static)


@pytest.mark.parametrize("c", [3, 8])
def test_any_layout_of_the_inputs_and_of_the_result(c: int) -> None:
    for name, (arguments, static) in problem(np.float32, (2, c, 8, 8, 12, 4, 2, 1, 1, 1)).items():
        expected = DEVICE.to_host(computed(name, arguments, static))
        first, second, *rest = map(DEVICE.from_host, arguments)
        n, channels, h, w = first.shape
        wide = DEVICE.from_host(images(np.float32, 2 * n, channels + 3, h + 1, 2 * w))
        inside = wide[::2, 1 : channels + 1, 1:, ::2]
        inside[...] = first
        backwards = DEVICE.from_host(arguments[0][:, :, ::-1].copy(order="K"))[:, :, ::-1]
        plain = DEVICE.from_host(np.ascontiguousarray(arguments[0]))
        other = DEVICE.from_host(np.ascontiguousarray(arguments[1].transpose(3, 2, 1, 0)))
        for x in (inside, backwards, plain):
            for y in (second, other.transpose(3, 2, 1, 0)):
                result = getattr(convolution, name)(x, y, *rest, **static)
                np.testing.assert_array_equal(DEVICE.to_host(result), expected)
        gaps = DEVICE.from_host(np.full((*expected.shape[:3], 2 * expected.shape[3]), np.nan, "f4"))
        for out in (DEVICE.from_host(np.full_like(expected, np.nan)), gaps[..., 1::2]):
            assert computed(name, arguments, static, out=out) is out
            np.testing.assert_array_equal(DEVICE.to_host(out), expected)
        assert np.isnan(DEVICE.to_host(gaps)[..., ::2]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[8], CASES[16]])
@pytest.mark.parametrize(
    "activation",
    [("relu", 0.0), ("leaky_relu", 0.2), ("leaky_relu", 3.0), ("tanh", 0.0), ("sigmoid", 0.0)],
)
def test_an_activation_may_follow(activation: Any, case: Any, kind: Any) -> None:
    name, slope = activation
    for op in ("conv2d", "conv2d_input_grad"):
        (x, w, bias), static = problem(kind, case)[op]
        bias[0] = -np.inf
        plain = DEVICE.to_host(computed(op, (x, w, bias), static))
        result = DEVICE.to_host(computed(op, (x, w, bias), static, activation=activation))
        if name in ("tanh", "sigmoid"):
            expected = np.tanh(plain) if name == "tanh" else 1 / (1 + np.exp(-plain))
            np.testing.assert_allclose(result, expected, rtol=5e-6)
        else:
            negative = 0 if name == "relu" else plain * kind(slope)
            np.testing.assert_array_equal(result, np.where(plain > 0, plain, negative))
        other = computed(op, (x, w, bias), static, activation=("gelu", 0.0))
        assert other is NotImplemented


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("case", [CASES[2], CASES[9], CASES[16]])
def test_nan_and_infinity_go_where_they_go(case: Any, value: float) -> None:
    for name, (arguments, static) in problem(np.float32, case).items():
        arguments[0][0, 0, 0, 0] = value
        with np.errstate(invalid="ignore"):
            expected = getattr(conv_trio, f"_{name}").reference(np, *arguments, **static)
        result = DEVICE.to_host(computed(name, arguments, static))
        numbers = np.isfinite(result)  # zeros of the padding, too, may have been multiplied
        both = numbers & np.isfinite(expected)
        assert not numbers.all()
        np.testing.assert_allclose(result[both], expected[both], atol=1e-4)
        if name == "conv2d":
            np.testing.assert_array_equal(numbers, np.isfinite(expected))


def test_what_is_not_covered_is_left_to_the_reference() -> None:
    (x, w, bias), static = problem(np.float32, CASES[2])["conv2d"]
    given_ = [a.astype(np.int32) for a in (x, w, bias)]
    assert computed("conv2d", given_, static) is NotImplemented
    assert computed("conv2d", (x[:0], w, bias), static) is NotImplemented
    assert computed("conv2d", (x, w.astype(np.float64), bias), static) is NotImplemented
    out = DEVICE.from_host(np.empty((1, 2, 3, 4), np.float32))
    assert computed("conv2d", (x, w, bias), static, out=out) is NotImplemented


def test_layers_compute_by_it() -> None:
    layer = tinygan.nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1)
    x = tinygan.randn(2, 3, 5, 5)
    expected = layer(x).detach().numpy()
    y = layer.to("cuda")(x.to("cuda"))
    np.testing.assert_allclose(y.detach().cpu().numpy(), expected, atol=1e-5)
