"""The optimizers against PyTorch's: same parameters, same gradients, ten steps."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tinygan import optim
from tinygan.autograd import Parameter, wrap

torch = pytest.importorskip("torch")

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 2e-4, "betas": (0.5, 0.999)}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.9), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.2, "maximize": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.0}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "centered": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.8, "centered": True, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.7, "maximize": True, "eps": 1e-3}),
]
SHAPES = [(3, 4), (5,), (2, 3, 2, 2), ()]


def _pair(name: str, options: dict[str, Any], dtype: str) -> Any:
    random = np.random.default_rng(0)
    values = [random.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours = [Parameter(wrap(np.array(v))) for v in values]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    return (
        ours,
        theirs,
        getattr(optim, name)(ours, **options),
        getattr(torch.optim, name)(theirs, foreach=False, **options),
        random,
    )


def _set_gradients(ours: Any, theirs: Any, random: Any, dtype: str) -> None:
    for x, y in zip(ours, theirs, strict=True):
        g = np.asarray(random.standard_normal(x.shape), dtype=dtype)
        x.grad, y.grad = wrap(g), torch.tensor(g)


def _assert_equal(ours: Any, theirs: Any, dtype: str, tolerance: float = 1e-6) -> None:
    tolerance = tolerance if dtype == "float32" else 1e-14
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            x.detach().numpy(), y.detach().numpy(), rtol=tolerance, atol=tolerance
        )
        assert x.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_ten_steps(name: str, options: dict[str, Any], dtype: str) -> None:
    ours, theirs, optimizer, reference, random = _pair(name, options, dtype)
    for step in range(10):
        _set_gradients(ours, theirs, random, dtype)
        if step == 4:  # a parameter without a gradient is left alone, and its step not counted
            ours[1].grad = theirs[1].grad = None
        if step == 6:
            optimizer.param_groups[0]["lr"] *= 0.5
            reference.param_groups[0]["lr"] *= 0.5
        optimizer.step()
        reference.step()
        _assert_equal(ours, theirs, dtype)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_ten_steps_of_a_large_parameter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large enough for the compiled kernels."""
    monkeypatch.setattr(sys.modules[__name__], "SHAPES", [(90, 80), (64, 32, 4, 4)])
    options = {"momentum": 0.9} if name == "SGD" else {}
    ours, theirs, optimizer, reference, random = _pair(name, {"lr": 0.1, **options}, "float32")
    for _ in range(10):
        _set_gradients(ours, theirs, random, "float32")
        optimizer.step()
        reference.step()
    _assert_equal(ours, theirs, "float32", 5e-6)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_state_dict_has_the_same_structure(name: str, options: dict[str, Any]) -> None:
    ours, theirs, optimizer, reference, random = _pair(name, options, "float32")
    for _ in range(2):
        _set_gradients(ours, theirs, random, "float32")
        optimizer.step()
        reference.step()
    mine, yours = optimizer.state_dict(), reference.state_dict()
    assert mine["state"].keys() == yours["state"].keys()
    for number, state in yours["state"].items():
        present = {k: v for k, v in state.items() if v is not None}
        assert mine["state"][number].keys() == present.keys()
        for key, value in present.items():
            assert mine["state"][number][key].shape == tuple(value.shape), key
            np.testing.assert_allclose(
                mine["state"][number][key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6
            )
    for group, other in zip(mine["param_groups"], yours["param_groups"], strict=True):
        assert group == {key: other[key] for key in group}


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_loads_a_state_dict_of_pytorch_and_goes_on(name: str, options: dict[str, Any]) -> None:
    ours, theirs, optimizer, reference, random = _pair(name, options, "float64")
    for _ in range(3):
        _set_gradients(ours, theirs, random, "float64")
        reference.step()
    for x, y in zip(ours, theirs, strict=True):
        x.data = wrap(y.detach().numpy().copy())
    optimizer.load_state_dict(reference.state_dict())
    for _ in range(3):
        _set_gradients(ours, theirs, random, "float64")
        reference.step()
        optimizer.step()
    _assert_equal(ours, theirs, "float64")


def test_groups_with_options_of_their_own() -> None:
    ours, theirs, _, _, random = _pair("Adam", {}, "float64")
    groups = [
        {"slice": (0, 1)},
        {"slice": (1, 3), "lr": 0.2},
        {"slice": (3, 4), "betas": (0.1, 0.2)},
    ]

    def make(library: Any, parameters: Any) -> Any:
        given = [
            {
                **{k: v for k, v in g.items() if k != "slice"},
                "params": parameters[slice(*g["slice"])],
            }
            for g in groups
        ]
        result = library.Adam(given[:2], lr=0.01)
        result.add_param_group(given[2])
        return result

    optimizer, reference = make(optim, ours), make(torch.optim, theirs)
    for _ in range(5):
        _set_gradients(ours, theirs, random, "float64")
        optimizer.step()
        reference.step()
    _assert_equal(ours, theirs, "float64")
    mine, yours = optimizer.state_dict(), reference.state_dict()
    assert [g["params"] for g in mine["param_groups"]] == [
        g["params"] for g in yours["param_groups"]
    ]


def _extragradient(library: Any, parameters: Any, lr: float) -> Any:
    """As optimizers are written for PyTorch: a step of their own, with state by parameter."""
    required = import_module(f"{library.__name__}.optimizer").required

    class Momentum(library.Optimizer):  # type: ignore[misc, name-defined]
        def __init__(self, params: Any, lr: Any = required) -> None:
            super().__init__(params, {"lr": lr, "mu": 0.9})

        def step(self, closure: Any = None) -> Any:
            loss = None if closure is None else closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["sum"] = p.data * 0
                    state["step"] += 1
                    state["sum"].mul_(group["mu"]).add_(p.grad.data)
                    p.data.add_(state["sum"], alpha=-group["lr"] / state["step"])
            return loss

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Momentum(parameters)
    return Momentum([{"params": parameters[:2]}, {"params": parameters[2:], "mu": 0.5}], lr=lr)


def test_an_optimizer_with_a_step_of_its_own() -> None:
    ours, theirs, _, _, random = _pair("SGD", {}, "float64")
    optimizer = _extragradient(optim, ours, 0.1)
    reference = _extragradient(torch.optim, theirs, 0.1)
    schedules = [
        optim.lr_scheduler.StepLR(optimizer, 2),
        torch.optim.lr_scheduler.StepLR(reference, 2),
    ]
    for _ in range(4):
        optimizer.zero_grad()
        reference.zero_grad()
        _set_gradients(ours, theirs, random, "float64")
        assert optimizer.step(lambda: 3.0) == reference.step(lambda: 3.0) == 3.0
        for schedule in schedules:
            schedule.step()
    _assert_equal(ours, theirs, "float64")
    mine, yours = optimizer.state_dict(), reference.state_dict()
    assert mine["state"].keys() == yours["state"].keys()
    again = _extragradient(optim, ours, 0.1)
    again.load_state_dict(mine)
    assert again.param_groups[1]["mu"] == 0.5
    np.testing.assert_array_equal(again.state[ours[0]]["sum"].numpy(), mine["state"][0]["sum"])


# PyTorch's SGD starts the momentum of such a parameter twice: it takes both for its first update
@pytest.mark.parametrize(("name", "options"), [o for o in OPTIONS if o[1].get("momentum", 0) == 0])
def test_a_parameter_that_is_there_twice_is_updated_twice(
    name: str, options: dict[str, Any]
) -> None:
    """As the block that two encoders share, in itertools.chain of their parameters."""
    values = [np.linspace(-1, 1, 5, dtype=np.float32), np.ones((2, 3), np.float32)]
    x, y = [Parameter(wrap(v.copy())) for v in values]
    a, b = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    with pytest.warns(UserWarning, match="more than once"):
        ours = getattr(optim, name)([x, y, x], **options)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        theirs = getattr(torch.optim, name)([a, b, a], foreach=False, **options)
    random = np.random.default_rng(0)
    for _ in range(4):
        _set_gradients([x, y], [a, b], random, "float32")
        ours.step()
        theirs.step()
        _assert_equal([x, y], [a, b], "float32", 1e-5)
    assert [g["params"] for g in ours.state_dict()["param_groups"]] == [[2, 1, 2]]
    assert [g["params"] for g in theirs.state_dict()["param_groups"]] == [[2, 1, 2]]


@pytest.mark.parametrize("options", [{}, {"dampening": 0.5}, {"nesterov": True}])
def test_a_momentum_buffer_of_none_is_none_yet(options: dict[str, Any]) -> None:
    ours, theirs, optimizer, reference, random = _pair(
        "SGD", {"momentum": 0.9, **options}, "float64"
    )
    for each in (optimizer, reference):
        saved = each.state_dict()
        saved["state"] = {number: {"momentum_buffer": None} for number in range(len(ours))}
        each.load_state_dict(saved)
    for _ in range(3):
        _set_gradients(ours, theirs, random, "float64")
        optimizer.step()
        reference.step()
    _assert_equal(ours, theirs, "float64")
