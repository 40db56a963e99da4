"""Layer and group normalisation by kernels, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygan.autograd import REGISTRY
from tinygan.backend.cpu import standardize, threads

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def channels_last(n: int, groups: int, channels: int, h: int, w: int, dtype: Any) -> np.ndarray:
    """Images as group_norm sees them: (n, groups, channels, h, w)."""
    x = random.standard_normal((n, h, w, groups, channels)).astype(dtype)
    return x.transpose(0, 3, 4, 1, 2)


CASES: list[tuple[Any, tuple[int, ...]]] = [
    (lambda t: random.standard_normal((7, 33)).astype(t), (-1,)),
    (lambda t: random.standard_normal((500, 300)).astype(t), (1,)),
    (lambda t: random.standard_normal((3, 4, 5, 6)).astype(t), (1, 2, 3)),
    (lambda t: random.standard_normal((3, 4, 5, 6)).astype(t), (2, 3)),
    (lambda t: random.standard_normal((3, 2, 2, 5, 6)).astype(t), (2, 3, 4)),
    (lambda t: channels_last(5, 3, 7, 6, 5, t), (2, 3, 4)),
    (lambda t: channels_last(5, 1, 16, 6, 5, t), (2, 3, 4)),
    (lambda t: random.standard_normal((1, 1)).astype(t), (1,)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_kernels_are_the_reference(case: int, dtype: Any) -> None:
    make, dims = CASES[case]
    x = make(dtype) * 3 + 5
    g = make(dtype)
    tolerance: Any = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"atol": 1e-11}
    wide = x.astype(np.float64)
    expected = REGISTRY["moments_over"].reference(np, wide, dims=dims)
    moments = standardize.moments_over(x, dims=dims)
    np.testing.assert_allclose(moments, expected, **tolerance)
    static: Any = {"dims": dims, "eps": 1e-5}
    y = standardize.standardize(x, moments, **static)
    assert y.strides == x.strides and y.dtype == dtype
    np.testing.assert_allclose(
        y, REGISTRY["standardize"].reference(np, wide, expected, **static), **tolerance
    )
    z = standardize.standardize_grad(g, x, moments, **static)
    np.testing.assert_allclose(
        z,
        REGISTRY["standardize_grad"].reference(np, g.astype(np.float64), wide, expected, **static),
        **tolerance,
    )
    for number in (1, 4):
        threads.set_num_threads(number)
        np.testing.assert_array_equal(standardize.standardize_grad(g, x, moments, **static), z)


def test_a_small_variance_beside_a_large_mean() -> None:
    x = (1e4 + 0.1 * random.standard_normal((4, 10_000))).astype(np.float32)
    _, var = standardize.moments_over(x, dims=(1,))
    np.testing.assert_allclose(var[:, 0], x.astype(np.float64).var(1), rtol=1e-3)


def test_what_is_not_covered_is_left_to_numpy() -> None:
    x = random.standard_normal((4, 6, 5))
    assert standardize.moments_over(x, dims=(1,)) is NotImplemented  # no number beside another
    assert standardize.moments_over(x.astype(np.float16), dims=(2,)) is NotImplemented
    assert standardize.moments_over(x[:0], dims=(2,)) is NotImplemented
    moments = standardize.moments_over(x, dims=(2,))
    other = np.asfortranarray(x)
    static: Any = {"dims": (2,), "eps": 1e-5}
    assert standardize.standardize_grad(other, x, moments, **static) is NotImplemented
