"""Views, joins and rearrangements against PyTorch's, values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

import tinygan  # noqa: E402


def real(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


ONE: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, ...]]] = {
    "reshape": (lambda lib, x: x.reshape(4, -1), (2, 3, 2)),
    "reshape of a tuple": (lambda lib, x: lib.reshape(x, (3, 4)), (2, 6)),
    "reshape to nothing": (lambda lib, x: x[:0].reshape(0, 5), (2, 5)),
    "reshape to one number": (lambda lib, x: x.reshape(()), (1, 1)),
    "reshape of a transpose": (lambda lib, x: x.permute(0, 2, 3, 1).reshape(2, -1), (2, 3, 4, 5)),
    "view": (lambda lib, x: x.view(6), (2, 3)),
    "view_as": (lambda lib, x: x.view_as(x.new_zeros(3, 2)), (2, 3)),
    "flatten": (lambda lib, x: x.flatten(), (2, 3, 2)),
    "flatten from 1": (lambda lib, x: lib.flatten(x, 1), (2, 3, 2)),
    "flatten to -2": (lambda lib, x: lib.flatten(x, end_dim=-2), (2, 3, 2)),
    "flatten a number": (lambda lib, x: lib.flatten(x), ()),
    "unflatten": (lambda lib, x: x.unflatten(-1, (3, -1)), (2, 6)),
    "permute": (lambda lib, x: x.permute(2, 0, 1), (2, 3, 4)),
    "permute by a tuple": (lambda lib, x: lib.permute(x, (-1, 0, 1)), (2, 3, 4)),
    "transpose": (lambda lib, x: lib.transpose(x, 0, -1), (2, 3, 4)),
    "swapaxes": (lambda lib, x: lib.swapaxes(x, 0, 1), (2, 3)),
    "t": (lambda lib, x: lib.t(x), (2, 3)),
    "t of a vector": (lambda lib, x: lib.t(x), (2,)),
    "T": (lambda lib, x: x.T, (2, 3)),
    "mT": (lambda lib, x: x.mT, (4, 2, 3)),
    "movedim": (lambda lib, x: lib.movedim(x, 0, 2), (2, 3, 4)),
    "movedim of two": (lambda lib, x: lib.movedim(x, (0, 3), (-1, 0)), (2, 3, 4, 5)),
    "movedim of a number": (lambda lib, x: lib.movedim(x, 0, -1), ()),
    "squeeze": (lambda lib, x: x.squeeze(), (1, 2, 1)),
    "squeeze one": (lambda lib, x: x.squeeze(0), (1, 2, 1)),
    "squeeze what is not 1": (lambda lib, x: x.squeeze(1), (1, 2, 1)),
    "squeeze two": (lambda lib, x: lib.squeeze(x, (0, -1)), (1, 2, 1)),
    "squeeze a number": (lambda lib, x: x.squeeze(-1), ()),
    "unsqueeze": (lambda lib, x: x.unsqueeze(1), (2, 3)),
    "unsqueeze at the end": (lambda lib, x: lib.unsqueeze(x, -1), (2, 3)),
    "expand": (lambda lib, x: x.expand(4, -1, 3), (2, 1)),
    "expand a number": (lambda lib, x: x.expand(2, 3), ()),
    "expand to nothing": (lambda lib, x: x.expand(0, 3), (1, 3)),
    "expand_as": (lambda lib, x: x.expand_as(x.new_zeros(2, 3)), (3,)),
    "broadcast_to": (lambda lib, x: lib.broadcast_to(x, (2, 3)), (2, 1)),
    "sum_to_size": (lambda lib, x: x.sum_to_size(2, 1), (3, 2, 4)),
    "split": (lambda lib, x: lib.split(x, 2, dim=1), (2, 5)),
    "split by sizes": (lambda lib, x: x.split([1, 0, 3], -1), (2, 4)),
    "split of nothing": (lambda lib, x: x[:0].split(3), (2, 4)),
    "chunk": (lambda lib, x: lib.chunk(x, 3), (7, 2)),
    "chunk into fewer": (lambda lib, x: x.chunk(5, 1), (1, 6)),
    "unbind": (lambda lib, x: x.unbind(1), (2, 3)),
    "narrow": (lambda lib, x: x.narrow(1, 1, 2), (2, 4)),
    "narrow from behind": (lambda lib, x: lib.narrow(x, -1, -3, 2), (2, 4)),
    "flip": (lambda lib, x: lib.flip(x, (0, 2)), (2, 3, 2)),
    "flip a number": (lambda lib, x: x.flip(0), ()),
    "flip by numbers": (lambda lib, x: x.flip(0, -1), (2, 3, 2)),
    "roll": (lambda lib, x: lib.roll(x, 1), (2, 3)),
    "roll along": (lambda lib, x: x.roll((1, -5), (0, 1)), (2, 3)),
    "roll twice along one": (lambda lib, x: x.roll((1, 1), (0, 0)), (5, 3)),
    "repeat": (lambda lib, x: x.repeat(2, 3), (2, 2)),
    "repeat in new dimensions": (lambda lib, x: x.repeat(2, 1, 3), (2, 2)),
    "repeat zero times": (lambda lib, x: x.repeat(0, 2), (2, 2)),
    "tile": (lambda lib, x: lib.tile(x, (2,)), (2, 3)),
    "tile a vector": (lambda lib, x: x.tile(2, 2), (3,)),
    "repeat_interleave": (lambda lib, x: lib.repeat_interleave(x, 2), (2, 3)),
    "repeat_interleave along": (lambda lib, x: lib.repeat_interleave(x, 3, dim=-2), (2, 3)),
    "tril": (lambda lib, x: lib.tril(x), (2, 3, 4)),
    "tril below": (lambda lib, x: lib.tril(x, -1), (4, 3)),
    "triu": (lambda lib, x: lib.triu(x, diagonal=2), (3, 5)),
    "diag": (lambda lib, x: lib.diag(x, -1), (3,)),
    "diag of a matrix": (lambda lib, x: lib.diag(x, 1), (3, 4)),
    "diag beyond": (lambda lib, x: lib.diag(x, -3), (3, 4)),
    "diagonal": (lambda lib, x: lib.diagonal(x), (3, 4)),
    "diagonal of a batch": (lambda lib, x: lib.diagonal(x, -1, 2, 0), (3, 2, 4)),
    "diag_embed": (lambda lib, x: lib.diag_embed(x, 1), (2, 3)),
    "trace": (lambda lib, x: lib.trace(x), (3, 4)),
    "iteration": (lambda lib, x: tuple(x), (3, 2)),
}


@pytest.mark.parametrize("name", ONE)
def test_of_one_tensor(name: str) -> None:
    f, shape = ONE[name]
    compare(f, real(*shape))


SEEN: dict[str, Callable[[Any, Any], Any]] = {
    "a number by an ellipsis": lambda lib, x: x[0, ..., 1],
    "diagonal": lambda lib, x: x.diagonal(1),
    "diagonal of a transpose": lambda lib, x: lib.diagonal(x.T, -1),
    "diagonal of every other row": lambda lib, x: x[::2].diagonal(),
    "diag": lambda lib, x: lib.diag(x),
    "prod of one": lambda lib, x: x[0, :1].prod(),
    "prod along one": lambda lib, x: x[:1].prod(0),
    "prod along one, kept": lambda lib, x: x[:1].prod(0, keepdim=True),
    "prod of a number": lambda lib, x: x[0, 0].prod(0),
    "sort of a number": lambda lib, x: lib.sort(x[0, 0]).values,
    "topk of a number": lambda lib, x: lib.topk(x[0, 0], 1).values,
    "gather of a number": lambda lib, x: x[0, 0].gather(0, lib.tensor(0)),
    "nan_to_num": lambda lib, x: lib.nan_to_num(x),
    "unfold": lambda lib, x: lib.nn.functional.unfold(x[None, None], 1),
    "pixel_shuffle": lambda lib, x: lib.nn.functional.pixel_shuffle(x[None], 1),
    "pixel_unshuffle": lambda lib, x: lib.nn.functional.pixel_unshuffle(x[None], 1),
    "sum_to_size": lambda lib, x: x.sum_to_size(3, 4),
}


@pytest.mark.parametrize("name", SEEN)
def test_the_same_results_see_what_is_written(name: str) -> None:
    def f(lib: Any, x: Any) -> Any:
        x = x.detach().clone()
        y = SEEN[name](lib, x)
        x += 1
        return y

    compare(f, real(3, 4))
    if name.startswith("nan_to_num"):
        compare(f, np.arange(12).reshape(3, 4))


SEVERAL: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "cat": (lambda lib, *xs: lib.cat(xs), [(2, 3), (1, 3), (0, 3)]),
    "cat skips the empty vector": (lambda lib, *xs: lib.cat(xs), [(0,), (2, 3), (1, 3)]),
    "cat along -1": (lambda lib, *xs: lib.cat(xs, dim=-1), [(2, 3), (2, 1)]),
    "concat": (lambda lib, *xs: lib.concat(xs, 1), [(2, 3), (2, 1)]),
    "cat of one tensor twice": (lambda lib, x: lib.cat([x, x * x, x]), [(2, 3)]),
    "stack": (lambda lib, *xs: lib.stack(xs), [(2, 3), (2, 3)]),
    "stack of numbers": (lambda lib, *xs: lib.stack(xs), [(), ()]),
    "stack at the end": (lambda lib, *xs: lib.stack(xs, -1), [(2, 3), (2, 3)]),
    "broadcast_tensors": (lambda lib, *xs: lib.broadcast_tensors(*xs), [(2, 1), (3,), ()]),
    "meshgrid": (lambda lib, *xs: lib.meshgrid(*xs, indexing="ij"), [(2,), (3,), (4,)]),
    "meshgrid xy": (lambda lib, *xs: lib.meshgrid(*xs, indexing="xy"), [(2,), (3,), ()]),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_tensors(name: str) -> None:
    f, shapes = SEVERAL[name]
    compare(f, *(real(*shape) for shape in shapes))


@pytest.mark.parametrize("types", [("float32", "int64"), ("int32", "uint8"), ("bool", "float64")])
def test_cat_promotes(types: tuple[str, str]) -> None:
    compare(lambda lib, *xs: lib.cat(xs), *(real(2, 2).astype(t) for t in types), order=1)


def test_the_type_of_an_empty_vector_counts() -> None:
    for empty, other in (("float64", "float32"), ("float32", "int64"), ("int64", "float32")):
        xs = np.zeros(0, empty), np.ones((2, 2), other), np.ones((1, 2), other)
        compare(lambda lib, *xs: lib.cat([x.detach() for x in xs]), *xs)
        compare(lambda lib, *xs: lib.hstack([x.detach() for x in xs[:2]]), *xs)


def test_copies_of_what_was_expanded_are_dense() -> None:
    copies: list[Callable[[Any], Any]] = [
        lambda x: x.clone(),
        lambda x: x.double(),
        lambda x: x.bool(),
        lambda x: x.to(x.dtype, copy=True),
    ]
    for copy in copies:
        for shape in ((4, 3), (2, 4, 3)):
            ours, theirs = (copy(lib.arange(3.0).expand(shape)) for lib in (tinygan, torch))
            assert ours.is_contiguous() and theirs.is_contiguous()
            ours.view(-1)[0] = theirs.view(-1)[0] = 5
            assert np.array_equal(ours.numpy(), theirs.numpy())
        ours, theirs = (copy(lib.ones(2, 3).T) for lib in (tinygan, torch))
        assert ours.stride() == theirs.stride()


@pytest.mark.parametrize("layout", [(0, 2, 3, 1), (0, 1, 2, 3), (2, 3, 0, 1)])
def test_flatten_of_any_memory_order_is_in_logical_order(layout: tuple[int, ...]) -> None:
    x = real(2, 3, 4, 5)
    inverse = np.argsort(layout)
    array = np.ascontiguousarray(x.transpose(layout)).transpose(inverse)
    ours, theirs = tinygan.tensor(x), torch.tensor(x)
    ours.array = array
    assert np.array_equal(ours.flatten(1).numpy(), theirs.flatten(1).numpy())
    assert np.array_equal(ours.reshape(6, -1).numpy(), theirs.reshape(6, -1).numpy())


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "reshape to another size": lambda lib, x: x.reshape(5),
    "reshape with two unknowns": lambda lib, x: x.reshape(-1, -1),
    "reshape to a negative size": lambda lib, x: x.reshape(-2, 3),
    "flatten backwards": lambda lib, x: lib.flatten(x, 1, 0),
    "permute too few": lambda lib, x: x.permute(0),
    "permute twice the same": lambda lib, x: x.permute(0, 0),
    "transpose out of range": lambda lib, x: x.transpose(0, 2),
    "unsqueeze out of range": lambda lib, x: x.unsqueeze(3),
    "expand to fewer dimensions": lambda lib, x: x.expand(3),
    "expand what is not 1": lambda lib, x: x.expand(4, 3),
    "a new dimension of -1": lambda lib, x: x.expand(-1, 2, 3),
    "cat of nothing": lambda lib, x: lib.cat([]),
    "cat of numbers": lambda lib, x: lib.cat([x[0, 0], x[0, 0]]),
    "cat of different sizes": lambda lib, x: lib.cat([x, x[:, :2]]),
    "stack of different shapes": lambda lib, x: lib.stack([x, x[:1]]),
    "split by sizes that do not add up": lambda lib, x: x.split([1, 2], 0),
    "chunk into none": lambda lib, x: x.chunk(0),
    "narrow too far": lambda lib, x: x.narrow(0, 1, 2),
    "repeat fewer": lambda lib, x: x.repeat(2),
    "roll by too many": lambda lib, x: x.roll((1, 2), (0,)),
    "tril of a vector": lambda lib, x: lib.tril(x[0]),
    "diag of 3 dimensions": lambda lib, x: lib.diag(x[None]),
    "broadcast of what does not": lambda lib, x: lib.broadcast_tensors(x, x.T),
    "sum to what does not broadcast": lambda lib, x: x.sum_to_size(3, 3),
}


@pytest.mark.parametrize("name", WRONG)
def test_misuse_is_an_error_in_both(name: str) -> None:
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        WRONG[name](torch, torch.zeros(2, 3))
    with pytest.raises((ValueError, IndexError)):
        WRONG[name](tinygan, tinygan.zeros(2, 3))
