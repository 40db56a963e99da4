"""Reading, writing, gathering and sorting by index against PyTorch's, values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare, same  # noqa: E402

import tinygan  # noqa: E402


def real(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def long(lib: Any, values: Any) -> Any:
    return lib.tensor(values, dtype=lib.int64)


KEYS: dict[str, Callable[[Any], Any]] = {
    "an integer": lambda lib: 1,
    "a negative integer": lambda lib: -1,
    "an integer of NumPy's": lambda lib: np.int32(1),
    "integers": lambda lib: (1, -2, 0),
    "a slice": lambda lib: slice(1, None),
    "a slice with a step": lambda lib: (slice(None), slice(None, None, 2)),
    "a slice from behind": lambda lib: slice(-2, -1),
    "a slice out of range": lambda lib: slice(5, 100),
    "an ellipsis": lambda lib: ...,
    "an ellipsis and an integer": lambda lib: (..., 1),
    "an ellipsis of nothing": lambda lib: (0, 1, ..., 2),
    "None": lambda lib: None,
    "None among slices": lambda lib: (slice(1), None, ..., None, 0),
    "an empty tuple": lambda lib: (),
    "a list": lambda lib: [2, 0, -1],
    "an empty list": lambda lib: (slice(None), []),
    "a matrix of NumPy's": lambda lib: np.array([[0, 1], [2, 0]]),
    "a range": lambda lib: (range(2), range(1, 3)),
    "an integer tensor": lambda lib: long(lib, [2, 2, -3, 0]),
    "a matrix of indices": lambda lib: (slice(None), long(lib, [[0, 1], [-1, 3]])),
    "small indices": lambda lib: lib.tensor([1, 0, 1], dtype=lib.int32),
    "an array": lambda lib: np.array([1, 0]),
    "a 0-d tensor": lambda lib: long(lib, 1),
    "a negative 0-d tensor": lambda lib: (slice(1, None), long(lib, -2)),
    "two 0-d tensors": lambda lib: (long(lib, 1), slice(None), long(lib, 3)),
    "a 0-d tensor and a list": lambda lib: (long(lib, 1), slice(None), [3, 0]),
    "an integer and a list": lambda lib: (1, slice(None), [3, 0]),
    "a list and an integer": lambda lib: ([0, 2], slice(None), 1),
    "two lists": lambda lib: ([0, 2, 0], [1, 1, 1]),
    "two lists apart": lambda lib: ([0, 2], slice(None), [1, -1]),
    "two lists that broadcast": lambda lib: (long(lib, [[0], [2]]), long(lib, [1, 1, 3])),
    "two at the end": lambda lib: (slice(1, 3), long(lib, [[0], [2]]), [1, 1, 3]),
    "a list, None, a list": lambda lib: ([0, 2], None, [1, -1]),
    "lists around an ellipsis": lambda lib: ([0, 2], ..., [1, -1]),
    "a mask": lambda lib: lib.tensor([True, False, True]),
    "a mask of two dimensions": lambda lib: lib.tensor(np.arange(12).reshape(3, 4) % 3 == 0),
    "a mask of all": lambda lib: lib.tensor(np.arange(60).reshape(3, 4, 5) % 7 == 0),
    "a mask of none": lambda lib: lib.tensor(np.zeros((3, 4), bool)),
    "a mask of no dimensions": lambda lib: (1, lib.tensor(True)),
    "a false mask of no dimensions": lambda lib: (lib.tensor(False), ..., 0),
    "a mask, a 0-d tensor": lambda lib: (
        lib.tensor(np.arange(12).reshape(3, 4) % 3 == 0),
        long(lib, 3),
    ),
    "a 0-d tensor, a mask": lambda lib: (
        long(lib, 2),
        lib.tensor(np.arange(20).reshape(4, 5) % 3 == 0),
    ),
    "a wide mask and a list": lambda lib: (
        lib.tensor(np.arange(12).reshape(3, 4) == 5),
        [1, 0, 1],
    ),
    "a list and a wide mask": lambda lib: (
        [1, 0, -1, 0],
        lib.tensor(np.arange(20).reshape(4, 5) % 5 == 0),
    ),
    "a mask behind": lambda lib: (..., lib.tensor([True, False, True, True, False])),
    "a mask and a list": lambda lib: (lib.tensor([True, False, True]), [1, 0]),
    "a mask and a slice": lambda lib: (lib.tensor([True, False, True]), slice(1, 3)),
    "a list of booleans": lambda lib: [True, False, True],
    "True": lambda lib: True,
    "False": lambda lib: (False, ...),
}


TWICE = {  # they name a place twice: which of the values written to it stays is not said
    "a wide mask and a list", "an integer tensor", "small indices", "two at the end", "two lists",
    "two lists that broadcast",
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_reading(name: str) -> None:
    compare(lambda lib, x: x[KEYS[name](lib)], real(3, 4, 5))


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", KEYS)
def test_writing(name: str, recorded: bool) -> None:
    def number(lib: Any, x: Any) -> Any:
        y = x * 1 if recorded else x.detach().clone()
        y[KEYS[name](lib)] = 2.5
        return y * x

    compare(number, real(3, 4, 5))
    target = torch.zeros(3, 4, 5)[KEYS[name](torch)].shape
    value = np.ones(target) if name in TWICE else real(*target)

    def tensor(lib: Any, x: Any, v: Any) -> Any:
        y = x * 1
        if not recorded:
            y, v = y.detach(), v.detach()
        y[KEYS[name](lib)] = v
        return y * x

    compare(tensor, real(3, 4, 5), value)


@pytest.mark.parametrize("key", [1, (slice(None), [2, 0]), (..., slice(1, 3))])
@pytest.mark.parametrize("recorded", [False, True])
def test_what_is_written_is_broadcast(key: Any, recorded: bool) -> None:
    target = torch.zeros(3, 4, 5)[key].shape
    for shape in (target[-1:], (1, 1, *target), (*target[:-1], 1), (1,), ()):

        def assign(lib: Any, x: Any, v: Any) -> Any:
            y = x * 1
            if not recorded:
                y, v = y.detach(), v.detach()
            y[key] = v
            return y * x

        compare(assign, real(3, 4, 5), real(*shape))


def test_what_is_written_is_cast() -> None:
    for dtype, value in (("int64", 2.7), ("float32", 3), ("bool", 2), ("uint8", True)):
        ours, theirs = (lib.zeros(3, dtype=getattr(lib, dtype)) for lib in (tinygan, torch))
        for x in (ours, theirs):
            x[1] = value
        same(ours, theirs, dtype)
    x, t = tinygan.zeros(3), torch.zeros(3)
    x[:2], t[:2] = tinygan.tensor([1, 2]), torch.tensor([1, 2])
    same(x, t, "integers among reals")


def test_views_see_what_is_written() -> None:
    def f(lib: Any, x: Any) -> Any:
        y = x.detach().clone()
        row, column, rest = y[1], y[:, 0, None], y[..., 1:]
        y[1:] = 7
        row[0] = 5
        rest[0] = -1
        return y, row, column, rest

    compare(f, real(3, 4))


INDEX = np.array([[0, 2, 1, 1], [2, 2, 0, 1]])

OPS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "gather": (lambda lib, x, i: lib.gather(x, 0, i), (real(3, 4), INDEX)),
    "gather along 1": (lambda lib, x, i: x.gather(1, i), (real(2, 3), INDEX)),
    "gather of a part": (lambda lib, x, i: x.gather(-1, i[:1, :2]), (real(2, 3), INDEX)),
    "gather of 3": (lambda lib, x, i: x.gather(1, i[:, :, None]), (real(2, 3, 2), INDEX)),
    "gather int32 indices": (lambda lib, x, i: x.gather(0, i), (real(3, 4), INDEX)),
    "scatter": (
        lambda lib, x, i, s: lib.scatter(x, 1, i, s),
        (real(2, 5), np.array([[0, 4], [3, 1]]), real(2, 2)),
    ),
    "scatter a number": (lambda lib, x, i: x.scatter(0, i, 1.5), (real(3, 4), INDEX)),
    "one-hot": (
        lambda lib, x, i: lib.zeros_like(x).scatter(1, i, 1.0) * x,
        (real(3, 4), np.array([[1], [3], [0]])),
    ),
    "scatter_add": (
        lambda lib, x, i, s: lib.scatter_add(x, 0, i, s),
        (real(3, 4), INDEX, real(2, 4)),
    ),
    "scatter a part of a source": (
        lambda lib, x, i: x.scatter(0, i, lib.ones_like(x)) * x,
        (real(3, 4), INDEX),
    ),
    "scatter_add a part of a source": (
        lambda lib, x, i: x.scatter_add(0, i, x.detach()) * x,
        (real(3, 4), INDEX),
    ),
    "scatter in place": (
        lambda lib, x, i, s: (x * 1).scatter_(0, i, s).scatter_add_(0, i, s * s),
        (real(3, 4), np.array([[0, 2, 1, 1], [2, 1, 0, 0]]), real(2, 4)),
    ),
    "index_select": (lambda lib, x, i: lib.index_select(x, 1, i[0]), (real(2, 3), INDEX)),
    "index_select of a vector": (lambda lib, x, i: x.index_select(0, i[1]), (real(3), INDEX)),
    "index_add": (
        lambda lib, x, i, s: lib.index_add(x, 0, i[0], s, alpha=2),
        (real(3, 2), INDEX, real(4, 2)),
    ),
    "take_along_dim": (lambda lib, x, i: lib.take_along_dim(x, i, 0), (real(3, 1), INDEX)),
    "take_along_dim of all": (lambda lib, x, i: lib.take_along_dim(x, i), (real(3, 2), INDEX)),
    "masked_select": (lambda lib, x, i: lib.masked_select(x, i > 1), (real(3, 1, 4), INDEX)),
    "select": (lambda lib, x: x.select(-1, 2), (real(2, 3),)),
    "sort": (lambda lib, x: tuple(lib.sort(x)), (real(3, 5),)),
    "sort down": (lambda lib, x: tuple(lib.sort(x, 0, descending=True)), (real(3, 5),)),
    "sort a number": (lambda lib, x: tuple(lib.sort(x)), (real(),)),
    "argsort": (lambda lib, x: lib.argsort(x, dim=0, descending=True), (real(3, 5),)),
    "stable sort of equals": (
        lambda lib, x: tuple(lib.sort(x, stable=True)),
        (np.array([1.0, 0, 1, 0, 1]),),
    ),
    "stable sort of equals down": (
        lambda lib, x: tuple(lib.sort(x, stable=True, descending=True)),
        (np.array([1.0, 0, 1, 0, 1]),),
    ),
    "sort with NaN": (lambda lib, x: lib.sort(x).values, (np.array([1.0, np.nan, -1]),)),
    "sort down with NaN": (
        lambda lib, x: lib.sort(x, descending=True).values,
        (np.array([1.0, np.nan, -1]),),
    ),
    "topk": (lambda lib, x: tuple(lib.topk(x, 2)), (real(3, 5),)),
    "topk of the smallest": (
        lambda lib, x: tuple(lib.topk(x, 2, dim=0, largest=False)),
        (real(3, 5),),
    ),
    "nonzero": (lambda lib, i: lib.nonzero(i), (INDEX,)),
    "nonzero as a tuple": (lambda lib, i: lib.nonzero(i, as_tuple=True), (INDEX,)),
    "nonzero of a number": (lambda lib, i: lib.nonzero(i[0, 1]), (INDEX,)),
    "nonzero of a number as a tuple": (
        lambda lib, i: lib.nonzero(i[0, 1], as_tuple=True),
        (INDEX,),
    ),
}


@pytest.mark.parametrize("name", OPS)
def test_ops(name: str) -> None:
    f, arrays = OPS[name]
    compare(f, *arrays)


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "an integer too large": lambda lib, x: x[2],
    "an integer too small": lambda lib, x: x[0, -4],
    "too many indices": lambda lib, x: x[0, 0, 0],
    "a negative step": lambda lib, x: x[::-1],
    "a step of 0": lambda lib, x: x[::0],
    "a float": lambda lib, x: x[1.0],
    "a string": lambda lib, x: x["a"],
    "a tensor of floats": lambda lib, x: x[lib.tensor([1.0])],
    "a list too large": lambda lib, x: x[[0, 2]],
    "a list too small": lambda lib, x: x[:, [0, -4]],
    "lists that do not broadcast": lambda lib, x: x[[0, 1], [0, 1, 2]],
    "a mask of another size": lambda lib, x: x[lib.tensor([True, False, True])],
    "a number of a number": lambda lib, x: x[0, 0][0],
    "writing a wrong shape": lambda lib, x: x.__setitem__(0, lib.zeros(2)),
    "writing too many": lambda lib, x: x.__setitem__([0, 1], lib.zeros(3, 3)),
    "writing out of range": lambda lib, x: x.__setitem__(2, 0.0),
    "writing a list": lambda lib, x: x.__setitem__(0, [1.0, 2.0, 3.0]),
    "writing into a leaf": lambda lib, x: x.requires_grad_().__setitem__(0, 1.0),
    "gather with another ndim": lambda lib, x: x.gather(0, long(lib, [0])),
    "gather with too many": lambda lib, x: x.gather(0, long(lib, [[0] * 4])),
    "gather out of range": lambda lib, x: x.gather(0, long(lib, [[2]])),
    "gather below 0": lambda lib, x: x.gather(0, long(lib, [[-1]])),
    "gather by floats": lambda lib, x: x.gather(0, lib.zeros(2, 3)),
    "scatter with too small a source": lambda lib, x: x.scatter(
        0, long(lib, [[0, 1, 0]]), lib.zeros(1, 2)
    ),
    "index_select out of range": lambda lib, x: x.index_select(0, long(lib, [2])),
    "index_select by a matrix": lambda lib, x: x.index_select(0, long(lib, [[0]])),
    "topk of too many": lambda lib, x: x.topk(4),
    "sort along no dimension": lambda lib, x: lib.sort(x, 2),
    "masked_select by numbers": lambda lib, x: lib.masked_select(x, x),
    "narrow beyond": lambda lib, x: x.narrow(1, 2, 2),
}


@pytest.mark.parametrize("name", WRONG)
def test_misuse_is_an_error_in_both(name: str) -> None:
    expected = (RuntimeError, IndexError, ValueError, TypeError)
    with pytest.raises(expected):
        WRONG[name](torch, torch.ones(2, 3))
    with pytest.raises(expected):
        WRONG[name](tinygan, tinygan.ones(2, 3))
