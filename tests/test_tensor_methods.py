"""Methods of Tensor: conversions and their gradients, copies, in-place forms, odds and ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan import ops
from tinygan.autograd import grad
from tinygan.backend import host_array
from tinygan.ops import methods

X = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, -4.0]], "f4")


def test_every_method_named_is_there() -> None:
    for name in methods._METHODS.split():
        assert callable(getattr(tinygan.Tensor, name)), name
        assert getattr(ops, name, None) is not None, name


def test_noise_takes_the_size_of_a_batch(device: str) -> None:
    """As DCGAN's scripts from before 2018 make the last batch of an epoch."""
    noise, images = tinygan.zeros(5, 3, device=device), tinygan.ones(2, 4, 1, 1, device=device)
    before = noise.view(-1)
    noise.resize_(2, 3, 1, 1).normal_(0, 1)
    assert noise.shape == (2, 3, 1, 1) and before.tolist() == [0] * 15
    assert noise.device.type == device
    assert noise.resize_as_(images).copy_(images).tolist() == images.tolist()


@pytest.mark.parametrize(
    ("method", "dtype"),
    [("float", "float32"), ("double", "float64"), ("half", "float16"), ("int", "int32"),
     ("long", "int64"), ("bool", "bool"), ("byte", "uint8"), ("short", "int16")],
)  # fmt: skip
def test_casts(method: str, dtype: str, device: str) -> None:
    x = tinygan.tensor(np.abs(X), device=device)
    y = getattr(x, method)()
    assert y.dtype == dtype
    np.testing.assert_array_equal(host_array(y.array), np.abs(X).astype(dtype))
    assert getattr(y, method)() is y


def test_gradients_of_casts_are_cast_back(device: str) -> None:
    x = tinygan.tensor(X, device=device, requires_grad=True)
    (x.double() * 3).half().float().sum().backward()
    assert x.grad is not None and x.grad.dtype == "float32"
    assert (x.grad == 3).all().item()
    assert not x.long().requires_grad


def test_to(device: str) -> None:
    x = tinygan.tensor(X, device=device)
    assert x.to(tinygan.float32) is x.to(device) is x.to(x) is x
    assert x.to(tinygan.float64).dtype == x.to(dtype=tinygan.float64).dtype == "float64"
    assert x.to(device, tinygan.float16).dtype == "float16"
    assert x.to(tinygan.zeros(1, dtype=tinygan.float64)).device == "cpu"
    assert x.type_as(tinygan.tensor([1])).dtype == x.type(tinygan.int64).dtype == "int64"
    copy = x.to(device, copy=True)
    assert copy is not x and copy.array is not x.array


def test_gradients_come_back_from_another_device() -> None:
    x = tinygan.tensor(X, requires_grad=True)
    y = x.to("cuda", tinygan.float64)
    assert y.device == "cuda" and y.requires_grad
    (y * y).cpu().sum().backward()
    assert x.grad is not None and x.grad.device == "cpu" and x.grad.dtype == "float32"
    np.testing.assert_array_equal(np.asarray(x.grad), 2 * X)
    assert x.cuda().device == "cuda" and x.cuda().cpu().device == "cpu"


def test_copies(device: str) -> None:
    x = tinygan.tensor(X, device=device, requires_grad=True)
    y = x.clone()
    assert y.requires_grad and y.array is not x.array
    turned = x.T
    assert not turned.is_contiguous() and turned.contiguous().is_contiguous()
    assert x.contiguous() is x
    (g,) = grad((turned.contiguous() * 2 + y.mT).sum(), x)
    assert (g == 3).all().item()
    assert x.stride() == (3, 1) and turned.stride() == (1, 3) and x.stride(0) == 3


def test_new_tensors(device: str) -> None:
    x = tinygan.ones(2, dtype=tinygan.float64, device=device)
    made = [x.new_zeros(2, 3), x.new_ones((2, 3)), x.new_empty(2, 3), x.new_full((2, 3), 7),
            x.new_tensor([[1, 2, 3]] * 2), x.new(2, 3), x.new([[1, 2, 3]] * 2),
            x.new(x.new(2, 3).size()), x.new_zeros(size=(2, 3))]  # fmt: skip
    for y in made:
        assert (y.shape, y.dtype, y.device) == ((2, 3), x.dtype, x.device)
    assert x.new().shape == (0,) and x.new([1, 2]).tolist() == [1.0, 2.0]
    assert x.new_zeros(1, dtype=tinygan.int64, device="cpu").dtype == "int64"


def test_in_place_writes_into_the_same_memory(device: str) -> None:
    x = tinygan.tensor(X, device=device)
    array = x.array
    x += 1
    x.mul_(2).sub_(x * 0.5).clamp_(0, 3).div_(2)
    x **= 2
    x -= tinygan.tensor([0.0, 1.0, 0.0], device=device)
    x /= 2
    assert x.array is array
    expected = (np.clip((X + 1) * 1.0, 0, 3) / 2) ** 2
    np.testing.assert_allclose(host_array(array), (expected - [0, 1, 0]) / 2)
    assert x.zero_() is x and not x.any().item()
    x.fill_(2.5)
    x.copy_(tinygan.tensor([1, 2, 3]))  # from the host, and converted
    assert x.tolist() == [[1, 2, 3], [1, 2, 3]] and x.dtype == "float32" and x.array is array


def test_a_product_with_itself_in_place() -> None:
    x = tinygan.tensor([3.0], requires_grad=True)
    h = x * 1
    h.mul_(h)
    h *= h
    h.backward()
    assert x.grad is not None and x.grad.item() == 4 * 27


def test_a_constant_written_in_place_ends_the_gradient() -> None:
    x = tinygan.tensor(X, requires_grad=True)
    for write in (lambda h: h.zero_(), lambda h: h.fill_(2), lambda h: h.copy_(tinygan.ones(3))):
        h = x * 2
        write(h)
        (g,) = grad((h + x).sum(), x)
        assert (g == 1).all().item()


def test_in_place_errors() -> None:
    x = tinygan.tensor([1, 2])
    with pytest.raises(RuntimeError, match="float32 and cannot be stored as int64"):
        x *= 0.5
    with pytest.raises(RuntimeError, match="does not fit"):
        x += tinygan.ones(2, 2, dtype=tinygan.int64)
    leaf = tinygan.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"leaf.*no_grad"):
        leaf += 1
    assert leaf.tolist() == [1, 1]
    with tinygan.no_grad():
        leaf += 1
    assert leaf.tolist() == [2, 2] and leaf.is_leaf and leaf.requires_grad


def test_comparison_with_what_is_no_number() -> None:
    x = tinygan.ones(2)
    assert (x == None) is False and (x != "a") is True  # noqa: E711
    assert x in [x]
    assert ((x == 1) & ~(x != 1) | (x > 2) ^ (x <= 0)).all().item()
    assert {x: 1}[x] == 1


def test_properties() -> None:
    x = tinygan.zeros(2, 3)
    assert x.T.shape == x.mT.shape == (3, 2)
    assert tinygan.zeros(2, 3, 4).mT.shape == (2, 4, 3)
    assert not x.is_cuda and x.cuda().is_cuda
    assert x.nelement() == 6 and x.ndimension() == 2
    assert +x is x


def test_names_of_in_place_forms() -> None:
    assert tinygan.Tensor.add_.__name__ == "add_"
    assert "alpha" in (tinygan.Tensor.add_.__doc__ or "")


def test_engine_functions_see_only_one_type_of_number() -> None:
    x: Any = tinygan.ones(2)
    for number in (2, 2.0, True, np.float32(2), np.float64(2), np.int64(2)):
        assert (x * number).dtype == (number * x).dtype == "float32"
