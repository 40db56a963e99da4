"""Hooks on gradients, called and obeyed as PyTorch's are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinygan  # noqa: E402


def both(program: Any) -> None:
    results = []
    for lib in (tinygan, torch):
        x = lib.tensor([1.0, -2.0, 3.0], dtype=lib.float64, requires_grad=True)
        results.append([np.asarray(y.detach()) for y in program(lib, x)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_of_a_leaf_and_of_what_lies_between() -> None:
    def program(lib: Any, x: Any) -> list[Any]:
        seen: list[Any] = []
        y = x * x
        x.register_hook(lambda g: seen.append(g.clone()))  # None: it goes on as it is
        x.register_hook(lambda g: g.clamp(-3, 3))
        handle = y.register_hook(lambda g: g * 2)
        loss = (y + x).sum()
        loss.register_hook(lambda g: g * 10)
        loss.backward(retain_graph=True)
        handle.remove()
        loss.backward()
        return [x.grad, *seen]

    both(program)


def test_of_gradients_that_are_asked_for_and_differentiated_again() -> None:
    def program(lib: Any, x: Any) -> list[Any]:
        y = x**3
        y.register_hook(lambda g: g * x)
        x.register_hook(lambda g: g + 1)
        (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        (h,) = lib.autograd.grad((g * g).sum(), x)
        return [g, h]

    both(program)


def test_a_parameter_keeps_its_hook() -> None:
    def program(lib: Any, x: Any) -> list[Any]:
        p = lib.nn.Parameter(x.detach().clone())
        p.register_hook(lambda g: g * 100)
        p.requires_grad_(False)
        p.requires_grad_(True)
        optimizer = lib.optim.SGD([p], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
        return [p, p.grad]

    both(program)


@pytest.mark.parametrize("lib", [tinygan, torch])
def test_errors(lib: Any) -> None:
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        lib.ones(2).register_hook(lambda g: g)
    x = lib.ones(2, requires_grad=True)
    x.register_hook(lambda g: lib.ones(3))
    with pytest.raises(RuntimeError, match=r"returned \(3,\)|changed the size"):
        x.sum().backward()
