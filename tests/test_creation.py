"""Tensors from numbers and arrays: types, devices, shared memory, DLPack, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan.backend import host_array


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        (2, "int64"),
        (True, "bool"),
        ([1, 2.5], "float32"),
        ([[1, 2], [3, 4]], "int64"),
        ([True, False], "bool"),
        ((), "float32"),
        (np.float64(2), "float64"),
        (np.arange(3, dtype="u1"), "uint8"),
        ([np.ones(2), np.zeros(2)], "float64"),
        (np.ones((2, 2), "f2"), "float16"),
    ],
)
def test_types_of_data(data: Any, dtype: str, device: str) -> None:
    for x in (tinygan.tensor(data, device=device), tinygan.as_tensor(data, device=device)):
        assert x.dtype == dtype and x.device == device
        np.testing.assert_array_equal(host_array(x.array), data)
    x = tinygan.tensor(data, dtype=tinygan.float64, device=device, requires_grad=True)
    assert x.dtype == "float64" and x.requires_grad and x.is_leaf


def test_default_type() -> None:
    tinygan.set_default_dtype(tinygan.float64)
    try:
        assert tinygan.tensor([1.0]).dtype == tinygan.zeros(2).dtype == "float64"
        assert tinygan.arange(0.5).dtype == (tinygan.tensor([1]) / 2).dtype == "float64"
    finally:
        tinygan.set_default_dtype(tinygan.float32)


def test_who_shares_memory() -> None:
    array = np.zeros(3, "f4")
    copied, shared, viewed = (
        tinygan.tensor(array),
        tinygan.from_numpy(array),
        tinygan.as_tensor(array),
    )
    array[0] = 5
    assert copied[0].item() == 0 and shared[0].item() == viewed[0].item() == 5
    assert tinygan.as_tensor(shared) is shared
    assert tinygan.as_tensor(array, dtype=tinygan.float64)[0].item() == 5
    assert shared.numpy() is array


def test_shapes_and_values(device: str) -> None:
    assert tinygan.zeros(2, 3, device=device).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert tinygan.ones((2,), device=device).tolist() == tinygan.ones([2]).tolist() == [1, 1]
    assert tinygan.ones(tinygan.zeros(2, 1).shape).shape == (2, 1)
    assert tinygan.zeros((), device=device).shape == tinygan.zeros().shape == ()
    assert (
        tinygan.zeros(np.int64(2), 3).shape == tinygan.full([2, np.int64(3)], 1.0).shape == (2, 3)
    )
    assert tinygan.empty(2, 0, device=device).shape == (2, 0)
    assert tinygan.full((2,), 3, device=device).tolist() == [3, 3]
    assert tinygan.eye(2, device=device).tolist() == [[1, 0], [0, 1]]
    assert tinygan.eye(1, 2).tolist() == [[1, 0]]
    assert tinygan.arange(3, device=device).tolist() == [0, 1, 2]
    assert tinygan.arange(1, 2, 0.25).tolist() == [1, 1.25, 1.5, 1.75]
    assert tinygan.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert tinygan.arange(3, 1).tolist() == []
    assert tinygan.linspace(0, 1, 5, device=device).tolist() == [0, 0.25, 0.5, 0.75, 1]
    for x in (tinygan.zeros(1), tinygan.ones(1), tinygan.full((1,), 0.5), tinygan.arange(2.0)):
        assert x.dtype == "float32" and not x.requires_grad
    assert tinygan.ones(1, requires_grad=True, dtype=tinygan.float64).requires_grad
    assert tinygan.full((1,), True).dtype == "bool" and tinygan.full((1,), 2).dtype == "int64"


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "empty_like", "full_like"])
def test_like_another_tensor(name: str, device: str) -> None:
    x = tinygan.tensor(np.zeros((2, 3, 4), "f4"), device=device).permute(0, 2, 1)
    value = (7,) if name == "full_like" else ()
    y = getattr(tinygan, name)(x, *value)
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    assert y.array.strides == x.array.strides
    if name != "empty_like":
        expected = {"zeros_like": 0, "ones_like": 1, "full_like": 7}[name]
        assert (y == expected).all().item()
    other = getattr(tinygan, name)(x, *value, dtype=tinygan.int32, device="cpu")
    assert other.dtype == "int32" and other.device == "cpu"
    assert getattr(tinygan, name)(x, *value, requires_grad=True).requires_grad


def test_dlpack_both_ways(device: str) -> None:
    array = np.arange(4.0)
    x = tinygan.from_dlpack(array)
    array[1] = 9
    assert x.tolist() == [0, 9, 2, 3]
    assert np.from_dlpack(tinygan.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(tinygan.ones(2, requires_grad=True))


def test_errors() -> None:
    with pytest.raises(TypeError, match="tensor: expected numbers"):
        tinygan.tensor(["a"])
    with pytest.raises(TypeError, match=r"from_numpy: expected a numpy.ndarray, got list"):
        tinygan.from_numpy([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="inhomogeneous"):
        tinygan.tensor([[1, 2], [3]])
    with pytest.raises(RuntimeError, match="only floating-point tensors can require gradients"):
        tinygan.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="unknown device 'tpu'"):
        tinygan.zeros(2, device="tpu")


def test_numbers_that_a_type_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="from -1 to 300; uint8 has those from 0 to 255"):
        tinygan.tensor([300, -1], dtype=tinygan.uint8)


def test_what_is_made_like_an_expanded_tensor_is_dense(device: str) -> None:
    x = tinygan.tensor([1.0, 2.0], device=device).expand(3, 2)
    for made in (tinygan.zeros_like(x), tinygan.full_like(x, 3.0), tinygan.empty_like(x)):
        made.view(-1)[1] = 9
        assert made[0, 1].item() == 9


def test_the_old_constructors_take_sizes_or_data() -> None:
    assert tinygan.FloatTensor(2, 3).shape == (2, 3)
    assert tinygan.FloatTensor(np.ones((2, 2))).dtype == tinygan.float32
    assert tinygan.FloatTensor([1, 2]).tolist() == [1.0, 2.0]
    assert tinygan.Tensor(3, 1).shape == (3, 1) and tinygan.Tensor().shape == (0,)
    size = tinygan.ones(2, 3).size()
    for made in (tinygan.FloatTensor, tinygan.LongTensor, tinygan.Tensor):
        assert made(size).shape == made(np.int64(2), 3).shape == (2, 3)
    array = np.ones(2)
    x = tinygan.Tensor(array)
    array[0] = 5
    assert x.dtype == tinygan.float32 and x.tolist() == [1.0, 1.0]
    assert tinygan.Tensor([1, 2]).dtype == tinygan.float32
    whole = tinygan.ones(2, dtype=tinygan.int64)
    assert tinygan.Tensor(whole).array is whole.array
    for wrong in [(1.5,), ([1.0], 2)]:
        for made in (tinygan.Tensor, tinygan.FloatTensor):
            with pytest.raises(TypeError, match="expected sizes"):
                made(*wrong)


def test_scripts_from_before_2018_find_what_they_use() -> None:
    x = tinygan.autograd.Variable(tinygan.ones(2).double().type(tinygan.FloatTensor), True)
    assert x.dtype == tinygan.float32 and x.requires_grad and tinygan.is_tensor(x)
    assert tinygan.LongTensor([1, 2]).dtype == tinygan.int64
    assert isinstance(x, tinygan.autograd.Variable) and type(x) is tinygan.Tensor
    assert tinygan.tensor([tinygan.pi, tinygan.inf]).tolist()[1] == math.inf
    assert isinstance(tinygan.cuda.is_available(), bool) and tinygan.cuda.device_count() >= 0


def test_scripts_set_switches_and_seed_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinygan.backends.cudnn, "benchmark", True)
    assert not tinygan.backends.mps.is_available()
    tinygan.cuda.manual_seed_all(3)  # nothing, or the GPU's
    monkeypatch.setattr(tinygan.cuda, "is_available", lambda: True)
    draws = []
    for _ in range(2):
        tinygan.cuda.manual_seed(5)
        draws.append(tinygan.rand(4, device="cuda").tolist())
    assert draws[0] == draws[1]
    tinygan.cuda.manual_seed_all(6)
    assert tinygan.rand(4, device="cuda").tolist() != draws[0]
    assert tinygan.numel(tinygan.ones(2, 3)) == 6 and tinygan.pi == np.pi
    assert tinygan.is_floating_point(tinygan.ones(1))
    assert not tinygan.is_floating_point(tinygan.arange(2))


def test_a_variable_is_a_leaf_of_its_own_over_the_same_memory() -> None:
    weight = tinygan.ones(2, requires_grad=True)
    made = weight * 2
    leaf = tinygan.autograd.Variable(made, requires_grad=True)
    assert leaf.is_leaf and leaf.array is made.array and not made.is_leaf
    leaf.sum().backward()
    assert leaf.grad is not None and weight.grad is None
    constant = tinygan.ones(2)
    tinygan.autograd.Variable(constant, requires_grad=True)
    assert not constant.requires_grad
    assert not tinygan.autograd.Variable(weight).requires_grad and weight.requires_grad
    with pytest.raises(TypeError, match="Variable: expected a Tensor, got list"):
        tinygan.autograd.Variable([1.0])


def test_typed_tensors_move_too(device: str) -> None:
    x = tinygan.ones(2, 3).to(device)
    assert x.double().type(tinygan.Tensor).device.type == "cpu"
    assert x.type(tinygan.float64).device.type == device
    if device == "cuda":
        assert x.type() == "torch.cuda.FloatTensor" and isinstance(x, tinygan.cuda.FloatTensor)
        there = tinygan.cuda.LongTensor([1, 2])
        assert there.device.type == "cuda" and there.dtype == tinygan.int64
        assert tinygan.ones(2).type(tinygan.cuda.FloatTensor).device.type == "cuda"
        assert tinygan.ones(2).type("torch.cuda.IntTensor").type() == "torch.cuda.IntTensor"
        assert x.type(tinygan.FloatTensor).device.type == "cpu"


def test_habits_of_scripts_are_served() -> None:
    x = tinygan.tensor([[1.0, float("nan")], [float("inf"), -float("inf")]])
    assert x.nan_to_num(nan=5.0, posinf=6.0, neginf=7.0).tolist() == [[1, 5], [6, 7]]
    assert x.nan_to_num_(0.0).array is x.array and np.isfinite(x.numpy()).all()
    assert f"{tinygan.tensor(1.23456):.2f}" == "1.23"
    y = tinygan.ones(2, 3)
    assert y.sum(axis=1, keepdims=True).shape == (2, 1)
    with pytest.raises(TypeError, match="axes"):
        y.sum(axes=1)
    data = tinygan.utils.data.TensorDataset(y)
    loader = tinygan.utils.data.DataLoader(data, 2, pin_memory=True, persistent_workers=True)
    assert next(iter(loader))[0].tolist() == y.tolist()
    assert tinygan.data is not tinygan.utils.data


@pytest.mark.parametrize("data", [0.7, [0.7], [[0.7, 1e300]], (1e-300,)])
def test_floats_keep_their_precision_in_the_type_that_is_asked_for(data):
    for make in (tinygan.tensor, tinygan.as_tensor):
        x = make(data, dtype=np.float64).numpy()
        np.testing.assert_array_equal(x, np.asarray(data), strict=True)
