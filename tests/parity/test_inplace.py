"""In-place ops against PyTorch's: values, types, gradients through them, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare, same  # noqa: E402

import tinygan  # noqa: E402

X = np.array([[0.3, -1.2, 2.0], [0.7, 1.5, -0.4]])
Y = np.array([0.9, -2.0, 1.5])


def _iadd(x: Any, y: Any) -> Any:
    x += y
    return x


def _isub(x: Any, y: Any) -> Any:
    x -= y
    return x


def _imul(x: Any, y: Any) -> Any:
    x *= y
    return x


def _idiv(x: Any, y: Any) -> Any:
    x /= y
    return x


def _ipow(x: Any, y: Any) -> Any:
    x **= 3
    return x


IN_PLACE: dict[str, Callable[..., Any]] = {
    "add_": lambda lib, x, y: x.add_(y),
    "add_ alpha": lambda lib, x, y: x.add_(y, alpha=-0.3),
    "sub_": lambda lib, x, y: x.sub_(y, alpha=2),
    "mul_": lambda lib, x, y: x.mul_(y),
    "div_": lambda lib, x, y: x.div_(y),
    "pow_": lambda lib, x, y: x.pow_(2),
    "+=": lambda lib, x, y: _iadd(x, y),
    "-=": lambda lib, x, y: _isub(x, y),
    "*=": lambda lib, x, y: _imul(x, y),
    "/=": lambda lib, x, y: _idiv(x, y),
    "**=": lambda lib, x, y: _ipow(x, y),
    "neg_": lambda lib, x, y: x.neg_(),
    "abs_": lambda lib, x, y: x.abs_(),
    "exp_": lambda lib, x, y: x.exp_(),
    "sqrt_": lambda lib, x, y: x.abs_().sqrt_(),
    "clamp_": lambda lib, x, y: x.clamp_(-0.5, 1),
    "clamp_ tensor": lambda lib, x, y: x.clamp_(min=y),
    "clamp_min_": lambda lib, x, y: x.clamp_min_(0.1),
    "clamp_max_": lambda lib, x, y: x.clamp_max_(0.1),
    "relu_": lambda lib, x, y: x.relu_(),
    "sigmoid_": lambda lib, x, y: x.sigmoid_(),
    "tanh_": lambda lib, x, y: x.tanh_(),
    "lerp_": lambda lib, x, y: x.lerp_(y.expand(2, 3), 0.25),
    "addcmul_": lambda lib, x, y: x.addcmul_(y, y, value=0.5),
    "addcdiv_": lambda lib, x, y: x.addcdiv_(y, y * y, value=0.5),
    "masked_fill_": lambda lib, x, y: x.masked_fill_(y > 0, 7.0),
    "fill_": lambda lib, x, y: x.fill_(2.5),
    "fill_ tensor": lambda lib, x, y: x.fill_(y.sum()),
    "zero_": lambda lib, x, y: x.zero_(),
    "copy_": lambda lib, x, y: x.copy_(y),
    "copy_ of an expression": lambda lib, x, y: x.copy_(y * y),
    "square_": lambda lib, x, y: x.square_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_gradients_through_in_place_ops(name: str) -> None:
    def f(lib: Any, x: Any, y: Any) -> Any:
        h = x * 2  # no leaf
        result = IN_PLACE[name](lib, h, y)
        assert result is h
        return result * y + x

    compare(f, X, Y)
    compare(f, X.astype("float32"), Y.astype("float32"), order=1)


@pytest.mark.parametrize("name", IN_PLACE)
def test_on_plain_memory(name: str) -> None:
    def f(lib: Any, x: Any, y: Any) -> Any:
        with lib.no_grad():
            assert IN_PLACE[name](lib, x, y) is x
        return x.detach()

    compare(f, X, Y, order=0)


@pytest.mark.parametrize("name", IN_PLACE)
def test_leaves_are_refused(name: str) -> None:
    for lib in (tinygan, torch):
        x = lib.tensor(X.tolist(), requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            IN_PLACE[name](lib, x, lib.tensor(Y.tolist()))


DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("one", DTYPES)
@pytest.mark.parametrize("other", DTYPES)
@pytest.mark.parametrize("operation", [_iadd, _imul, _idiv])
def test_the_type_stays_or_the_op_is_refused(one: str, other: str, operation: Any) -> None:
    x, y = np.array([1, 0, 3]).astype(one), np.array([1, 2, 1]).astype(other)
    mine, yours = tinygan.tensor(x), torch.tensor(x)
    try:
        operation(yours, torch.tensor(y))
    except RuntimeError:
        with pytest.raises(RuntimeError):
            operation(mine, tinygan.tensor(y))
    else:
        same(operation(mine, tinygan.tensor(y)), yours, "in place")


@pytest.mark.parametrize("one", DTYPES)
@pytest.mark.parametrize("other", DTYPES)
def test_copy_converts(one: str, other: str) -> None:
    x, y = np.zeros((2, 3), one), np.array([1.7, 0.0, 3.2]).astype(other)
    same(tinygan.tensor(x).copy_(tinygan.tensor(y)), torch.tensor(x).copy_(torch.tensor(y)), "copy")
    same(tinygan.tensor(x).fill_(2), torch.tensor(x).fill_(2), "fill")


def _normalized(x: Any, y: Any) -> None:
    for c in range(3):
        x[:, c].mul_(0.5).add_(y[c])


def _both_rows(x: Any, y: Any) -> None:
    x[0] *= y
    x[1] -= x[0] + y


def _first_column(x: Any, y: Any) -> None:
    part = x[:, 0]
    part *= y[0]
    part.sin_()
    del part  # PyTorch would tell it too
    x *= 2


def _last(x: Any, y: Any) -> None:
    x.narrow(1, 1, 2).add_(y[0])
    x[..., -1] **= 2


PARTS: dict[str, Callable[[Any, Any], None]] = {
    "denormalize": _normalized,
    "rows": _both_rows,
    "column": _first_column,
    "last": _last,
    "zero": lambda x, y: x[:, :1].zero_(),
    "fill": lambda x, y: x[1].fill_(y.sum()),
    "copy": lambda x, y: x[:, 1:].copy_(y[1:]),
    "assign to a part": lambda x, y: x[:1].__setitem__((0, slice(0, 2)), y[1:]),
}


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_changes_tells_the_whole(name: str, constant: bool) -> None:
    def f(lib: Any, x: Any, y: Any) -> Any:
        h = x.detach() * 2 if constant else x * 2
        PARTS[name](h, y)
        return h * y + x

    compare(f, X, Y)


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_leaf_are_refused(name: str) -> None:
    for lib in (tinygan, torch):
        x = lib.tensor(X.tolist(), requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            PARTS[name](x, lib.tensor(Y.tolist()))


def test_views_share_what_is_written() -> None:
    for lib in (tinygan, torch):
        x = lib.zeros(2, 3)
        x[0].add_(1)
        x.T[2] *= 5
        x.view(-1)[4:].fill_(7)
        assert x.tolist() == [[1, 1, 5], [0, 7, 7]]


NUMBER_FIRST: dict[str, Callable[..., Any]] = {
    "add_": lambda x, y: x.add_(0.3, y),
    "a moving average": lambda x, y: x.mul_(0.9).add_(1 - 0.9, y),
    "sub_": lambda x, y: x.sub_(2, y),
    "addcmul_": lambda x, y: x.addcmul_(0.5, y, y),
    "addcdiv_": lambda x, y: x.addcdiv_(-0.5, y, y * y),
}


@pytest.mark.filterwarnings("ignore:.*[oO]verload of:UserWarning")
@pytest.mark.parametrize("name", NUMBER_FIRST)
def test_the_number_before_the_tensors(name: str) -> None:
    """The order of before 2020; PyTorch warns of it once in a process, we at every place."""

    def f(lib: Any, x: Any, y: Any) -> Any:
        h = x * 2
        if lib is tinygan:
            with pytest.warns(UserWarning, match="_: the number before the tensors is .*= after"):
                return NUMBER_FIRST[name](h, y) * y
        return NUMBER_FIRST[name](h, y) * y

    compare(f, X, Y)


@pytest.mark.parametrize("size", [(3,), (2, 2), ((3, 2),), (6,), (1, 6), (0,), ([2, 1, 2],), ((),)])
def test_resize(size: Any) -> None:
    ours, theirs = tinygan.tensor(X), torch.tensor(X)
    assert ours.resize_(*size) is ours
    same(ours, theirs.resize_(*size), "resize_")
    same(ours.resize_as_(tinygan.tensor(Y)).fill_(1), torch.tensor(Y).fill_(1), "resize_as_")


def test_a_larger_size_keeps_what_there_is() -> None:
    for lib in (tinygan, torch):
        x = lib.tensor(X)
        assert x.resize_(4, 2).shape == (4, 2)
        assert x.view(-1)[:6].tolist() == X.reshape(-1).tolist()
        assert x.normal_(0, 1).shape == (4, 2)
        for wrong, error in [(lambda x: x.requires_grad_().resize_(3), RuntimeError),
                             (lambda x: (x.requires_grad_() * 2).resize_(3), RuntimeError),
                             (lambda x: x.detach().resize_(), TypeError)]:  # fmt: skip
            with pytest.raises(error):
                wrong(x)


KEEP_INPUTS: dict[str, Callable[..., Any]] = {  # and no output, in PyTorch
    "leaky_relu": lambda lib, x, y: lib.nn.functional.leaky_relu(x, 0.2),
    "relu6": lambda lib, x, y: lib.nn.functional.relu6(x),
    "hardtanh": lambda lib, x, y: lib.nn.functional.hardtanh(x),
    "elu": lambda lib, x, y: lib.nn.functional.elu(x),
    "/": lambda lib, x, y: x / y,
    "normalize": lambda lib, x, y: lib.nn.functional.normalize(x, dim=1),
}


@pytest.mark.parametrize("change", ["+=", "*=", "/=", "clamp_", "relu_", "copy_", "zero_"])
@pytest.mark.parametrize("name", KEEP_INPUTS)
def test_outputs_that_no_gradient_needs_are_changed(name: str, change: str) -> None:
    def f(lib: Any, x: Any, y: Any) -> Any:
        h = KEEP_INPUTS[name](lib, x * 2, y)
        return IN_PLACE[change](lib, h, y * 3) * y + x

    compare(f, X, Y)


def test_a_saved_input_that_changes_is_an_error() -> None:
    for lib in (tinygan, torch):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        h = x * 2
        y = h * h
        h.add_(1)
        with pytest.raises(RuntimeError, match=r"version|in.?place"):
            y.sum().backward()
