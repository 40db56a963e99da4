"""The compiled update rules against their NumPy references."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan import nn, optim
from tinygan.backend import kernels
from tinygan.backend.cpu import parameters, threads, updates
from tinygan.optim.rule import RULES

random = np.random.default_rng(0)

BOTH = (False, True)
SHAPES = [(3, 5, 7), (40_001,), (0,), (), (1,), (2, 3, 4, 5)]
ADAM = np.array([0.01, 0.9, 0.99, 1e-8, 0.1])
ADAGRAD = np.array([0.01, 0.5, 1e-10, 0.2])
RMSPROP = np.array([0.01, 0.9, 1e-3, 0.1, 0.5])


def cases() -> Any:
    """Name, which state arrays there are, hyper, statics."""
    for v_max, decay, decoupled, maximize in product(BOTH, BOTH, BOTH, BOTH):
        static = {"decay": decay, "decoupled": decoupled, "maximize": maximize}
        yield "adam", (True, True, v_max), ADAM, static
    for buffer, decay, nesterov, maximize in product(BOTH, BOTH, BOTH, BOTH):
        static = {"decay": decay, "nesterov": nesterov, "maximize": maximize}
        yield "sgd", (buffer,), np.array([0.1, 0.9, 0.0 if nesterov else 0.3, 0.2]), static
    for mean, buffer, decay, maximize in product(BOTH, BOTH, BOTH, BOTH):
        yield "rmsprop", (True, mean, buffer), RMSPROP, {"decay": decay, "maximize": maximize}
    for decay, maximize in product(BOTH, BOTH):
        yield "adagrad", (True,), ADAGRAD, {"decay": decay, "maximize": maximize}
    for warmup in BOTH:
        yield "average", (), np.array([0.9]), {"warmup": warmup}


@pytest.fixture(autouse=True)
def _threads_restored(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(parameters, "PARALLEL", 0)
    monkeypatch.setattr(kernels, "enabled", True)
    number = threads.get_num_threads()
    yield
    threads.set_num_threads(number)


def arrays(shapes: Any, dtype: Any, state: tuple[bool, ...], name: str) -> list[Any]:
    """Parameters, gradients, state arrays and step counts, as the rule takes them."""

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(random.standard_normal(shape)).astype(dtype)

    columns: list[Any] = [[drawn(s) for s in shapes] for _ in range(2)]
    for present in state:
        columns.append([np.asarray(abs(drawn(s)) + 2) if present else None for s in shapes])
    if name == "rmsprop" and state[1]:
        columns[3] = [
            np.asarray(m / 8) for m in columns[3]
        ]  # a mean whose square is less than the mean square
    if name == "sgd":
        columns.append([False] * len(shapes))
    elif name == "average":
        columns.append(np.array(3, np.float32))
    else:
        columns.append([np.array(i % 4, np.float32) for i in range(len(shapes))])
    return columns


def copied(columns: Any) -> Any:
    if isinstance(columns, list):
        return [copied(x) for x in columns]
    return columns.copy() if isinstance(columns, np.ndarray) else columns


def flattened(columns: list[Any]) -> list[np.ndarray]:
    every = [x for c in columns for x in (c if isinstance(c, list) else [c])]
    return [x for x in every if isinstance(x, np.ndarray)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case[0]}{case[1]}-{case[3]}")
def test_updates_are_the_references(case: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name, state, hyper, static = case
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    given = arrays(SHAPES, dtype, state, name)
    given[1][0][0, 1, :3] = np.nan, np.inf, -np.inf
    given[1][5] = given[1][5].transpose(3, 0, 1, 2).copy().transpose(1, 2, 3, 0)  # another order
    expected = copied(given)
    memory: dict[str, Any] = {}
    for _ in range(2):
        with monkeypatch.context() as without:
            without.setattr(kernels, "enabled", False)
            RULES[name].on(**static)(*expected, hyper)
        assert getattr(updates, name)(memory, *given, hyper, **static) is not NotImplemented
    assert memory
    for a, b in zip(flattened(given), flattened(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    name, state, hyper, static = next(cases())
    given = arrays([(100_001,), (5,), (30_000,)], np.float32, state, name)
    results = []
    for number in (1, 2, 3, 4):
        threads.set_num_threads(number)
        copies = copied(given)
        for _ in range(3):
            updates.adam({}, *copies, hyper, **static)
        results.append(flattened(copies))
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_other_arrays_take_the_place_of_those_that_were_there() -> None:
    name, state, hyper, static = next(cases())
    memory: dict[str, Any] = {}
    for shapes in ([(3,), (4, 5)], [(3,), (4, 5)], [(4, 5)]):
        given = arrays(shapes, np.float32, state, name)
        expected = copied(given)
        updates.adam(memory, *given, hyper, **static)
        updates.adam({}, *expected, hyper, **static)
        for a, b in zip(flattened(given), flattened(expected), strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_not_compiled_is_left_unchanged() -> None:
    name, state, hyper, static = next(cases())
    given = arrays([(4, 6), (5,)], np.float32, state, name)
    before = copied(given)

    def refuse(column: int, array: Any) -> None:
        changed = [list(c) for c in given]
        changed[column][0] = array
        assert updates.adam({}, *changed, hyper, **static) is NotImplemented

    p, g, m = (given[i][0] for i in range(3))
    refuse(1, g.astype(np.float64))
    refuse(0, p.astype(np.float64))  # two types of parameters
    refuse(0, np.zeros((4, 12), np.float32)[:, ::2])
    refuse(2, m.T.copy().T)
    refuse(5, np.array(0.0))
    assert updates.sgd({}, *given[:3], [True, False], hyper, **SGD) is NotImplemented
    for a, b in zip(flattened(given), flattened(before), strict=True):
        np.testing.assert_array_equal(a, b)


SGD = {"decay": False, "nesterov": False, "maximize": False}


def test_a_compiled_update_follows_the_gradients_and_the_options() -> None:
    def made() -> Any:
        tinygan.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
        return module, optim.Adam(module.parameters(), 0.1), optim.EMA(module, 0.9)

    def step(module: Any, optimizer: Any, ema: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = module(x).square().mean()
        loss.backward()
        optimizer.step()
        ema.update()
        return loss.detach()

    results = []
    for compiled in BOTH:
        module, optimizer, ema = made()

        def one(x: Any, module: Any = module, optimizer: Any = optimizer, ema: Any = ema) -> Any:
            return step(module, optimizer, ema, x)

        run = tinygan.compile(one) if compiled else one
        for i in range(6):
            tinygan.manual_seed(i)
            run(tinygan.randn(7, 3))
            optimizer.param_groups[0]["lr"] *= 0.5
            ema.decay *= 0.9
        states = [v for state in optimizer.state.values() for v in state.values()]
        parts = [*module.state_dict().values(), *ema.state_dict().values(), *states]
        results.append([x.array.copy() for x in parts])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
