"""One rule for all inputs of an op: computed once, told what is asked for, checked like others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan.autograd import REGISTRY, grad, gradcheck, primitive


@pytest.fixture
def scaled() -> Any:
    """x * y * k with a joint rule that notes what it was asked for."""

    @primitive
    def scaled(xp: Any, x: Any, other: Any, bias: Any = None, *, k: float = 3.0) -> Any:
        return x * other * k if bias is None else x * other * k + bias

    asked_for: list[list[bool]] = []

    def rule(g: Any, x: Any, other: Any, k: float, asked: list[bool]) -> Any:
        asked_for.append(asked)
        shared = g * k
        return shared * other, shared * x, g

    scaled.vjp_of_all(rule)
    yield scaled, asked_for
    del REGISTRY["scaled"]


def test_it_runs_once_for_all_inputs(scaled: Any) -> None:
    op, asked = scaled
    x, y = (tinygan.tensor(np.arange(1.0, 4.0) + i, requires_grad=True) for i in range(2))
    a, b = grad(op(x, y).sum(), (x, y))
    assert asked == [[True, True, False]]
    assert a.tolist() == [6, 9, 12] and b.tolist() == [3, 6, 9]
    (b,) = grad(op(x, y).sum(), y)
    assert asked[1:] == [[False, True, False]] and b.tolist() == [3, 6, 9]
    (c,) = grad(op(x.detach(), y.detach(), x).sum(), x)
    assert asked[2:] == [[False, False, True]] and c.tolist() == [1, 1, 1]
    x.grad = None
    op(x, y.detach()).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [6, 9, 12]


def test_it_unbroadcasts_and_differentiates_again(scaled: Any) -> None:
    op, _ = scaled
    random = np.random.default_rng(0)
    x, y, bias = (
        tinygan.tensor(random.standard_normal(shape), requires_grad=True)
        for shape in ((2, 3), (3,), (1, 3))
    )
    assert gradcheck(op, (x, y, bias), order=3)
