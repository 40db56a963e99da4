"""Operations with a gradient written by hand: what is saved, what is refused, what is recorded."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinygan
from tinygan.autograd import Function, grad, gradcheck


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        assert not tinygan.is_grad_enabled()
        y = x**3
        ctx.save_for_backward(x, y, None)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y, nothing = ctx.saved_tensors
        assert nothing is None
        return g * (x**2 * 1.5 + y * 1.5 / x)  # 3 x^2, from both


class Reversed(Function):
    """x, with its gradient turned round, as adversarial training of features has it."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.weight * g, None


class Halves(Function):
    """x y and the sum of y's first row, and their sign, which has no gradient."""

    @staticmethod
    def forward(x, y):
        return x * y, y[0].sum(), x.sign()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(output[2])

    @staticmethod
    def backward(ctx, g, h, none):
        x, y = ctx.saved_tensors
        assert not none.any()
        rows = tinygan.zeros_like(y)
        rows[0] = h * tinygan.ones_like(y[0])
        return g * y, g * x + rows


def numbers(*shape):
    return tinygan.tensor(np.random.default_rng(0).uniform(0.5, 1.5, shape), requires_grad=True)


def test_gradients_to_every_order():
    gradcheck(Cube.apply, (numbers(2, 3),), order=3)
    x = numbers(2)
    (g,) = grad(Cube.apply(x).sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x, create_graph=True)
    np.testing.assert_allclose(h.detach().numpy(), 6 * x.detach().numpy())


def test_several_outputs_some_without_gradient():
    gradcheck(lambda x, y: Halves.apply(x, y)[:2], (numbers(2, 3), numbers(2, 3)), order=2)
    product, row, sign = Halves.apply(numbers(2, 3), numbers(2, 3))
    assert product.requires_grad and row.requires_grad and not sign.requires_grad
    x = numbers(2, 3)
    assert (grad(Halves.apply(x, x)[1], x)[0].tolist()) == [[1, 1, 1], [0, 0, 0]]


def test_a_reversed_gradient_in_a_recorded_step():
    model = tinygan.nn.Linear(3, 1)
    optimizer = tinygan.optim.SGD(model.parameters(), lr=1.0)
    before = model.weight.detach().clone()

    @tinygan.compile
    def step(x):
        optimizer.zero_grad()
        loss = Reversed.apply(model(x), 0.5).sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(4):
        step(tinygan.ones(1, 3))
    np.testing.assert_allclose((model.weight.detach() - before).numpy(), 4 * 0.5 * np.ones((1, 3)))


def test_an_input_that_comes_out_again_is_another_tensor():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = numbers(2)
    y = Same.apply(x)
    assert y is not x and x.is_leaf and y.array is x.array and "Same" in repr(y)
    y.sum().backward()
    assert x.grad.tolist() == [7, 7]


def test_what_is_asked_for_is_known():
    asked = []

    class Asked(Function):
        @staticmethod
        def forward(ctx, x, y, number):
            asked.append(ctx.needs_input_grad)
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g, None, None

    Asked.apply(numbers(2), tinygan.ones(2), 3.0)
    with tinygan.no_grad():
        assert not Asked.apply(numbers(2), numbers(2), 3.0).requires_grad
    assert not Asked.apply(tinygan.ones(2), tinygan.ones(2), 3).requires_grad
    assert asked == [(True, False, False), (True, True, False), (False, False, False)]


def test_errors():
    class Few(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="Few: backward returned 1 gradients, expected 2"):
        Few.apply(numbers(2), numbers(2)).sum().backward()
    with pytest.raises(NotImplementedError, match="has to define forward"):
        Function.apply(numbers(2))
    x = numbers(2)
    h = x * 1
    y = Cube.apply(h)
    h.mul_(2)
    with pytest.raises(RuntimeError, match=r"Cube: its input 0.*was changed in place"):
        y.sum().backward()
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Cube: the graph was walked before"):
        y.backward()


def test_no_cycle_arises():
    gc.collect()
    gc.disable()
    try:
        y = Cube.apply(numbers(3))
        product, row, _ = Halves.apply(numbers(2, 3), numbers(2, 3))
        alive = [weakref.ref(y.node), weakref.ref(product.node), weakref.ref(row.node)]
        del y, product, row, _
        assert not any(node() for node in alive)
    finally:
        gc.enable()
