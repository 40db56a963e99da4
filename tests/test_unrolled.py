"""Updates as functions of tensors, and the generator that looks ahead, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan import nn, optim
from tinygan.autograd import Parameter, grad, gradcheck, wrap
from tinygan.data import load
from tinygan.losses import wasserstein
from tinygan.nn import functional_call
from tinygan.optim import look_ahead
from tinygan.train import Config, Training, gan_step

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
    "Nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, 0.1, (0.5, 0.9)),
    "decay": lambda p: optim.Adam(p, 0.1, (0.5, 0.9), weight_decay=0.1, maximize=True),
    "AMSGrad": lambda p: optim.Adam(p, 0.1, (0.5, 0.9), amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, 0.1, (0.5, 0.9)),
}


def leaf(values):
    return wrap(np.array(values, dtype=np.float64)).requires_grad_()


def loss_of(weights, w):
    a, b = weights
    return (a * a * w).sum().exp() + (a.sum() - w.sum()) ** 2 * b.sum() + (b**4).sum()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("before", [0, 2])
def test_the_values_are_those_of_the_updates(name, before):
    """From the beginning, and from the state that updates have left."""
    w = leaf([0.3, -0.4])
    parameters = [Parameter(leaf([0.5, -1.0]).detach()), Parameter(leaf([0.7]).detach())]
    optimizer = OPTIMIZERS[name](parameters)

    def update():
        optimizer.update(grad(loss_of(parameters, w.detach()), parameters))

    for _ in range(before):
        update()
    start = [p.detach().numpy().copy() for p in parameters]
    kept = {n: x.numpy().copy() for s in optimizer.state.values() for n, x in s.items()}
    ahead = look_ahead(optimizer, lambda weights: loss_of(weights, w), 3)
    for p, value in zip(parameters, start, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), value)
    found = {n: x.numpy() for s in optimizer.state.values() for n, x in s.items()}
    assert set(found) == set(kept)
    assert all(np.array_equal(found[n], kept[n]) for n in kept)
    for _ in range(3):
        update()
    for p, x in zip(parameters, ahead, strict=True):
        np.testing.assert_allclose(x.detach().numpy(), p.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_derivatives_to_order_2(name):
    parameters = [Parameter(leaf([0.5, -1.0]).detach()), Parameter(leaf([0.7]).detach())]
    optimizer = OPTIMIZERS[name](parameters)
    optimizer.update(grad(loss_of(parameters, leaf([0.1, 0.2]).detach()), parameters))

    def f(w):
        return look_ahead(optimizer, lambda weights: loss_of(weights, w), 2)

    assert gradcheck(f, (leaf([0.3, -0.4]),), order=2)


@pytest.mark.parametrize("steps", [1, 4, 10])
def test_descent_on_a_parabola_has_a_closed_form(steps):
    """For a (p - w)^2 / 2 and q = (1 - lr a)^k: p_k = w + q (p_0 - w), and dp_k / dw = 1 - q."""
    a, lr, start, w = 0.6, 0.25, 2.0, leaf([-1.0])
    p = Parameter(leaf([start]).detach())

    def loss(weights):
        return (0.5 * a * (weights[0] - w).square()).sum()

    (ahead,) = look_ahead(optim.SGD([p], lr), loss, steps)
    q = (1 - lr * a) ** steps
    assert ahead.item() == pytest.approx(-1.0 + q * (start + 1.0), rel=1e-13)
    assert grad(ahead.sum(), w)[0].item() == pytest.approx(1 - q, rel=1e-13)


def test_adam_where_no_gradient_has_been():
    """The root of 0 has an infinite derivative; what is not moved has none."""
    w = leaf([1.0, 2.0])
    p = Parameter(leaf([0.5, 0.5]).detach())
    mask = wrap(np.array([1.0, 0.0]))
    ahead = look_ahead(optim.Adam([p], 0.1), lambda x: (x[0] * mask * w).sum().square(), 2)[0]
    slope = grad(ahead.sum(), w)[0].numpy()
    assert np.isfinite(slope).all()
    assert slope[1] == 0


def test_what_has_no_form_is_an_error():
    optimizer = optim.RMSprop([Parameter(tinygan.zeros(1))])
    with pytest.raises(TypeError, match="RMSprop has no differentiable form; SGD, Adam have"):
        look_ahead(optimizer, lambda weights: weights[0].sum(), 1)


def test_a_module_as_a_function_of_its_parameters():
    layer = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    own = layer.get_parameter("0.weight")
    x, weight = tinygan.randn(4, 2), tinygan.randn(3, 2).requires_grad_()
    y = functional_call(layer, {"0.weight": weight}, x)
    bias = layer.get_parameter("0.bias").detach().numpy()
    expected = np.tanh(x.numpy() @ weight.detach().numpy().T + bias)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert layer.get_parameter("0.weight") is own
    assert grad(y.sum(), weight)[0].shape == (3, 2)
    with pytest.raises(KeyError, match=r"no parameter '0\.wight'"):
        functional_call(layer, {"0.wight": weight}, x)
    with pytest.raises(ValueError, match=r"has shape \(3, 2\), the tensor given for it \(4, 2\)"):
        functional_call(layer, {"0.weight": x}, x)


# -- the game ---------------------------------------------------------------------------------


class Point(nn.Module):
    """The generator of the Dirac-GAN, which draws one number wherever the noise is."""

    def __init__(self, at):
        super().__init__()
        self.at = Parameter(tinygan.tensor([[at]], dtype=np.float64))

    def forward(self, z):
        return self.at.expand(len(z), 1)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_generator_that_looks_ahead_is_damped(steps):
    """D(x) = c x, data at 0, wasserstein: D's loss is c t, so c_k = c - k lr t, G's loss -c_k t.

    Its derivative by t is -c + 2 k lr t: what circles otherwise is drawn to the solution.
    """
    t, c, lr = 0.7, 0.3, 0.1
    G, D = Point(t), nn.Linear(1, 1, bias=False, dtype=np.float64)
    with tinygan.no_grad():
        D.weight.fill_(c)
    optimizer_D, optimizer_G = optim.SGD(D.parameters(), lr), optim.SGD(G.parameters(), 1.0)
    real = wrap(np.zeros((4, 1)))
    gan_step(G, D, optimizer_G, optimizer_D, [real], 1, wasserstein, unroll=steps)
    assert D.weight.item() == pytest.approx(c - lr * t, rel=1e-14)  # one update, by D's own step
    slope = -(c - lr * t) + 2 * steps * lr * t
    assert G.at.item() == pytest.approx(t - slope, rel=1e-13)


@pytest.mark.parametrize("extra", [{}, {"game": "relativistic", "penalty": "r1", "beta2_end": 0.9}])
def test_a_recorded_step_is_the_step(extra, monkeypatch):
    config = Config(
        **{"data": "ring", "model": "mlp", "width": 8, "latent": 4, "batch_size": 16},
        **{"steps": 10, "unroll": 2, **extra},
    )

    def weights(recorded, **changes):
        if not recorded:
            monkeypatch.setattr("tinygan.train.state.compile", lambda f: f)
        training = Training(Config(**{**config.as_dict(), **changes}), load("ring"), "cpu")
        for _ in range(5):
            training.advance()
        return training.fingerprint()

    assert weights(True) == weights(False) != weights(False, unroll=0)
