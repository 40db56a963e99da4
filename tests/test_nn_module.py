"""Module: what is registered, found, moved, saved and loaded."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest

import tinygan as torch
from tinygan import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.body = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        self.register_buffer("shift", torch.zeros(3))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.head = nn.Linear(3, 1, bias=False)

    def forward(self, x):
        return self.head(self.body(x * self.scale) + self.shift)


def test_names_come_in_the_order_of_definition():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
    ]
    assert [n for n, _ in net.named_parameters(prefix="net", recurse=False)] == ["net.scale"]
    assert [n for n, _ in net.named_buffers()] == ["shift", "scratch"]
    assert [n for n, _ in net.named_children()] == ["body", "head"]
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "head"]
    assert list(net.state_dict()) == [
        "scale",
        "shift",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
    ]
    assert next(iter(net.state_dict(prefix="g."))) == "g.scale"


def test_a_shared_part_is_listed_once_and_saved_under_both_names():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2)
    net.c.weight = net.a.weight
    assert [n for n, _ in net.named_parameters()] == ["a.weight", "a.bias", "c.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 6
    assert len(list(net.children())) == 2
    assert len(net.state_dict()) == 6
    assert len(list(net.modules())) == 3


def test_assignment_replaces_and_deletes():
    net = Net()
    net.body = None
    assert [n for n, _ in net.named_children()] == ["head"]
    net.scale = None
    assert "scale" not in net.state_dict()
    net.scale = nn.Parameter(torch.zeros(2))  # its place in the order is kept
    assert next(iter(net.state_dict())) == "scale"
    with pytest.raises(TypeError, match=r"cannot assign 'Tensor' object as parameter 'scale'"):
        net.scale = torch.zeros(2)
    with pytest.raises(TypeError, match="cannot assign 'int' object as child module 'head'"):
        net.head = 3
    with pytest.raises(TypeError, match="cannot assign 'list' object as buffer 'shift'"):
        net.shift = [1.0]
    net.shift = torch.ones(3)
    assert dict(net.named_buffers())["shift"] is net.shift
    net.shift = nn.Parameter(torch.ones(3))  # now a parameter
    assert "shift" in dict(net.named_parameters())
    assert "shift" not in dict(net.named_buffers())
    del net.head
    assert not hasattr(net, "head")
    with pytest.raises(AttributeError):
        del net.head
    net.plain = 3
    net.plain = nn.Linear(1, 1)
    assert "plain" in dict(net.named_children())
    assert "plain" not in net.__dict__


def test_misuse_is_explained():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Forgetful()

    class Impatient(nn.Module):
        def __init__(self):
            self.register_buffer("x", None)

    with pytest.raises(AttributeError, match=r"cannot assign buffer before Module.__init__"):
        Impatient()
    net = Net()
    with pytest.raises(AttributeError, match=r"'Net' object has no attribute 'heed'.*'head'"):
        net.heed  # noqa: B018
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        nn.Module()(1)
    with pytest.raises(KeyError, match="buffer name cannot contain"):
        net.register_buffer("a.b", None)
    with pytest.raises(KeyError, match="module name cannot be empty"):
        net.add_module("", None)
    with pytest.raises(KeyError, match="already exists"):
        net.register_parameter("forward", None)
    with pytest.raises(TypeError, match="cannot assign 'Tensor' object to parameter"):
        net.register_parameter("w", torch.zeros(1))
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        net.add_module("x", 3)
    with pytest.raises(AttributeError, match="Net has no submodule 'boddy'; did you mean 'body'"):
        net.get_submodule("boddy.0")
    with pytest.raises(AttributeError, match="Linear has no parameter 'wait'"):
        net.get_parameter("body.0.wait")
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train("yes")


def test_parts_are_found_by_path():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_parameter("body.0.bias") is net.body[0].bias
    assert net.get_buffer("shift") is net.shift


def test_modes_and_gradients_reach_every_part():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    net(torch.randn(4, 2)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(torch.randn(4, 2)).requires_grad
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "Tanh", "Sequential", "Linear", "Net"]


def test_hooks_may_change_what_goes_in_and_comes_out():
    layer = nn.Identity()
    before = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
    after = layer.register_forward_hook(lambda module, args, y: y + 1)
    assert layer(torch.ones(1)).item() == 3
    before.remove()
    after.remove()
    after.remove()
    assert layer(torch.ones(1)).item() == 1


def test_types_and_devices(device):
    net = Net()
    scale = net.scale
    net(torch.randn(4, 2)).sum().backward()
    assert net.to(device).double() is net
    assert net.scale is scale
    assert all(p.dtype == torch.float64 and p.device == device for p in net.parameters())
    assert all(p.grad.dtype == torch.float64 for p in net.parameters())
    assert all(p.requires_grad and p.is_leaf for p in net.parameters())
    assert net.shift.dtype == torch.float64
    y = net(torch.randn(4, 2, dtype=torch.float64, device=device))
    y.sum().backward()
    assert y.device == device
    norm = nn.BatchNorm1d(2).half()
    assert norm.num_batches_tracked.dtype == torch.int64
    assert norm.running_mean.dtype == torch.float16
    assert net.to(torch.ones(1)).cpu().float().scale.dtype == torch.float32
    with pytest.raises(TypeError, match="expected a floating-point dtype"):
        net.to(torch.int64)


def test_moving_to_where_it_is_keeps_the_graph():
    net = Net()
    y = net(torch.randn(1, 2)).sum()
    net.to("cpu").float()
    y.backward()
    assert net.scale.grad is not None


# -- state ----------------------------------------------------------------------------------------


def test_state_is_shared_and_loaded_in_place(device):
    net = Net().to(device)
    state = net.state_dict()
    assert not any(v.requires_grad for v in state.values())
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    array = net.scale.array
    result = net.load_state_dict({k: np.full(v.shape, 3.0) for k, v in state.items()})
    assert result == ([], [])
    assert net.scale.array is array
    np.testing.assert_array_equal(state["scale"].cpu().numpy(), [3.0, 3.0])
    assert net.scale.dtype == torch.float32
    net.load_state_dict({k: torch.zeros_like(v.cpu()) for k, v in state.items()})
    assert not state["head.weight"].any()


def test_a_forward_before_loading_cannot_be_walked():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    y = net(torch.randn(1, 2)).sum()
    net.load_state_dict(copy.deepcopy(net).state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_wrong_state_is_an_error_that_changes_nothing():
    net = nn.Linear(2, 3)
    before = net.weight.detach().clone()
    state = {"weight": np.zeros((3, 2)), "extra": np.zeros(1)}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "extra". '
    )
    wrong = {"weight": np.zeros((4, 2)), "bias": np.zeros(3)}
    for strict in (True, False):
        with pytest.raises(
            RuntimeError, match=r"size mismatch for weight: .*\[4, 2\].*model is \[3, 2\]"
        ):
            net.load_state_dict(wrong, strict=strict)
    assert torch.equal(net.weight, before)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["extra"]
    assert not net.weight.any()


def test_deepcopy_is_independent():
    net = nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 3)), nn.BatchNorm1d(3), nn.ReLU())
    net.append(net[0])
    net(torch.randn(4, 3)).sum().backward()
    twin = copy.deepcopy(net)
    assert repr(twin) == repr(net)
    assert twin[3] is twin[0]
    state = {k: v.clone() for k, v in twin.state_dict().items()}
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    net.eval()(torch.randn(4, 3))
    assert all(torch.equal(v, state[k]) for k, v in twin.state_dict().items())
    assert twin.training
    assert twin[0].weight_orig.grad is not None
    twin(torch.randn(4, 3)).sum().backward()


def test_a_module_is_freed_without_the_collector():
    gc.disable()
    try:
        net = nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 3)), nn.BatchNorm1d(3))
        net(torch.randn(4, 3)).sum().backward()
        gone = weakref.ref(net[0].weight_orig)
        del net
        assert gone() is None
    finally:
        gc.enable()


# -- containers -----------------------------------------------------------------------------------


def test_sequential_is_a_list_of_modules():
    net = nn.Sequential({"first": nn.Linear(2, 3), "second": nn.ReLU()})
    assert isinstance(net.first, nn.Linear)
    assert list(net[:1]._modules) == ["first"]
    assert net[-1] is net.second
    assert len(net) == 2
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    net.append(nn.Linear(3, 1)).insert(1, nn.Tanh())
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "ReLU", "Linear"]
    assert list(net._modules) == ["0", "1", "2", "3"]
    net[2] = nn.Sigmoid()
    del net[1]
    assert [type(m).__name__ for m in net + nn.Sequential(nn.Tanh())][1:] == [
        "Sigmoid",
        "Linear",
        "Tanh",
    ]
    assert isinstance(net.pop(), nn.Linear)
    assert net(torch.ones(1, 2)).shape == (1, 3)
    assert len(nn.Sequential()) == 0
    with pytest.raises(IndexError, match="index 2 is out of range for 2 modules"):
        net[2]


def test_lists_and_dicts_register_their_parts():
    modules = nn.ModuleList([nn.Linear(1, 1)]).extend([nn.Linear(1, 1), nn.ReLU()])
    assert len(list(modules.parameters())) == 4
    assert len(modules[1:]) == 2
    assert modules[1:][0] is modules[1]
    del modules[:2]
    assert list(modules._modules) == ["0"]
    named = nn.ModuleDict({"a": nn.Linear(1, 1)})
    named["b"] = nn.ReLU()
    named.update([("c", nn.Tanh())])
    assert list(named) == list(named.keys()) == ["a", "b", "c"]
    assert [m for _, m in named.items()] == list(named.values())
    assert "b" in named
    assert isinstance(named.pop("c"), nn.Tanh)
    del named["b"]
    assert list(named.state_dict()) == ["a.weight", "a.bias"]
    named.clear()
    assert len(named) == 0
    numbers = nn.ParameterList([torch.zeros(2), nn.Parameter(torch.ones(1))])
    numbers.append(torch.ones(3))
    assert [p.requires_grad for p in numbers] == [True] * 3
    assert numbers[-1].shape == (3,)
    numbers[0] = torch.ones(4)
    assert list(numbers.state_dict()) == ["0", "1", "2"]
    assert repr(numbers).splitlines()[1].startswith("  (0): Parameter containing")
    with pytest.raises(IndexError):
        numbers[3]
