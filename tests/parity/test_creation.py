"""Factories against PyTorch's: types, shapes, values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import same  # noqa: E402

import tinygan  # noqa: E402

FACTORIES: dict[str, Callable[[Any], Any]] = {
    "tensor float": lambda lib: lib.tensor(1.5),
    "tensor int": lambda lib: lib.tensor([[1, 2], [3, 4]]),
    "tensor bool": lambda lib: lib.tensor([True, False]),
    "tensor mixed": lambda lib: lib.tensor([1, 2.5, True]),
    "tensor float64 number": lambda lib: lib.tensor(np.float64(1.5)),
    "tensor of float64 numbers": lambda lib: lib.tensor([np.float64(1.5), np.float64(2)]),
    "tensor array": lambda lib: lib.tensor(np.arange(3, dtype="int16")),
    "tensor dtype": lambda lib: lib.tensor([1, 2], dtype=lib.float16),
    "tensor of tensors": lambda lib: lib.tensor([lib.tensor(1.0), lib.tensor(2.0)]),
    "as_tensor": lambda lib: lib.as_tensor([1.0, 2.0]),
    "zeros": lambda lib: lib.zeros(2, 3),
    "ones": lambda lib: lib.ones((2, 3), dtype=lib.int64),
    "zeros size": lambda lib: lib.zeros(lib.ones(2, 1).size()),
    "full float": lambda lib: lib.full((2, 2), 0.5),
    "full int": lambda lib: lib.full((2,), 7),
    "full bool": lambda lib: lib.full((2,), True),
    "full dtype": lambda lib: lib.full([2], 7, dtype=lib.float64),
    "eye": lambda lib: lib.eye(3),
    "eye rectangle": lambda lib: lib.eye(2, 4, dtype=lib.float64),
    "arange": lambda lib: lib.arange(5),
    "arange float": lambda lib: lib.arange(5.0),
    "arange step": lambda lib: lib.arange(1, 10, 3),
    "arange tenths": lambda lib: lib.arange(0, 1, 0.1),
    "arange tenths to 0.3": lambda lib: lib.arange(0.1, 0.4, 0.1, dtype=lib.float64),
    "arange down": lambda lib: lib.arange(5, -5, -2),
    "arange dtype": lambda lib: lib.arange(5, dtype=lib.float32),
    "linspace": lambda lib: lib.linspace(-1, 1, 7),
    "linspace one": lambda lib: lib.linspace(3, 9, 1),
    "linspace float64": lambda lib: lib.linspace(0, 1, 11, dtype=lib.float64),
    "zeros_like": lambda lib: lib.zeros_like(lib.ones(2, 3)),
    "ones_like dtype": lambda lib: lib.ones_like(lib.ones(2, 3), dtype=lib.int32),
    "full_like": lambda lib: lib.full_like(lib.ones(2, 3), 0.25),
    "full_like int": lambda lib: lib.full_like(lib.tensor([1, 2]), 7),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_factories(name: str) -> None:
    same(FACTORIES[name](tinygan), FACTORIES[name](torch), name)


TYPES: dict[str, Callable[[Any, Any], Any]] = {
    "class": lambda lib, x: x.type(lib.Tensor),
    "constructor": lambda lib, x: x.type(lib.LongTensor),
    "name": lambda lib, x: x.type("torch.DoubleTensor"),
    "dtype": lambda lib, x: x.type(lib.float16),
    "keyword": lambda lib, x: x.type(dtype=lib.int32),
    "of another": lambda lib, x: x.type(lib.ones(1).double().type()),
}
NAMES = ["Half", "Float", "Double", "Byte", "Char", "Short", "Int", "Long", "Bool"]


@pytest.mark.parametrize("name", TYPES)
def test_types(name: str) -> None:
    for source in ([1.5, -2.0], [1, 0], [True, False]):
        ours = TYPES[name](tinygan, tinygan.tensor(source))
        same(ours, TYPES[name](torch, torch.tensor(source)), name)


@pytest.mark.parametrize("name", [f"{name}Tensor" for name in NAMES])
def test_typed_tensors(name: str) -> None:
    ours, theirs = getattr(tinygan, name), getattr(torch, name)
    same(ours([0, 1, 1]), theirs([0, 1, 1]), name)
    x, y = ours(2, 3), theirs(2, 3)
    assert tuple(x.shape) == tuple(y.shape) and x.type() == y.type() == f"torch.{name}"
    assert isinstance(x, ours) and not isinstance(x.to(tinygan.float16), tinygan.cuda.HalfTensor)
    assert [isinstance(x, getattr(tinygan, f"{n}Tensor")) for n in NAMES] == [
        isinstance(y, getattr(torch, f"{n}Tensor")) for n in NAMES
    ]
    assert not isinstance(x, getattr(tinygan.cuda, name)) and not isinstance(3, ours)
    for library, tensor in ((tinygan, x), (torch, y)):
        with pytest.raises(ValueError, match="invalid type"):
            tensor.type("float")
        assert hasattr(library.cuda, name)
