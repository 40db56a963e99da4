"""Optimizers by themselves: the first step by hand, groups, state, replay, kernels, misuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygan as torch
from tinygan import nn, optim
from tinygan.backend import kernels
from tinygan.optim.rule import RULES, rule

EVERY = [
    lambda ps: optim.SGD(ps, 0.1),
    lambda ps: optim.SGD(ps, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    lambda ps: optim.SGD(ps, 0.1, momentum=0.9, dampening=0.5),
    lambda ps: optim.Adam(ps, 0.1, amsgrad=True),
    lambda ps: optim.AdamW(ps, 0.1),
    lambda ps: optim.RMSprop(ps, 0.1, momentum=0.5, centered=True),
    lambda ps: optim.Adagrad(ps, 0.5, lr_decay=0.01),
]
every = pytest.mark.parametrize("make", EVERY)


def parameters(device="cpu", dtype=torch.float32):
    random = np.random.default_rng(0)
    return [
        nn.Parameter(torch.tensor(random.standard_normal(s), dtype=dtype, device=device))
        for s in ((3, 2), (4,), ())
    ]


def gradients(ps, seed):
    random = np.random.default_rng(seed)
    return [
        torch.tensor(random.standard_normal(p.shape), dtype=p.dtype, device=p.device) for p in ps
    ]


@pytest.mark.parametrize(
    ("optimizer", "options", "expected"),
    [
        ("SGD", {"lr": 0.1}, 2 - 0.1 * 4),
        ("SGD", {"lr": 0.1, "weight_decay": 0.5}, 2 - 0.1 * (4 + 0.5 * 2)),
        ("SGD", {"lr": 0.1, "momentum": 0.9}, 2 - 0.1 * 4),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, 2 - 0.1 * (4 + 0.9 * 4)),
        ("SGD", {"lr": 0.1, "maximize": True}, 2 + 0.1 * 4),
        ("Adam", {"lr": 0.1, "eps": 1.0}, 2 - 0.1 * 4 / (4 + 1)),  # corrected: m = g, v = g^2
        ("Adam", {"lr": 0.1, "weight_decay": 3.0, "eps": 1.0}, 2 - 0.1 * 10 / (10 + 1)),
        ("AdamW", {"lr": 0.1, "weight_decay": 3.0, "eps": 1.0}, 2 * 0.7 - 0.1 * 4 / (4 + 1)),
        ("RMSprop", {"lr": 0.1, "alpha": 0.75, "eps": 1.0}, 2 - 0.1 * 4 / (2 + 1)),
        ("RMSprop", {"lr": 0.1, "alpha": 0.5, "centered": True, "eps": 1.0}, 2 - 0.1 * 4 / 3),
        ("Adagrad", {"lr": 0.1, "eps": 1.0}, 2 - 0.1 * 4 / (4 + 1)),
        (
            "Adagrad",
            {"lr": 0.1, "eps": 1.0, "initial_accumulator_value": 9.0},
            2 - 0.1 * 4 / (5 + 1),
        ),
    ],
)
def test_the_first_step_by_hand(optimizer, options, expected, device):
    p = torch.tensor([2.0], dtype=torch.float64, device=device, requires_grad=True)
    getattr(optim, optimizer)([p], **options).update(
        [torch.tensor([4.0], dtype=torch.float64, device=device)]
    )
    assert p.item() == pytest.approx(expected, rel=1e-12)


@every
def test_devices_give_the_same(make):
    results = []
    for device in ("cpu", "cuda"):
        ps = parameters(device)
        optimizer = make(ps)
        for step in range(3):
            optimizer.update(gradients(ps, step))
        results.append([p.detach().cpu().numpy() for p in ps])
    for x, y in zip(*results, strict=True):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, y, rtol=1e-6)


@every
def test_a_quadratic_is_minimised(make):
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = make([p])

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    with torch.no_grad():  # a closure computes gradients all the same
        for _ in range(300):
            last = optimizer.step(closure).item()
    assert first == 5
    assert last < 0.05


@every
def test_update_is_step_with_the_gradients_given(make):
    ps, qs = parameters(), parameters()
    one, other = make(ps), make(qs)
    for step in range(3):
        given = gradients(ps, step)
        given[1] = None if step == 1 else given[1]
        for p, g in zip(ps, given, strict=True):
            p.grad = g
        one.step()
        other.update(given)
    assert all(torch.equal(p, q) for p, q in zip(ps, qs, strict=True))
    assert all(q.grad is None for q in qs)


@every
def test_steps_are_in_place_and_counted(make):
    ps = parameters()
    arrays, versions = [p.array for p in ps], [p.version[0] for p in ps]
    optimizer = make(ps)
    optimizer.update([*gradients(ps, 0)[:2], None])
    assert all(p.array is a for p, a in zip(ps, arrays, strict=True))
    assert [p.version[0] - v for p, v in zip(ps, versions, strict=True)] == [1, 1, 0]
    assert all(p.is_leaf and p.requires_grad for p in ps)
    y = (ps[0] * ps[0]).sum()
    optimizer.update(gradients(ps, 0))
    with pytest.raises(RuntimeError, match="changed in place after it was used"):
        y.backward()


@every
def test_state_dict_resumes_bit_for_bit(make):
    ps = parameters()
    optimizer = make(ps)
    for step in range(4):
        if step == 2:
            qs = [nn.Parameter(p.detach().clone()) for p in ps]
            resumed = make(qs)
            saved = optimizer.state_dict()
            copies = {n: {k: v.clone() for k, v in s.items()} for n, s in saved["state"].items()}
            resumed.load_state_dict({**saved, "state": copies})
        optimizer.update(gradients(ps, step))
        if step >= 2:
            resumed.update(gradients(qs, step))
    assert all(torch.equal(p, q) for p, q in zip(ps, qs, strict=True))
    mine, theirs = optimizer.state_dict(), resumed.state_dict()
    assert mine["param_groups"] == theirs["param_groups"]
    for number, values in mine["state"].items():
        assert all(torch.equal(v, theirs["state"][number][k]) for k, v in values.items())


def test_loading_takes_other_types_and_keeps_its_own_memory():
    ps = parameters(dtype=torch.float64)
    optimizer = optim.Adam(ps, 0.5)
    state = {0: {"step": 3, "exp_avg": np.ones((3, 2), np.float32), "exp_avg_sq": np.ones((3, 2))}}
    group = {"lr": 0.25, "betas": (0.5, 0.9), "params": [0, 1, 2]}
    optimizer.load_state_dict({"state": state, "param_groups": [group]})
    own = optimizer.state_dict()["state"][0]
    assert own["exp_avg"].dtype == torch.float64
    assert own["step"].item() == 3
    assert own["step"].shape == ()
    assert optimizer.param_groups[0]["lr"] == 0.25
    optimizer.update(gradients(ps, 0))
    assert state[0]["exp_avg_sq"].max() == 1
    assert optimizer.state_dict()["state"][0]["step"].item() == 4


def test_state_that_does_not_fit_is_refused():
    optimizer = optim.Adam(parameters())
    good = optimizer.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups: 0, expected 1"):
        optimizer.load_state_dict({**good, "param_groups": []})
    with pytest.raises(ValueError, match=r"number 0\) of 2 parameters, expected 3"):
        optimizer.load_state_dict({**good, "param_groups": [{"params": [0, 1]}]})
    bad = {1: {"exp_avg": np.zeros(3)}}
    with pytest.raises(ValueError, match=r"exp_avg has shape \(3,\), its parameter \(4,\)"):
        optimizer.load_state_dict({**good, "state": bad})


# -- what a recorded step needs -------------------------------------------------------------------


@every
def test_a_replayed_update_follows_the_options(make, monkeypatch, device):
    """Record the calls of the rules once; replaying them is stepping, also at another rate."""
    monkeypatch.setattr(kernels, "enabled", False)
    ps, qs = parameters(device), parameters(device)
    optimizer, replayed = make(ps), make(qs)
    for step in range(2):  # the first update makes the state
        optimizer.update(gradients(ps, step))
        replayed.update(gradients(qs, step))
    calls = []
    buffers = gradients(qs, 2)

    def record(function, *arrays, changed):
        calls.append(lambda: function(*arrays))
        function(*arrays)

    with monkeypatch.context() as during:
        during.setattr("tinygan.optim.optimizer.perform", record)
        replayed.update(buffers)
    optimizer.update(gradients(ps, 2))
    assert len(calls) == 1
    for step in range(3, 6):
        for group in (*optimizer.param_groups, *replayed.param_groups):
            group["lr"] *= 0.5
        given = gradients(ps, step)
        optimizer.update(given)
        for buffer, g in zip(buffers, given, strict=True):
            buffer.array[...] = g.array
        replayed.refresh()
        for call in calls:
            call()
    for p, q in zip(ps, qs, strict=True):
        np.testing.assert_array_equal(p.detach().cpu().numpy(), q.detach().cpu().numpy())


def test_a_kernel_takes_over_unless_it_declines(monkeypatch):
    monkeypatch.setattr(kernels, "enabled", True)
    seen = []

    @rule
    def halve(xp, p, g, *, by):
        """p <- p / 2."""
        seen.append("reference")
        p /= 2

    monkeypatch.delitem(RULES, "halve")

    def kernel(memory, ps, gs, *, by):
        if len(ps) < 2:
            return NotImplemented
        seen.append("kernel")
        for p in ps:
            p /= by
        return None

    p, q = np.ones(3), np.ones(2)
    update = halve.on(by=4)
    update([p, q], [p, q])
    halve.kernel("cpu", kernel)
    update([p, q], [p, q])
    assert p[0] == q[0] == 1 / 8
    update([p], [p])
    assert seen == ["reference", "reference", "kernel", "reference"]
    halve.kernel("cpu", "math:no_such_function")
    with pytest.raises(AttributeError):
        update([p], [p])
    assert repr(halve) == "<update rule halve>"
    assert halve.__doc__ == "p <- p / 2."


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "average", "follow"])
def test_a_rule_starts_with_its_formula(name):
    assert RULES[name].__doc__.splitlines()[0].count("<-") >= 1


def test_steps_are_counted_once_per_update_and_parameter():
    @rule
    def shift(xp, p, g, step, hyper):
        """p <- p + t."""
        p += step

    RULES.pop("shift")
    ps = [np.zeros(2), np.zeros(3)]
    steps = [np.array(0.0, np.float32), np.array(5.0, np.float32)]
    shift.on()(ps, ps, steps, None)
    shift.on()(ps, ps, steps[0], None)  # one count for both
    assert [p[0] for p in ps] == [3, 8]
    assert [float(step) for step in steps] == [2, 6]


@every
def test_loading_writes_into_the_state_that_is_there(make):
    ps, qs = parameters(), parameters()
    one, other = make(ps), make(qs)
    for step in range(3):
        one.update(gradients(ps, step))
    other.update(gradients(qs, 9))
    before = {p: dict(state) for p, state in other.state.items()}
    other.load_state_dict(one.state_dict())
    for p, q in zip(ps, qs, strict=True):
        for name, value in one.state.get(p, {}).items():
            assert other.state[q][name] is before[q][name]
            assert other.state[q][name] is not value
            np.testing.assert_array_equal(other.state[q][name].array, value.array)


# -- groups and misuse ----------------------------------------------------------------------------


def test_groups_have_options_of_their_own():
    p, q, r = (nn.Parameter(torch.ones(1)) for _ in range(3))
    optimizer = optim.SGD([{"params": p}, {"params": [q], "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": r, "weight_decay": 1.0})
    optimizer.update([torch.ones(1)] * 3)
    assert [x.item() for x in (p, q, r)] == pytest.approx([0.9, 0.5, 0.8])
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5, 0.1]
    assert "Parameter Group 2" in repr(optimizer)
    assert optimizer.defaults["lr"] == 0.1


def test_a_generator_of_parameters_and_zero_grad():
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters(), 0.1)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert not net.weight.grad.any()
    optimizer.zero_grad()
    assert net.weight.grad is None
    before = net.weight.detach().clone()
    optimizer.step()
    assert torch.equal(net.weight, before)


def test_momentum_can_be_switched_on_later():
    p = nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([p], 1.0)
    optimizer.update([torch.ones(1)])
    assert optimizer.state_dict()["state"] == {}
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.update([torch.ones(1)])
    optimizer.update([torch.ones(1)])
    assert p.item() == pytest.approx(-(1 + 1 + 1.5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.SGD([], 0.1), "empty parameter list"),
        (
            lambda p: optim.SGD([{"params": [p]}, {"params": [p]}], 0.1),
            "appear in two parameter groups",
        ),
        (lambda p: optim.SGD([p * 2], 0.1), "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD([p], -0.1), "Invalid learning rate: -0.1, expected at least 0"),
        (lambda p: optim.SGD([p], 0.1, nesterov=True), "Nesterov momentum requires"),
        (lambda p: optim.SGD([p], 0.1, momentum=-1), "Invalid momentum value"),
        (lambda p: optim.Adam([p], betas=(0.5, 1.0)), "index 1: 1.0, expected at least 0 and"),
        (lambda p: optim.Adam([p], eps=-1), "Invalid epsilon value"),
        (lambda p: optim.AdamW([p], weight_decay=math.nan), "Invalid weight_decay value: nan"),
        (lambda p: optim.RMSprop([p], alpha=-1), "Invalid alpha value"),
        (lambda p: optim.Adagrad([p], lr_decay=-1), "Invalid lr_decay value"),
    ],
)
def test_options_that_cannot_work_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(nn.Parameter(torch.zeros(2)))


def test_what_is_no_parameter_is_refused():
    p = nn.Parameter(torch.zeros(2))
    with pytest.raises(TypeError, match="got one Tensor; pass"):
        optim.SGD(p, 0.1)
    with pytest.raises(TypeError, match="can only optimize Tensors, got float"):
        optim.SGD([p, 1.0], 0.1)
    with pytest.raises(TypeError, match="pass a list, not a set"):
        optim.SGD([{"params": {p}}], 0.1)
    with pytest.raises(TypeError, match="param_group must be a dict, got list"):
        optim.SGD([p], 0.1).add_param_group([p])


def test_gradients_that_do_not_fit_are_refused():
    p = nn.Parameter(torch.zeros(2))
    optimizer = optim.SGD([p], 0.1)
    with pytest.raises(ValueError, match="got 2 gradients for 1 parameters"):
        optimizer.update([torch.zeros(2)] * 2)
    with pytest.raises(ValueError, match=r"shape \(3,\) for a parameter of shape \(2,\)"):
        optimizer.update([torch.zeros(3)])
    with pytest.raises(TypeError, match="a float64 gradient for a float32 parameter"):
        optimizer.update([torch.zeros(2, dtype=torch.float64)])
    with pytest.raises(RuntimeError, match=r"a gradient on cuda.* for a parameter on cpu"):
        optimizer.update([torch.zeros(2, device="cuda")])
