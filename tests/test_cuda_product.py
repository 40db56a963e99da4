"""Products of matrices by the CUDA kernel, against NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from moved import DEVICE, needs_kernels

import tinygan
from tinygan.backend.cuda import product
from tinygan.backend.rounding import rounded

random = np.random.default_rng(0)
KINDS = [np.float32, np.float64]
TOLERANCE = {np.float32: 3e-4, np.float64: 1e-11}
LEAST = np.finfo(np.float32).tiny  # what is below is 0 on a GPU

pytestmark = needs_kernels

SHAPES = [
    (1, 1, 1),
    (7, 3, 5),
    (64, 100, 60),
    (5, 1, 9),
    (3, 20, 100),
    (100, 37, 3),
    (130, 33, 70),
    (1, 700, 2),
    (33, 300, 65),
]
ACTIVATIONS: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    None: lambda y: y,
    ("relu", 0.0): lambda y: np.maximum(y, 0),
    ("leaky_relu", 0.2): lambda y: np.where(y > 0, y, y * y.dtype.type(0.2)),
    ("tanh", 0.0): np.tanh,
    ("sigmoid", 0.0): lambda y: 1 / (1 + np.exp(-y)),
}


def normal(kind: Any, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(kind)


def device(x: np.ndarray, layout: str = "rows") -> Any:
    """The matrix, or batch, on the device: by rows, by columns, with gaps, backwards, moved."""
    if layout == "columns":
        return DEVICE.from_host(np.ascontiguousarray(x.swapaxes(-1, -2))).swapaxes(-1, -2)
    if layout == "gaps":
        return DEVICE.from_host(np.repeat(x, 2, -1))[..., ::2]
    if layout == "backwards":
        return DEVICE.from_host(np.ascontiguousarray(x[..., ::-1, ::-1]))[..., ::-1, ::-1]
    if layout == "moved":
        wide = np.zeros((*x.shape[:-1], x.shape[-1] + 5), x.dtype)
        wide[..., 1 : x.shape[-1] + 1] = x
        return DEVICE.from_host(wide)[..., 1 : x.shape[-1] + 1]
    return DEVICE.from_host(x)


LAYOUTS = ["rows", "columns", "gaps", "backwards", "moved"]


def close(y: Any, expected: np.ndarray, kind: Any) -> None:
    assert y is not NotImplemented
    y = DEVICE.to_host(y)
    assert y.dtype == kind and y.shape == expected.shape
    np.testing.assert_allclose(y, expected, atol=TOLERANCE[kind])


@pytest.fixture(autouse=True)
def _no_plans() -> Any:
    """Those that tests changed are forgotten."""
    product._plan.cache_clear()
    yield
    product._plan.cache_clear()


@pytest.fixture(params=[(tile, parts) for tile in range(len(product.TILES)) for parts in (1, 2, 5)])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tile that there is, the depth whole and in parts, whatever the shape."""
    tile, parts = request.param

    def tiling(*sizes: int) -> tuple[int, int]:
        small = sizes[4] == 8 or sizes[5] == product.TF32X3
        return max(tile, product.LARGEST + small), parts

    monkeypatch.setattr(product, "tiling", tiling)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_numpys_in_every_tile(shape: tuple[int, int, int], kind: Any) -> None:
    m, k, n = shape
    x, w, bias = normal(kind, m, k), normal(kind, n, k), normal(kind, n)
    for left, right in (("rows", "columns"), ("columns", "rows"), ("moved", "gaps")):
        close(product.matmul(device(x, left), device(w.T, right)), x @ w.T, kind)
    plain = product.linear(device(x), device(w), device(bias))
    close(plain, x @ w.T + bias, kind)
    for activation, function in ACTIVATIONS.items():
        y = product.linear(device(x), device(w), device(bias), activation=activation)
        exact = activation is None or activation[0].endswith("relu")
        bounds = (0, 0) if exact else (5e-6, LEAST)
        np.testing.assert_allclose(DEVICE.to_host(y), function(DEVICE.to_host(plain)), *bounds)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_numpys_in_every_layout(shape: tuple[int, int, int], kind: Any) -> None:
    m, k, n = shape
    x, w = normal(kind, m, k), normal(kind, k, n)
    for left in LAYOUTS:
        for right in LAYOUTS:
            close(product.matmul(device(x, left), device(w, right)), x @ w, kind)
    for layout in LAYOUTS:
        out = device(np.full((m, n), np.nan, kind), layout)
        assert product.matmul(device(x), device(w), out=out) is out
        close(out, x @ w, kind)
    wide = device(np.full((m, 2 * n), np.nan, kind))
    product.matmul(device(x), device(w), out=wide[:, n:])
    assert np.isnan(DEVICE.to_host(wide)[:, :n]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shapes",
    [
        ((5,), (5,)),
        ((5,), (5, 3)),
        ((4, 5), (5,)),
        ((3, 4, 5), (5,)),
        ((5,), (3, 5, 2)),
        ((3, 4, 5), (5, 6)),
        ((3, 4, 5), (3, 5, 6)),
        ((1, 4, 5), (3, 5, 6)),
        ((4, 5), (3, 5, 6)),
        ((2, 3, 4, 5), (2, 3, 5, 6)),
        ((2, 1, 4, 5), (3, 5, 6)),
        ((2, 3, 4, 5), (5, 6)),
    ],
)
def test_batches_broadcast_as_numpys(shapes: Any, kind: Any) -> None:
    x, w = (normal(kind, *shape) for shape in shapes)
    close(product.matmul(device(x), device(w)), x @ w, kind)
    out = device(np.full((x @ w).shape, np.nan, kind))
    close(product.matmul(device(x), device(w), out=out), x @ w, kind)
    for layout in LAYOUTS[1:]:
        left, right = (device(a, layout if a.ndim > 1 else "rows") for a in (x, w))
        close(product.matmul(left, right), x @ w, kind)
    if x.ndim > 2:
        turned = DEVICE.from_host(x[::-1].copy())[::-1]
        close(product.matmul(turned, device(w)), x @ w, kind)
    if w.ndim == 2:
        bias = normal(kind, w.shape[1])
        y = product.linear(device(x), device(w.T.copy()), device(bias))
        close(y, x @ w + bias, kind)


def test_what_is_not_covered_is_left_to_the_reference() -> None:
    x = normal(np.float32, 4, 4)
    for other in (x.astype(np.float64), np.arange(16).reshape(4, 4), x[:3], x[:, :0]):
        assert product.matmul(device(x), device(other)) is NotImplemented
    assert product.matmul(device(x[:, :0]), device(x[:0])) is NotImplemented
    assert product.linear(device(x), device(x), device(x[0, :3])) is NotImplemented
    assert product.linear(device(x), device(x), activation=("gelu", 0.0)) is NotImplemented
    out = device(np.full((4, 4), np.nan))
    assert product.matmul(device(x), device(x), out=out) is NotImplemented
    three, two = normal(np.float32, 3, 4, 4), normal(np.float32, 2, 4, 4)
    assert product.matmul(device(three), device(two)) is NotImplemented


@pytest.mark.parametrize(("rows", "fits"), [(3, True), (4, False)])
def test_offsets_within_a_matrix_have_32_bits(rows: int, fits: bool) -> None:
    far = ((rows, 8), (3 << 30, 4))  # a third of 2^31 numbers from row to row, and more
    square, y = ((8, 8), (32, 4)), ((rows, 8), (32, 4))
    columns = ((8, rows), (32, 4)), (far[0][::-1], far[1][::-1]), ((8, rows), (4 * rows, 4))
    for case in ((far, square, y), columns):
        assert (product._plan(*case, 0, 4, product.EXACT) is not None) == fits


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_go_where_they_go(value: float) -> None:
    x, w, bias = (normal(np.float32, *shape) for shape in ((20, 70), (40, 70), (40,)))
    x[3, 4] = w[5, 6] = bias[7] = value
    with np.errstate(invalid="ignore", over="ignore"):
        expected = x @ w.T + bias
        for activation, function in ACTIVATIONS.items():
            y = product.linear(device(x), device(w), device(bias), activation=activation)
            np.testing.assert_allclose(DEVICE.to_host(y), function(expected), atol=1e-4)


def test_the_next_product_finds_the_counters_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "tiling", lambda *sizes: (2, 4))
    x, w = normal(np.float32, 70, 300), normal(np.float32, 300, 40)
    first = DEVICE.to_host(product.matmul(device(x), device(w)))
    close(product.matmul(device(x[:5]), device(w)), x[:5] @ w, np.float32)
    np.testing.assert_array_equal(DEVICE.to_host(product.matmul(device(x), device(w))), first)


@pytest.mark.parametrize("parts", [2, 5, 8])
def test_the_bits_do_not_depend_on_which_block_is_first(
    parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "tiling", lambda *sizes: (2, parts))
    x, w = normal(np.float32, 70, 300), normal(np.float32, 300, 40)
    expected = DEVICE.to_host(product.matmul(device(x), device(w)))
    monkeypatch.setenv("TINYGAN_CUDA_ON_HOST", "backwards")
    for _ in range(2):
        y = DEVICE.to_host(product.matmul(device(x), device(w)))
        np.testing.assert_array_equal(y, expected)
    close(product.matmul(device(x), device(w)), x @ w, np.float32)


def test_the_bits_of_a_row_do_not_depend_on_memory() -> None:
    """Numbers are added in an order that follows from shapes."""
    x, w = normal(np.float32, 70, 300), normal(np.float32, 300, 40)
    expected = DEVICE.to_host(product.matmul(device(x), device(w)))
    for layout in LAYOUTS:
        y = product.matmul(device(x, layout), device(w, layout))
        np.testing.assert_array_equal(DEVICE.to_host(y), expected)


def test_the_choice_of_tiles_keeps_a_large_device_busy() -> None:
    for sizes in ((1, 64, 1024, 784), (1, 1024, 784, 64), (1, 64, 1, 1024), (1, 4096, 4096, 4096)):
        number, parts = product.tiling(*sizes, 4, 0)
        _, m, n, k = sizes
        tile = product.TILES[number]
        tiles = -(-m // tile.rows) * -(-n // tile.columns)
        assert tiles * parts >= min(product.MULTIPROCESSORS / 2, tiles * k / 16 / 4)
        assert tiles * parts <= product.COUNTED or parts == 1
    assert product.TILES[product.tiling(1, 4096, 4096, 4096, 4, 0)[0]].rows == 128
    assert product.TILES[product.tiling(1, 4096, 1, 4096, 4, 0)[0]].columns == 8


@pytest.fixture
def tf32() -> Any:
    assert not tinygan.allow_tf32()
    assert tinygan.allow_tf32(True) and tinygan.allow_tf32()
    yield
    assert not tinygan.allow_tf32(False)


@pytest.fixture
def tf32x3() -> Any:
    assert tinygan.allow_tf32("x3") == tinygan.allow_tf32() == "x3"
    yield
    assert not tinygan.allow_tf32(False)


def to_tf32(x: np.ndarray) -> np.ndarray:
    """To 10 bits, ties away from zero."""
    return ((x.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)


PRECISIONS = [None, "float16", "bfloat16"]  # None: TF32, which is allowed where these are run


def factor(x: np.ndarray, precision: str | None) -> np.ndarray:
    return to_tf32(x) if precision is None else rounded(np, x, precision)


@pytest.mark.usefixtures("cut", "tf32")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_are_rounded_for_tensor_cores(
    shape: tuple[int, int, int], precision: str | None
) -> None:
    m, k, n = shape
    x, w, bias = (normal(np.float32, *shape) for shape in ((m, k), (n, k), (n,)))
    expected = factor(x, precision) @ factor(w, precision).T
    for left, right in (("rows", "columns"), ("columns", "rows"), ("moved", "gaps")):
        y = product.matmul(device(x, left), device(w.T, right), precision=precision)
        close(y, expected, np.float32)
    given = device(x), device(w), device(bias)
    plain = product.linear(*given, precision=precision)
    close(plain, expected + bias, np.float32)
    for activation, function in ACTIVATIONS.items():
        y = product.linear(*given, activation=activation, precision=precision)
        exact = activation is None or activation[0].endswith("relu")
        bounds = (0, 0) if exact else (5e-6, LEAST)
        np.testing.assert_allclose(DEVICE.to_host(y), function(DEVICE.to_host(plain)), *bounds)


@pytest.mark.usefixtures("cut", "tf32")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "value",
    [np.nan, np.inf, -np.inf, *np.uint32([0x7FFFFFFF, 0xFFFFFFFF]).view(np.float32)],
    ids=["nan", "inf", "-inf", "all bits", "all bits and the sign"],
)
def test_tensor_cores_keep_nan_and_infinity(value: float, precision: str | None) -> None:
    x, w = normal(np.float32, 20, 70), normal(np.float32, 70, 40)
    x[3, 4] = w[5, 6] = value
    y = DEVICE.to_host(product.matmul(device(x), device(w), precision=precision))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.isnan(y), np.isnan(x @ w))
        np.testing.assert_array_equal(np.isinf(y), np.isinf(x @ w))


@pytest.mark.usefixtures("cut", "tf32x3")
@pytest.mark.parametrize("shape", SHAPES)
def test_three_products_of_tf32_are_as_exact_as_float32(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    x, w, bias = (normal(np.float32, *shape) for shape in ((m, k), (n, k), (n,)))
    exact = x.astype(np.float64) @ w.T.astype(np.float64)
    size = np.abs(x).astype(np.float64) @ np.abs(w.T).astype(np.float64)
    for left, right in (("rows", "columns"), ("columns", "rows"), ("moved", "gaps")):
        y = DEVICE.to_host(product.matmul(device(x, left), device(w.T, right)))
        error = np.abs(y - exact) / size
        assert error.max() < 2**-21 + k * 2**-24  # of the products, and of their sums
        if k > 30:  # what one product of TF32 loses
            assert error.max() < np.abs(to_tf32(x) @ to_tf32(w).T - exact).max() / size.max() / 30
    y = DEVICE.to_host(product.linear(device(x), device(w), device(bias), activation=("relu", 0)))
    np.testing.assert_allclose(y, np.maximum(exact + bias, 0), atol=3e-4)


@pytest.mark.usefixtures("tf32x3")
def test_deep_sums_of_three_products_are_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensor cores cut sums off: of positive numbers, each time a little is lost."""
    monkeypatch.setattr(product, "tiling", lambda *sizes: (2, 1))
    x, w = (np.random.default_rng(0).uniform(1, 2, (16, 3000)).astype(np.float32) for _ in "xw")
    y = DEVICE.to_host(product.matmul(device(x), device(w.T)))
    np.testing.assert_allclose(y, x.astype(np.float64) @ w.T.astype(np.float64), 2e-6)


@pytest.mark.usefixtures("cut", "tf32x3")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4e38, 3.4028e38])
def test_three_products_of_tf32_keep_nan_and_infinity(value: float) -> None:
    x, w = normal(np.float32, 20, 70), np.ones((70, 40), np.float32)
    x[3, 4] = value
    y = DEVICE.to_host(product.matmul(device(x), device(w)))
    with np.errstate(invalid="ignore", over="ignore"):
        np.testing.assert_array_equal(np.isnan(y), np.isnan(x @ w))
        np.testing.assert_array_equal(y[np.isinf(x @ w)], (x @ w)[np.isinf(x @ w)])
    if value < np.inf:
        # a number that would be rounded beyond the range has the 10 bits of TF32
        np.testing.assert_allclose(y[3], value, 1e-6 if value == 3.4e38 else 1e-3)


def test_what_may_be_allowed_is_said() -> None:
    with pytest.raises(ValueError, match="True, False or 'x3', got 'x2'"):
        tinygan.allow_tf32("x2")  # type: ignore[arg-type]
    assert tinygan.allow_tf32() is False


@pytest.mark.usefixtures("cut")
def test_the_range_of_float16_ends() -> None:
    only = np.diag(np.full(8, 1, np.float32))
    numbers = np.array([65519, -65519, 65504, 2.0**-24, 2.0**-26, -(2.0**-25), 3e-8, 1], np.float32)
    y = DEVICE.to_host(product.matmul(device(only), device(np.diag(numbers)), precision="float16"))
    np.testing.assert_array_equal(np.diag(y), numbers.astype(np.float16).astype(np.float32))
    y = product.matmul(device(numbers[:1, None] + 1), device(only[:1, :1]), precision="float16")
    assert np.isposinf(DEVICE.to_host(y)).all()


@pytest.mark.usefixtures("tf32")
def test_float64_is_never_rounded() -> None:
    x, w = normal(np.float64, 20, 70), normal(np.float64, 70, 40)
    close(product.matmul(device(x), device(w)), x @ w, np.float64)


def test_layers_compute_by_it() -> None:
    x = tinygan.randn(6, 5, device="cuda").requires_grad_()
    w = tinygan.randn(3, 5, device="cuda").requires_grad_()
    y = tinygan.nn.functional.linear(x, w)
    dx, dw = tinygan.autograd.grad(y.sum(), (x, w))
    assert dx is not None and dw is not None
    expected = tinygan.nn.functional.linear(x.detach().cpu(), w.detach().cpu())
    np.testing.assert_allclose(y.detach().cpu().numpy(), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(dx.cpu().numpy()[0], w.detach().cpu().numpy().sum(0), atol=1e-5)
    np.testing.assert_allclose(dw.cpu().numpy()[0], x.detach().cpu().numpy().sum(0), atol=1e-5)
