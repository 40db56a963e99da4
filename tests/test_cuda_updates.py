"""The update rules by CUDA kernels against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moved import needs_kernels
from test_cpu_updates import arrays, cases, copied, flattened

import tinygan
from tinygan import nn, optim
from tinygan.backend import backend_for, kernels
from tinygan.backend.cuda import parameters, updates
from tinygan.optim.rule import RULES

pytestmark = needs_kernels

SHAPES = [(3, 5, 7), (2053,), (0,), (), (1,), (2, 3, 4, 5)]


def on_device(columns: Any) -> Any:
    if isinstance(columns, list):
        return [on_device(x) for x in columns]
    return backend_for("cuda").from_host(columns) if isinstance(columns, np.ndarray) else columns


def on_host(columns: Any) -> Any:
    if isinstance(columns, list):
        return [on_host(x) for x in columns]
    is_array = isinstance(columns, backend_for("cuda").array_type)
    return backend_for("cuda").to_host(columns) if is_array else columns


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case[0]}{case[1]}-{case[3]}")
def test_updates_are_the_references(case: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name, state, hyper, static = case
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    given = arrays(SHAPES, dtype, state, name)
    given[1][0][0, 1, :3] = np.nan, np.inf, -np.inf
    given[1][5] = given[1][5].transpose(3, 0, 1, 2).copy().transpose(1, 2, 3, 0)  # another order
    for column in range(len(state) + 2):  # parameters in another order than that of their shape
        if column != 1 and (column < 2 or state[column - 2]):
            x = given[column][0]
            given[column][0] = x.transpose(2, 0, 1).copy().transpose(1, 2, 0)
    own = on_device(given)
    memory: dict[str, Any] = {}
    for _ in range(2):
        with monkeypatch.context() as without:
            without.setattr(kernels, "enabled", False)
            RULES[name].on(**static)(*given, hyper)
        done = getattr(updates, name)(memory, *own, on_device(hyper), **static)
        assert done is not NotImplemented
    assert memory
    for a, b in zip(flattened(on_host(own)), flattened(given), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["adam", "average", "rmsprop"])
def test_more_parameters_than_go_into_a_launch(name: str) -> None:
    name, state, hyper, static = next(case for case in cases() if case[0] == name)
    if name == "average":
        static = {"warmup": True}
    given = arrays([(n % 7,) for n in range(2 * parameters.ROWS + 3)], np.float32, state, name)
    own = on_device(given)
    with np.errstate(all="ignore"):
        for _ in range(2):
            RULES[name].on(**static)(*given, hyper)
            RULES[name].on(**static)(*own, on_device(hyper))
    for a, b in zip(flattened(on_host(own)), flattened(given), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def test_addresses_that_are_not_aligned_and_chunks_of_any_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, state, hyper, static = next(cases())
    given = arrays([(5000,), (1023,)], np.float32, state, name)
    results = []
    for first, blocks in ((0, 2048), (1, 2048), (0, 1), (1, 2)):
        monkeypatch.setattr(parameters, "BLOCKS", blocks)
        own = on_device(given)
        for column in own[:4]:
            whole = on_device(np.zeros(6000, np.float32))
            whole[first : first + 5000] = column[0]
            column[0] = whole[first : first + 5000]
        updates.adam({}, *own, on_device(hyper), **static)
        results.append(flattened(on_host(own)))
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_left_to_the_reference_is_unchanged() -> None:
    name, state, hyper, static = next(cases())
    given = on_device(arrays([(4, 6), (5,)], np.float32, state, name))
    before = on_host(copied(on_host(given)))

    def refuse(column: int, array: np.ndarray) -> None:
        changed = [list(c) for c in given]
        changed[column][0] = on_device(array)
        done = updates.adam({}, *changed, on_device(hyper), **static)
        assert done is NotImplemented

    p, g, m = (on_host(given[i][0]) for i in range(3))
    refuse(1, g.astype(np.float64))
    refuse(0, p.astype(np.float64))  # two types of parameters
    changed = [list(c) for c in given]
    changed[0][0] = on_device(np.zeros((4, 12), np.float32))[:, ::2]
    assert updates.adam({}, *changed, on_device(hyper), **static) is NotImplemented
    refuse(2, m.T.copy().T)
    refuse(5, np.array(0.0))
    for a, b in zip(flattened(on_host(given)), flattened(before), strict=True):
        np.testing.assert_array_equal(a, b)


def test_buffers_of_any_type_are_followed() -> None:
    hosts = [np.arange(n, dtype=t) for n, t in ((5, "f4"), (1, "i8"), (37, "f8"), (3, "u1"))]
    hosts += [np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1), np.arange(6.0)[:0]]
    theirs = on_device(hosts)
    ours = on_device([np.zeros_like(x) for x in hosts])
    assert updates.follow({}, ours, theirs) is None
    for a, b in zip(on_host(ours), hosts, strict=True):
        np.testing.assert_array_equal(a, b)
    apart = on_device(np.zeros(8))[::2]
    assert updates.follow({}, [apart], [on_device(np.zeros(4))]) is NotImplemented
    assert updates.follow({}, [on_device(np.zeros(4, "f4"))], [apart]) is NotImplemented


def test_training_is_that_of_the_cpu() -> None:
    def trained(device: str, make: Any) -> list[np.ndarray]:
        tinygan.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 5, False), nn.BatchNorm1d(5), nn.Linear(5, 1))
        x = tinygan.randn(7, 3).to(device)
        module.to(device)
        optimizer, ema = make(module.parameters()), optim.EMA(module, 0.9)
        for _ in range(4):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()
            ema.update()
            optimizer.param_groups[0]["lr"] *= 0.5
        return [
            x.cpu().numpy() for x in (*module.state_dict().values(), *ema.state_dict().values())
        ]

    for make in (
        lambda p: optim.AdamW(p, 0.1, amsgrad=True),
        lambda p: optim.SGD(p, 0.1, momentum=0.9, dampening=0.5),
        lambda p: optim.RMSprop(p, 0.1, momentum=0.5, centered=True),
        lambda p: optim.Adagrad(p, 0.1, lr_decay=0.1),
    ):
        for a, b in zip(trained("cuda", make), trained("cpu", make), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
