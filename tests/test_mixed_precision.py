"""autocast: which products are rounded, and what their derivatives are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygan
import tinygan.nn.functional as F
from tinygan import Tensor
from tinygan.autograd import grad
from tinygan.backend import backend_for
from tinygan.backend.cpu import rounding as compiled
from tinygan.backend.rounding import PRECISIONS, rounded

random = np.random.default_rng(0)
TYPES = {"float16": tinygan.float16, "bfloat16": tinygan.bfloat16}


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def numbers() -> np.ndarray:
    """Of every size, halfway between two halves among them."""
    bits = random.integers(0, 1 << 32, 20000, dtype=np.uint32)
    bits[:9000] &= 0xFFFFF000  # ties of float16
    bits[9000:12000] &= 0xFFFF8000  # and of bfloat16
    x = bits.view(np.float32)
    x[12000:16000] = normal(4000) * 10.0 ** random.integers(-9, 6, 4000)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.996, 65520, 2**-14, 2**-24, 2**-25]
    x[: len(special)] = special
    x[20:30] = np.float32(2**-25) * np.arange(1, 11)  # ties among the smallest of float16
    return x


def test_bfloat16_is_the_upper_half_of_the_bits_to_the_nearest_even() -> None:
    x = numbers()
    y = rounded(np, x, "bfloat16")
    finite = np.isfinite(x) & (np.abs(x) < 3.38e38)
    assert not (y[np.isfinite(y)].view(np.uint32) & 0xFFFF).any()
    below = (x.view(np.uint32) & 0xFFFF0000).view(np.float32)[finite].astype(np.float64)
    above = ((x.view(np.uint32) & 0xFFFF0000) + 0x10000).view(np.float32)[finite].astype(np.float64)
    to_below, to_above = np.abs(x[finite] - below), np.abs(above - x[finite])
    even = (x.view(np.uint32)[finite] >> 16) % 2 == 0
    nearest = np.where((to_below < to_above) | ((to_below == to_above) & even), below, above)
    np.testing.assert_array_equal(y[finite], nearest)
    np.testing.assert_array_equal(y[~np.isfinite(x)], x[~np.isfinite(x)])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_kernels_round_as_the_reference(precision: str) -> None:
    x = numbers()
    with np.errstate(all="ignore"):
        expected = rounded(np, x, precision)
    np.testing.assert_array_equal(compiled.rounded(x, precision), expected)
    image = x[:19200].reshape(2, 60, 80, 2).transpose(0, 3, 1, 2)
    y = compiled.rounded(image, precision)
    assert y.strides == image.strides
    np.testing.assert_array_equal(y.transpose(0, 2, 3, 1).ravel(), expected[:19200])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_rounded_stays(precision: str) -> None:
    with np.errstate(all="ignore"):
        once = rounded(np, numbers(), precision)
        np.testing.assert_array_equal(rounded(np, once, precision), once)


PRODUCTS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "matmul": (tinygan.matmul, [(50, 40), (40, 30)]),
    "of batches": (tinygan.matmul, [(3, 5, 40), (3, 40, 6)]),
    "linear": (F.linear, [(64, 40), (30, 40), (30,)]),
    "conv2d": (
        lambda *x: F.conv2d(*x, stride=2, padding=1),
        [(4, 5, 12, 12), (16, 5, 4, 4), (16,)],
    ),
    "transposed": (
        lambda *x: F.conv_transpose2d(*x, stride=2, padding=1),
        [(4, 16, 6, 6), (16, 5, 4, 4), (5,)],
    ),
    "depthwise": (lambda *x: F.conv2d(*x, groups=12), [(4, 12, 9, 9), (12, 1, 3, 3), (12,)]),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_factors_are_rounded_and_those_of_the_derivatives(
    name: str, precision: str, device: str
) -> None:
    function, shapes = PRODUCTS[name]
    arrays = [normal(*shape) for shape in shapes]
    halves = [*(rounded(np, a, precision) for a in arrays[:2]), *arrays[2:]]
    given = [tinygan.tensor(a, device=device).requires_grad_() for a in arrays]
    exact = [tinygan.tensor(a, device="cpu").requires_grad_() for a in halves]
    with tinygan.autocast(device, TYPES[precision]):
        y = function(*given)
    expected = function(*exact)
    assert y.dtype == np.float32
    close(y, expected)
    g = normal(*y.shape)
    own = grad(y, given, tinygan.tensor(g, device=device))
    # of a product by its factors: g is a factor too, rounded; the bias has all of g
    theirs = grad(expected, exact[:2], tinygan.tensor(rounded(np, g, precision)), True)
    for a, b in zip(own[:2], theirs, strict=True):
        close(a, b)
    if len(exact) > 2:
        (bias,) = grad(expected, exact[2:], tinygan.tensor(g))
        close(own[2], bias)


def close(a: Any, b: Any) -> None:
    a, b = a.detach().cpu().numpy(), b.detach().cpu().numpy()
    np.testing.assert_allclose(a, b, atol=2e-5 * max(1.0, float(np.abs(b).max())))


def test_the_second_derivative_is_rounded_too(device: str) -> None:
    x, w = normal(6, 5), normal(5, 4)
    given = [tinygan.tensor(a, device=device).requires_grad_() for a in (x, w)]
    with tinygan.autocast(device, tinygan.bfloat16):
        y = given[0] @ given[1]
    g = tinygan.tensor(normal(6, 4), device=device).requires_grad_()
    (dx,) = grad(y, given[:1], g, create_graph=True)
    assert dx is not None
    v = normal(6, 5)
    (dg,) = grad(dx, [g], tinygan.tensor(v, device=device))
    close(dg, tinygan.tensor(rounded(np, v, "bfloat16") @ rounded(np, w, "bfloat16")))


def test_where_it_holds(device: str) -> None:
    x, w = (tinygan.tensor(normal(8, 8), device=device) for _ in "12")
    exact = (x @ w).cpu().numpy()

    def is_exact(y: Tensor) -> bool:
        return bool(np.array_equal(y.cpu().numpy(), exact))

    assert not tinygan.is_autocast_enabled(device)
    with tinygan.autocast(device, tinygan.bfloat16):
        assert tinygan.is_autocast_enabled(device)
        assert not is_exact(x @ w)
        coarse = (x @ w).cpu().numpy()
        with tinygan.autocast(device, enabled=False):
            assert is_exact(x @ w)
        with tinygan.autocast(device, tinygan.float16):
            fine = (x @ w).cpu().numpy()
        assert np.array_equal((x @ w).cpu().numpy(), coarse)
        y = x.double() @ w.double()
        assert y.dtype == np.float64
        np.testing.assert_allclose(y.cpu().numpy(), exact, atol=1e-5)
    assert is_exact(x @ w)
    assert 0 < np.abs(fine - exact).max() < np.abs(coarse - exact).max()
    other = "cpu" if device == "cuda" else "cuda"
    with tinygan.autocast(other):
        assert is_exact(x @ w)

    @tinygan.autocast(device, tinygan.bfloat16)
    def product() -> Tensor:
        return x @ w

    np.testing.assert_array_equal(product().cpu().numpy(), coarse)
    with pytest.raises(ZeroDivisionError), tinygan.autocast(device):
        raise ZeroDivisionError
    assert is_exact(x @ w)


def test_an_exact_product_has_exact_derivatives_within(device: str) -> None:
    x, w = (tinygan.tensor(normal(8, 8), device=device).requires_grad_() for _ in "12")
    y = (x @ w).sum()
    expected = grad(y, [x, w], retain_graph=True)
    with tinygan.autocast(device):
        found = grad(y, [x, w])
    for a, b in zip(found, expected, strict=True):
        assert a is not None and b is not None
        np.testing.assert_array_equal(a.cpu().numpy(), b.cpu().numpy())


def test_a_recorded_step_stays_rounded(device: str) -> None:
    w = tinygan.tensor(normal(40, 40), device=device).requires_grad_()

    def step(x: Tensor) -> Tensor:
        with tinygan.autocast(device, tinygan.bfloat16):
            y = F.relu(F.linear(x, w))
        (g,) = grad(y.square().sum(), [w])
        assert g is not None
        return g

    recorded = tinygan.compile(step)
    for _ in range(4):
        x = tinygan.tensor(normal(64, 40), device=device)
        np.testing.assert_array_equal(recorded(x).cpu().numpy(), step(x).cpu().numpy())


def test_what_is_recorded_within_is_not_replayed_outside(device: str) -> None:
    x, w = (tinygan.tensor(normal(8, 8), device=device) for _ in "12")
    product = tinygan.compile(lambda x: x @ w)
    exact = (x @ w).cpu().numpy()
    for _ in range(3):
        np.testing.assert_array_equal(product(x).cpu().numpy(), exact)
        with tinygan.autocast(device):
            assert not np.array_equal(product(x).cpu().numpy(), exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_other_types_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="expected float16 or bfloat16"):
        tinygan.autocast("cpu", dtype)


def test_bfloat16_is_refused_by_old_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = backend_for("cuda").xp.cuda.runtime
    old = {**runtime.getDeviceProperties(0), "major": 7, "minor": 5}
    monkeypatch.setattr(runtime, "getDeviceProperties", lambda number: old)
    tinygan.autocast("cuda", tinygan.float16)
    with pytest.raises(RuntimeError, match=r"7\.5 and bfloat16 needs 8\.0"):
        tinygan.autocast("cuda", tinygan.bfloat16)


def test_there_are_no_tensors_of_bfloat16() -> None:
    with pytest.raises(TypeError):
        tinygan.zeros(3, dtype=tinygan.bfloat16)
