"""The polynomials against float64 over the whole range of float32."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from tinygan.backend.cpu import polynomials, waves
from tinygan.ops.special import erf

STEP = 997  # between the bit patterns that are tried
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 88.7, 88.8, -87.4, -103.9], np.float32)


def _log1p_of_units(x: Any) -> Any:
    return np.where((x >= 0) & (x <= 1), np.log1p(x), np.nan)


FUNCTIONS: dict[str, tuple[Any, float]] = {
    "exp": (np.exp, 2),
    "expm1": (np.expm1, 3),
    "log": (np.log, 2),
    "log1p": (np.log1p, 2),
    "log2": (np.log2, 2),
    "log10": (np.log10, 3),
    "sin": (np.sin, 2),
    "cos": (np.cos, 2),
    "log1p_unit": (_log1p_of_units, 2),
    "log_complement": (lambda x: np.log1p(-x), 2),
    "tanh": (np.tanh, 3),
    "sigmoid": (lambda x: np.exp(-np.logaddexp(0, -x)), 3),
    "softplus": (lambda x: np.logaddexp(0, x), 3),
    "erf": (lambda x: erf.reference(np, x), 3),
}


def evaluate(name: str, x: np.ndarray) -> np.ndarray:
    function = getattr(waves if name in ("sin", "cos") else polynomials, name)

    @numba.njit(error_model="numpy")
    def every(x, y):
        for i in range(len(x)):
            y[i] = function(x[i])

    y = np.empty_like(x)
    every(x, y)
    return y


def distance(y: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """How many units in the last place of float32 the results are away."""
    expected = exact.astype(np.float32)
    unit = np.spacing(np.abs(expected)).astype(np.float64)
    off = np.abs(y.astype(np.float64) - exact) / unit
    return np.where((y == expected) | (np.isnan(y) & np.isnan(expected)), 0, off)


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_the_error_is_bounded_over_all_numbers(name: str) -> None:
    exact, bound = FUNCTIONS[name]
    x = np.arange(0, 1 << 32, STEP, np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([x, SPECIAL, np.linspace(-20, 20, 400_001, dtype=np.float32)])
    if name in ("log1p_unit", "log_complement"):
        x = x[(x >= 0) & (x <= 1)]
    off = distance(evaluate(name, x), exact(x.astype(np.float64)))
    worst = np.nanargmax(off)
    assert not np.isnan(off).any()
    assert off[worst] <= bound, (x[worst], off[worst])


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_doubles_are_precise(name: str) -> None:
    exact, _ = FUNCTIONS[name]
    x = np.concatenate([np.linspace(-30, 30, 10_001), SPECIAL.astype(np.float64), [1e300, -1e300]])
    if name in ("log1p_unit", "log_complement"):
        x = x[(x >= 0) & (x <= 1)]
    np.testing.assert_allclose(evaluate(name, x), exact(x), rtol=2e-14, atol=1e-300)


def test_an_error_of_four_units_is_noticed() -> None:
    x = np.linspace(-1, 1, 1001, dtype=np.float32)
    y = evaluate("exp", x) * np.float32(1 + 4e-7)
    assert distance(y, np.exp(x.astype(np.float64))).max() > 2


def test_logarithms_of_their_bases_powers_are_whole() -> None:
    twos, tens = 2.0 ** np.arange(-149, 128), 10.0 ** np.arange(-5, 11)
    assert evaluate("log2", twos.astype(np.float32)).tolist() == list(range(-149, 128))
    assert evaluate("log10", tens.astype(np.float32)).tolist() == list(range(-5, 11))


def test_the_numbers_nearest_to_quarter_turns_keep_their_sines() -> None:
    """The worst case of float32: less than 2^-30 from a multiple of pi / 2."""
    x = np.array([16367173 * 2.0**72, 16367173 * 2.0**73, 3.4028235e38, 1e30, 2.0**60], np.float32)
    for name, exact in (("sin", np.sin), ("cos", np.cos)):
        assert distance(evaluate(name, x), exact(x.astype(np.float64))).max() <= 2
