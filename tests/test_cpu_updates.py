"""The compiled update rules against their NumPy references."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tinygan.backend.cpu import threads, updates
from tinygan.optim.rule import RULES

random = np.random.default_rng(0)

BOTH = (False, True)
ADAM = np.array([0.01, 0.9, 0.99, 1e-8, 0.1])
STEP = np.array(3, np.float32)


def cases() -> Any:
    """Name, number of state arrays, what follows them, statics."""
    for decay, decoupled, maximize in product(BOTH, BOTH, BOTH):
        static = {"decay": decay, "decoupled": decoupled, "maximize": maximize}
        yield "adam", 2, (None, STEP, ADAM), static
    for decay, nesterov, maximize in product(BOTH, BOTH, BOTH):
        static = {"first": False, "decay": decay, "nesterov": nesterov, "maximize": maximize}
        yield "sgd", 1, (np.array([0.1, 0.9, 0.0 if nesterov else 0.3, 0.2]),), static
    for decay, maximize in product(BOTH, BOTH):
        hyper = np.array([0.01, 0.9, 1e-8, 0.1, 0.0])
        yield "rmsprop", 1, (None, None, hyper), {"decay": decay, "maximize": maximize}
    for warmup in BOTH:
        yield "average", 0, (STEP, np.array([0.9])), {"warmup": warmup}


@pytest.fixture(autouse=True)
def _everything_compiled(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(updates, "SMALL", 0)
    monkeypatch.setattr(updates, "PARALLEL", 0)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def arrays(shape: tuple[int, ...], dtype: Any, state: int) -> list[np.ndarray]:
    """A parameter, its gradient and its state."""
    drawn = [random.standard_normal(shape).astype(dtype) for _ in range(2)]
    return drawn + [abs(random.standard_normal(shape)).astype(dtype) for _ in range(state)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case[0]}-{case[3]}")
def test_updates_are_the_references(case: Any, dtype: Any) -> None:
    name, state, rest, static = case
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    for shape in ((3, 5, 7), (40_001,), (0,), (1,)):
        given = arrays(shape, dtype, state)
        if shape == (3, 5, 7):
            given[1][0, 1, :3] = np.nan, np.inf, -np.inf
        expected = [a.copy() for a in given]
        with np.errstate(all="ignore"):
            RULES[name].reference(np, *expected, *rest, **static)
        assert getattr(updates, name)(*given, *rest, **static) is not NotImplemented
        for a, b in zip(given, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    name, state, rest, static = next(cases())
    given = arrays((100_001,), np.float32, state)
    results = []
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        copies = [a.copy() for a in given]
        getattr(updates, name)(*copies, *rest, **static)
        results.append(copies[0])
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_what_is_not_compiled_is_left_unchanged() -> None:
    static = {"decay": False, "decoupled": False, "maximize": False}
    p, g, m, v = arrays((4, 6), np.float32, 2)
    before = [a.copy() for a in (p, g, m, v)]
    assert updates.adam(p, g, m, v, v.copy(), STEP, ADAM, **static) is NotImplemented
    assert updates.adam(p, g.astype(float), m, v, None, STEP, ADAM, **static) is NotImplemented
    assert updates.adam(p, g.T.copy().T, m, v, None, STEP, ADAM, **static) is NotImplemented
    for a, b in zip((p, g, m, v), before, strict=True):
        np.testing.assert_array_equal(a, b)
