"""The penalties on the discriminator's gradient against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from tinygan.autograd import grad, gradcheck, wrap
from tinygan.losses import PENALTIES, divergence_penalty, dragan, gradient_penalty, r1, r2
from tinygan.ops import tanh


def leaf(values):
    return wrap(np.array(values, dtype=np.float64)).requires_grad_()


@pytest.fixture
def batches():
    random = np.random.default_rng(0)
    return wrap(random.standard_normal((6, 3))), wrap(random.standard_normal((6, 3)))


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights(batches):
    w = leaf([[1.0], [-2.0], [0.5]])
    for term in (r1(lambda x: x @ w, batches[0]), r2(lambda x: x @ w, batches[1])):
        assert term.item() == pytest.approx(1 + 4 + 0.25, rel=1e-14)
        (slope,) = grad(term, w)
        np.testing.assert_allclose(slope.numpy(), 2 * w.detach().numpy(), rtol=1e-14)


def test_r1_of_a_quadratic_critic(batches):
    """D(x) = x'Ax / 2 with A symmetric: grad D = Ax, and d/dA E|Ax|^2 = 2 A E[x x']."""
    random = np.random.default_rng(1)
    a = random.standard_normal((3, 3))
    a = a + a.T
    matrix, x = leaf(a), batches[0].numpy()

    def critic(x):
        return ((x @ (matrix + matrix.transpose(0, 1)) * 0.5) * x).sum(1) * 0.5

    term = r1(critic, batches[0])
    assert term.item() == pytest.approx(np.square(x @ a).sum(1).mean(), rel=1e-13)
    (slope,) = grad(term, matrix)
    full = 2 * a @ x.T @ x / len(x)
    np.testing.assert_allclose(slope.numpy(), (full + full.T) / 2, rtol=1e-12)


@pytest.mark.parametrize("center", [0.0, 1.0, 2.5])
def test_the_gradient_penalty_of_a_linear_critic(center, batches):
    """(|w| - c)^2, and its derivative 2 (|w| - c) w / |w|, wherever the points are."""
    w = leaf([[1.0], [-2.0], [0.5]])
    term = gradient_penalty(lambda x: x @ w, *batches, center=center)
    values = w.detach().numpy()
    norm = np.sqrt(np.square(values).sum())
    assert term.item() == pytest.approx((norm - center) ** 2, rel=1e-13)
    (slope,) = grad(term, w)
    np.testing.assert_allclose(slope.numpy(), 2 * (norm - center) * values / norm, rtol=1e-12)


@pytest.mark.parametrize("power", [2.0, 4.0, 6.0])
def test_the_divergence_penalty_of_a_linear_critic(power, batches):
    """|w|^p, and its derivative p |w|^(p - 2) w, wherever the points are."""
    w = leaf([[1.0], [-2.0], [0.5]])
    term = divergence_penalty(lambda x: x @ w, *batches, power=power)
    values = w.detach().numpy()
    norm = np.sqrt(np.square(values).sum())
    assert term.item() == pytest.approx(norm**power, rel=1e-13)
    (slope,) = grad(term, w)
    np.testing.assert_allclose(slope.numpy(), power * norm ** (power - 2) * values, rtol=1e-12)


def test_dragan_looks_around_the_real_batch(batches):
    """Points x + std(x) u / 2, u in [0, 1); for a linear critic the penalty is (|w| - 1)^2."""
    seen = []

    def critic(x):
        seen.append(x.detach().numpy().copy())
        return (x * 2.0).sum(1)

    real = batches[0]
    assert dragan(critic, real).item() == pytest.approx((2 * np.sqrt(3) - 1) ** 2, rel=1e-13)
    (x,) = seen
    u = (x - real.numpy()) / (0.5 * real.numpy().std())
    assert ((u >= 0) & (u < 1)).all()
    assert len(np.unique(u)) == u.size


def test_the_norm_is_over_all_dimensions_of_a_sample():
    """Images: one norm per sample, not per channel or pixel, nor one for the batch."""
    w = leaf(np.random.default_rng(0).standard_normal((2, 3, 3)))
    real, fake = wrap(np.ones((4, 2, 3, 3))), wrap(np.zeros((4, 2, 3, 3)))

    def critic(x):
        return (x * w).sum((1, 2, 3))

    norm = np.sqrt(np.square(w.detach().numpy()).sum())
    assert gradient_penalty(critic, real, fake).item() == pytest.approx((norm - 1) ** 2)
    assert r1(critic, real).item() == pytest.approx(norm**2)


def test_the_points_lie_between_the_batches_one_mix_per_sample():
    seen = []

    def critic(x):
        seen.append(x.detach().numpy().copy())
        return (x * x).sum((1, 2))

    real, fake = wrap(np.ones((50, 2, 3))), wrap(np.zeros((50, 2, 3)))
    gradient_penalty(critic, real, fake)
    (x,) = seen
    assert ((x >= 0) & (x <= 1)).all()
    assert (x == x[:, :1, :1]).all()
    assert len(np.unique(x[:, 0, 0])) == 50


def test_a_generator_makes_the_points_repeat(batches):
    from tinygan import Generator

    def term(seed):
        generator = Generator().manual_seed(seed)
        return gradient_penalty(lambda x: (x**3).sum(1), *batches, generator=generator).item()

    assert term(1) == term(1) != term(2)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_critic_that_is_flat_gives_finite_derivatives(name, batches):
    w = leaf(np.zeros((3, 1)))
    term = PENALTIES[name](lambda x: tanh(x @ w), *batches)
    assert term.item() == pytest.approx(1.0 if name in ("gradient_penalty", "dragan") else 0.0)
    (slope,) = grad(term, w)
    assert np.isfinite(slope.numpy()).all()


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_touches_neither_the_batches_nor_the_generator(name, batches):
    real, theta = batches[0], leaf(2.0)
    fake, w = batches[1] * theta, leaf([[1.0], [-2.0], [0.5]])
    term = PENALTIES[name](lambda x: tanh(x @ w), real, fake)
    assert grad(term, [w, theta], allow_unused=True)[1] is None
    assert not real.requires_grad
    assert real.grad is None


@pytest.mark.parametrize("name", PENALTIES)
def test_the_derivative_by_the_weights_to_order_2(name, batches):
    from tinygan import Generator

    def f(w, v):
        extra = {} if name in ("r1", "r2", "r1_r2") else {"generator": Generator().manual_seed(0)}
        return PENALTIES[name](lambda x: tanh(x @ w) @ v, *batches, **extra)

    random = np.random.default_rng(3)
    inputs = leaf(random.standard_normal((3, 4))), leaf(random.standard_normal((4, 1)))
    assert gradcheck(f, inputs)


def test_batches_of_two_shapes_are_an_error():
    with pytest.raises(ValueError, match=r"real batch has shape \(4, 3\), the generated one \(5"):
        gradient_penalty(lambda x: x.sum(), wrap(np.ones((4, 3))), wrap(np.ones((5, 3))))


def test_a_critic_that_ignores_its_input_is_an_error():
    w = leaf([1.0])
    with pytest.raises(RuntimeError, match="was not used"):
        r1(lambda x: w * 2.0, wrap(np.ones((4, 3))))
