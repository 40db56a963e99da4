"""Random programs of views and changes in place, as in PyTorch: results, and gradients twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

PROGRAMS, STEPS = 300, (3, 8)

MADE: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda lib, a, b: lib.nn.functional.leaky_relu(a, 0.2),
    "tanh": lambda lib, a, b: a.tanh(),
    "exp": lambda lib, a, b: (a * 0.3).exp(),
    "softmax": lambda lib, a, b: a.softmax(-1),
    "abs": lambda lib, a, b: a.abs(),
    "clone": lambda lib, a, b: a.clone(),
    "add": lambda lib, a, b: a + b,
    "mul": lambda lib, a, b: a * b,
    "div": lambda lib, a, b: a / (b * b + 1),
}
SEEN: dict[str, Callable[..., Any]] = {
    "row": lambda lib, a, b: a[0],
    "rows": lambda lib, a, b: a[1:],
    "column": lambda lib, a, b: a[..., 1],
    "columns": lambda lib, a, b: a[..., :2],
    "reshape": lambda lib, a, b: a.reshape(-1),
    "transpose": lambda lib, a, b: a.transpose(0, -1),
    "unsqueeze": lambda lib, a, b: a.unsqueeze(0),
    "diagonal": lambda lib, a, b: a.diagonal() if a.ndim == 2 else a[-1:],
}
CHANGED: dict[str, Callable[..., Any]] = {
    "add_": lambda lib, a, b: a.add_(b),
    "mul_": lambda lib, a, b: a.mul_(b),
    "copy_": lambda lib, a, b: a.copy_(b),
    "tanh_": lambda lib, a, b: a.tanh_(),
    "relu_": lambda lib, a, b: a.relu_(),
    "zero_": lambda lib, a, b: a.zero_(),
    "set": lambda lib, a, b: a.__setitem__(0, a[-1] * 2) if len(a) > 1 else None,
    "part": lambda lib, a, b: a[:1].mul_(3),
    "fill": lambda lib, a, b: a.masked_fill_(a.detach() > 0.5, 0.25),
}
KINDS = (MADE, SEEN, SEEN, CHANGED, CHANGED)


def program(seed: int) -> Callable[..., Any]:
    """Tensors are made of others, seen otherwise, changed, or let go of."""
    choose = random.Random(seed)
    steps = [
        (choose.choice([choose.choice(list(kind.items())) for kind in KINDS]), *places)
        for places in [(choose.random(), choose.random()) for _ in range(choose.randint(*STEPS))]
    ]

    def f(lib: Any, x: Any, y: Any) -> Any:
        known = [x * 1, y * 1]
        for (name, function), first, second in steps:
            a, b = (known[int(len(known) * place)] for place in (first, second))
            if name in SEEN and not a.ndim:
                continue
            if name in CHANGED and not a.ndim:
                name, function = "tanh_", CHANGED["tanh_"]
            b = b if a.shape == b.shape else b.sum()
            result = function(lib, a, b)
            if name not in CHANGED:
                known.append(result)
            elif len(known) > 3 and first < second:
                known.pop(int(len(known) * second))
            a = b = result = None
        return sum([(z * z).sum() + z.sum() for z in known])

    return f


@pytest.mark.parametrize("part", range(4))
def test_programs(part: int) -> None:
    compared = 0
    for seed in range(part, PROGRAMS, 4):
        numbers = np.random.default_rng(seed)
        x, y = numbers.standard_normal((2, 3, 3))
        f = program(seed)
        try:
            z = f(torch, *(torch.tensor(a, requires_grad=True) for a in (x, y)))
            z.backward()
        except RuntimeError:
            continue  # PyTorch refuses
        compare(f, x, y)
        compared += 1
    assert compared > PROGRAMS / 16
