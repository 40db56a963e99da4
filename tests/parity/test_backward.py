"""What backward() and Variable fill, and what they leave, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygan
import tinygan.autograd

torch = pytest.importorskip("torch")


def of_the_inputs(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    (a * b).sum().backward(inputs=a)
    (a * b).sum().backward(inputs=[a, a])
    (a * b).sum().backward(inputs=(x for x in (b, c)))
    return [a.grad, b.grad, c.grad]


def of_a_result(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    made = a * b
    (made * c).sum().backward(inputs=[made, c])
    return [a.grad, b.grad, c.grad, made.grad]


def one_graph_for_two(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    score = (a * b).exp()
    score.sum().backward(retain_graph=True, inputs=[a])
    (score * score * c).sum().backward(inputs=[b])
    return [a.grad, b.grad, c.grad]


def with_a_graph_of_its_own(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    (a * b * b).sum().backward(None, None, True, [b])
    b.grad.sum().backward(inputs=[a, b])
    return [a.grad, b.grad, c.grad]


def several_outputs(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    library.autograd.backward([a * b, c.sum()], [c.detach(), None])
    library.autograd.backward((a * c).sum())
    library.autograd.backward(b * c, a.detach(), inputs=[c])
    return [a.grad, b.grad, c.grad]


def variables(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    made = a * b
    leaf = library.autograd.Variable(made, requires_grad=True)
    (leaf * c).sum().backward()
    (library.autograd.Variable(made) * library.autograd.Variable(c) * b).sum().backward()
    return [a.grad, b.grad, c.grad, made * 1, leaf.grad]


def a_variable_shares_memory(library: Any, a: Any, b: Any, c: Any) -> list[Any]:
    plain = a.detach().clone()
    leaf = library.autograd.Variable(plain, requires_grad=True)
    leaf.data.mul_(2)
    assert isinstance(plain, library.autograd.Variable) and not isinstance(2, type(leaf))
    return [plain, leaf, plain.requires_grad, leaf.requires_grad, leaf.is_leaf]


PROGRAMS: list[Callable[..., list[Any]]] = [
    of_the_inputs,
    of_a_result,
    one_graph_for_two,
    with_a_graph_of_its_own,
    several_outputs,
    variables,
    a_variable_shares_memory,
]


@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program: Callable[..., list[Any]]) -> None:
    arrays = np.random.default_rng(0).uniform(0.5, 1.5, (3, 2, 3))
    runs = []
    for library in (tinygan, torch):
        leaves = [library.tensor(x).requires_grad_() for x in arrays]
        runs.append(program(library, *leaves))
    for ours, theirs in zip(*runs, strict=True):
        if isinstance(theirs, torch.Tensor):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy())
        else:
            assert ours is theirs


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "no input": lambda library, a: a.sum().backward(inputs=[]),
    "an input without gradient": lambda library, a: a.sum().backward(inputs=[a.detach()]),
    "no input of grad": lambda library, a: library.autograd.grad(a.sum(), []),
    "too few gradients": lambda library, a: library.autograd.backward([a * 2, a * 3], [a]),
    "no output with a gradient": lambda library, a: library.autograd.backward([a.detach()], [a]),
    "one freed": lambda library, a: [(y := (a * a).sum()).backward(inputs=a), y.backward()],
    "no tensor in a Variable": lambda library, a: library.autograd.Variable([1.0]),
    "integers in a Variable": lambda library, a: library.autograd.Variable(a.detach().long(), True),
}


@pytest.mark.parametrize("case", WRONG)
def test_both_refuse(case: str) -> None:
    for library in (tinygan, torch):
        with pytest.raises((RuntimeError, TypeError)):
            WRONG[case](library, library.ones(2, requires_grad=True))
