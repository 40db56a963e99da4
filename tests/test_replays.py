"""compile: a replay does what a call would do, whatever the function makes, changes or asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_gradient_table import identify

import tinygan
from tinygan import Tensor, nn, optim, randn_like, tensor, zeros
from tinygan.backend import host_array
from tinygan.cli.gradients import TABLE, Row
from tinygan.nn import functional as F

CALLS = 5


def numbers(result: Any) -> list[np.ndarray]:
    if isinstance(result, Tensor):
        return [host_array(result.array).copy()]
    return [a for part in result or () for a in numbers(part)]


def same(prepare: Callable[[], Callable[..., Any]], device: str = "cpu") -> None:
    """Five calls of a function, compiled or not, give the same; `prepare` makes it anew."""
    found = []
    for compiled in (False, True):
        tinygan.manual_seed(0)
        function = prepare()
        function = tinygan.compile(function) if compiled else function
        calls = [(tinygan.arange(12.0).reshape(4, 3) + 10 * i).to(device) for i in range(CALLS)]
        found.append([numbers(function(x)) for x in calls])
    for expected, result in zip(*found, strict=True):
        for a, b in zip(expected, result, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


def made_and_changed(x: Tensor) -> Tensor:
    y = tinygan.zeros_like(x)
    y += x
    z = zeros(4, device=x.device)
    z[1:3] += x[0, 1:]
    return y.sum(1) + z + tinygan.full((4,), 2.0, device=x.device).mul_(z)


def filled_in(x: Tensor) -> Tensor:
    y = x * 0
    y[tensor([0, 2], device=x.device)] = x[0] * 2
    return y


def filled_across(x: Tensor) -> Tensor:
    y = x * 0
    y[:, tensor([[0, 2], [2, 0]], device=x.device)] = x[:, 1:2, None]
    return y


def moved(x: Tensor) -> Tensor:
    y = x * 1
    y[1:] = y[:-1]
    return y


def copied(x: Tensor) -> Tensor:
    return tinygan.tensor(x) + tinygan.tensor(x * 2, dtype=tinygan.float64).float()


def changed_though_needed(x: Tensor) -> Tensor | None:
    w = (x / 10 - 1).requires_grad_()
    y = F.leaky_relu(w, 0.2)
    y *= y
    y[0] += 1
    (y / x.sum()).sigmoid_().sum().backward()
    return w.grad


def changed_though_seen(x: Tensor) -> Tensor | None:
    w = (x / 10).requires_grad_()
    h = w * 2
    rows, turned = h[:2], h.t()
    h *= w
    turned[0].mul_(w[:, 1])
    rows.diagonal().add_(1)
    ((rows * rows).sum() + (turned[0] + h[:, 2]).sum()).backward()
    return w.grad


def in_two_walks(x: Tensor) -> Tensor | None:
    q = tensor(1.0, device=x.device, requires_grad=True)
    (q + x[0, 0]).backward()
    (q * x[0, 1]).backward()
    return q.grad


def seeded(x: Tensor) -> Tensor:
    generator = tinygan.Generator(x.device).manual_seed(3)
    return x + tinygan.randn(4, 3, generator=generator, device=x.device)


def restored(x: Tensor) -> Tensor:
    before = tinygan.get_rng_state(x.device)
    first = randn_like(x)
    tinygan.set_rng_state(before, x.device)
    return first - randn_like(x)


FUNCTIONS = [made_and_changed, filled_in, filled_across, moved, copied]
FUNCTIONS += [changed_though_needed, changed_though_seen, in_two_walks, seeded, restored]
DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "like what lies transposed": lambda x: randn_like(x.t()).t() + x,
    "uniform_": lambda x: tinygan.empty(9, device=x.device).uniform_(-3, 3),
    "normal_": lambda x: tinygan.empty(9, device=x.device).normal_(5, 0.1),
    "float16": lambda x: tinygan.randn(9, dtype=tinygan.float16, device=x.device),
    "int32": lambda x: tinygan.randint(0, 99, (9,), dtype=tinygan.int32, device=x.device),
    "random_": lambda x: zeros(9, dtype=tinygan.int32, device=x.device).random_(0, 99),
    "randperm": lambda x: tinygan.randperm(9, dtype=tinygan.int32, device=x.device),
    "rrelu": lambda x: F.rrelu(-x.t(), training=True),
    "bernoulli": lambda x: tinygan.bernoulli((x.t() / 100).clamp(0, 1)),
    "gumbel": lambda x: F.gumbel_softmax(x.t()),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_a_function_makes_is_made_anew(function, device) -> None:
    same(lambda: function, device)


@pytest.mark.parametrize("function", DRAWS.values(), ids=DRAWS)
def test_draws_go_on(function, device) -> None:
    same(lambda: function, device)


def weighted() -> tuple[nn.Parameter, optim.SGD]:
    w = nn.Parameter(tinygan.ones(3))
    return w, optim.SGD([w], lr=0.01)


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_may_be_cleared_in_the_step_or_between(to_none: bool) -> None:
    def inside():
        w, optimizer = weighted()

        def step(x):
            optimizer.zero_grad(set_to_none=to_none)
            (w * x).sum().backward()
            optimizer.step()
            return w.detach().clone(), w.grad.clone()

        return step

    same(inside)
    for cleared in (True, False):
        found = []
        for form in (lambda f: f, tinygan.compile):
            w, optimizer = weighted()

            @form
            def fill(x, w=w):
                (w * x).sum().backward()

            for i in range(8):
                fill(tinygan.full((3,), float(i)))
                if cleared or i % 3 == 2:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=to_none)
            found.append(w.detach().numpy())
        np.testing.assert_array_equal(*found)


def test_gradients_may_be_cleared_by_hand() -> None:
    def prepare():
        w, optimizer = weighted()

        def step(x):
            w.grad = None
            (w * x).sum().backward()
            optimizer.step()
            return w.detach().clone()

        return step

    same(prepare)


@pytest.mark.parametrize(
    "change",
    [
        lambda optimizer, w, other: optimizer.param_groups[0].update(weight_decay=0.5),
        lambda optimizer, w, other: optimizer.param_groups[0].update(momentum=0.9),
        lambda optimizer, w, other: optimizer.param_groups[0].update(maximize=True),
        lambda optimizer, w, other: optimizer.load_state_dict(optim.SGD([w], 0.01).state_dict()),
        lambda optimizer, w, other: setattr(w, "data", tinygan.full((3,), 7.0)),
        lambda optimizer, w, other: optimizer.add_param_group({"params": [other], "lr": 0.5}),
    ],
)
def test_a_changed_optimizer_is_followed(change) -> None:
    found = []
    for form in (lambda f: f, tinygan.compile):
        w, other = (nn.Parameter(tinygan.ones(3)) for _ in range(2))
        optimizer = optim.SGD([w], lr=0.01, momentum=0.5)

        @form
        def step(x, w=w, other=other, optimizer=optimizer):
            optimizer.zero_grad()
            (w * other * x).sum().backward()
            optimizer.step()
            return w.sum() + 2 * other.sum()

        results = []
        for i in range(8):
            if i == 4:
                change(optimizer, w, other)
            results.append(step(tinygan.full((3,), float(i))).item())
        found.append(results)
    assert found[0] == found[1]


def test_arguments_are_told_apart_and_changed_as_in_a_call() -> None:
    scaled = tinygan.compile(lambda x, n: x * n)
    given = [2, 2, 2, 2.0, 2.0, 2.0, True, True, True, np.float64(2), 2]
    whole = tensor([1, 2])
    assert [scaled(whole, n).dtype for n in given] == [(whole * n).dtype for n in given]

    slope = tinygan.compile(lambda a, b: tinygan.autograd.grad((a * b).sum(), a)[0])
    x, y = (tensor([1.0, n], requires_grad=True) for n in (2, 5))
    for _ in range(3):
        assert slope(x, x).tolist() == [2, 4]
        assert slope(x, y).tolist() == [1, 5]

    @tinygan.compile
    def count(x):
        x += 1
        return x.sum()

    x = zeros(3)
    assert [count(x).item() for _ in range(4)] == [3, 6, 9, 12]
    assert x.tolist() == [4] * 3 and x.version[0] == 4

    filled = tinygan.compile(lambda x: (x * x).sum().backward())
    x = tensor([3.0], requires_grad=True)
    for _ in range(4):
        filled(x)
    assert x.grad is not None and x.grad.item() == 24

    w, optimizer = weighted()

    @tinygan.compile
    def step(w, x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    for _ in range(4):
        step(w, tinygan.ones(3))
    assert w.tolist() == pytest.approx([0.96] * 3)

    z = tinygan.ones(3, requires_grad=True)
    other = optim.SGD([z], lr=0.01)
    hidden = tinygan.compile(lambda z: other.update([z.detach()]))
    hidden(z)
    with pytest.raises(RuntimeError, match="let it find this tensor in an outer scope"):
        hidden(z)


def test_what_cannot_be_recorded_is_called_once() -> None:
    calls = []

    @tinygan.compile
    def nothing(n):
        calls.append(n)
        return n

    with pytest.warns(UserWarning, match="the function is called as it is"):
        assert [nothing(1) for _ in range(4)] == [1] * 4
    assert calls == [1] * 4

    @tinygan.compile
    def masked(x):
        return x[x > 2]

    masked(tinygan.arange(5.0))
    with pytest.raises(RuntimeError, match=r"x\[mask\]: a function that is being recorded"):
        masked(tinygan.arange(5.0))
    with pytest.raises(TypeError, match="unhashable"):
        masked({1})


def test_a_recorded_function_in_another() -> None:
    inner = tinygan.compile(lambda x: x * 2)
    for i in range(3):
        inner(tensor(float(i)))
    outer = tinygan.compile(lambda x: inner(x) + 1)
    assert [outer(tensor(float(i))).item() for i in range(4)] == [1, 3, 5, 7]


def test_an_error_in_the_first_call_leaves_it_the_first() -> None:
    p = nn.Parameter(tinygan.ones(1))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, dampening=0.5)
    fails = [True]

    @tinygan.compile
    def step(x):
        if fails.pop() if fails else False:
            raise ValueError("once")
        optimizer.update([x])
        return p.detach().clone()

    with pytest.raises(ValueError, match="once"):
        step(tinygan.ones(1))
    p2 = nn.Parameter(tinygan.ones(1))
    eager = optim.SGD([p2], lr=0.1, momentum=0.9, dampening=0.5)
    for _ in range(4):
        eager.update([tinygan.ones(1)])
        assert step(tinygan.ones(1)).item() == p2.item()


class Doubles:
    @tinygan.compile
    def double(self, x):
        return x.max(1)


def test_methods_modules_and_named_results() -> None:
    doubles = Doubles()
    for i in range(4):
        found = doubles.double(tinygan.ones(2, 2) * i)
        assert found.values.tolist() == [i, i] and found.indices.tolist() == [0, 0]
    module = nn.Linear(2, 2)
    compiled: Any = tinygan.compile(module)
    assert compiled.eval() is module and not compiled.training


def test_modes_are_followed() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    recorded: Any = tinygan.compile(lambda x: net(x))
    x = tinygan.randn(5, 3)
    for _ in range(3):
        recorded(x)
    net.eval()
    for _ in range(3):
        np.testing.assert_array_equal(recorded(x).numpy(), net(x).detach().numpy())
    net.train()
    assert (recorded(x) == 0).any() and not recorded.refused

    def inside():
        net = nn.Dropout()

        def step(x):
            net.eval()
            y = net(x)
            net.train()
            return y + net(x)

        return step

    same(inside)


def test_threads_take_turns() -> None:
    step = tinygan.compile(lambda x: (x * 2).tanh().sum())
    for _ in range(2):
        step(tinygan.ones(50))
    wrong = []

    def run(n: int) -> None:
        x = tinygan.full((50,), float(n))
        expected = (x * 2).tanh().sum().item()
        wrong.extend([1 for _ in range(300) if step(x).item() != expected])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("row", TABLE, ids=identify(TABLE))
def test_every_operation_is_replayed_for_other_numbers(row: Row) -> None:
    def arguments(i: int) -> list[Tensor]:
        random = np.random.default_rng(i)
        return [tensor(np.asarray(domain(random))) for domain in row.domains]

    def call(*inputs: Tensor) -> list[Tensor]:
        own = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
        y = row.function(*[x * 1 if x.is_floating_point() else x for x in own])
        outputs = [t for t in ([y] if isinstance(y, Tensor) else y) if t.requires_grad]
        asked = [x for x in own if x.requires_grad]
        total = sum((t * t).sum() for t in outputs)
        slopes = tinygan.autograd.grad(total, asked, allow_unused=True)
        return [t.detach() for t in (*outputs, *slopes) if t is not None]

    found = []
    for form in (lambda f: f, tinygan.compile):
        tinygan.manual_seed(0)
        function: Any = form(call)
        try:
            found.append([numbers(function(*arguments(i))) for i in range(3)])
        except RuntimeError as error:
            assert "reads a value" in str(error) and row.name in ("take", "put")
            return
    for expected, result in zip(*found, strict=True):
        for a, b in zip(expected, result, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
