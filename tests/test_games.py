"""The games and the penalties against closed forms."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from tinygan.autograd import grad, gradcheck, wrap
from tinygan.losses import (
    GAMES,
    PENALTIES,
    Game,
    PairGame,
    divergence_penalty,
    dragan,
    game,
    gradient_penalty,
    penalty,
    r1,
    r2,
)
from tinygan.ops import tanh

LOGITS = np.array([-30.0, -3.0, -0.7, 0.0, 0.4, 2.5, 30.0])


def leaf(values, dtype=np.float64):
    return wrap(np.array(values, dtype=dtype)).requires_grad_()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# per game: the losses per logit of D on real, D on generated, G; then their first derivatives
FORMS = {
    "minimax": (
        (lambda x: -np.log(sigmoid(x)), lambda x: sigmoid(x) - 1),
        (lambda x: -np.log(sigmoid(-x)), sigmoid),
        (lambda x: np.log(sigmoid(-x)), lambda x: -sigmoid(x)),
    ),
    "non_saturating": (
        (lambda x: -np.log(sigmoid(x)), lambda x: sigmoid(x) - 1),
        (lambda x: -np.log(sigmoid(-x)), sigmoid),
        (lambda x: -np.log(sigmoid(x)), lambda x: sigmoid(x) - 1),
    ),
    "least_squares": (
        (lambda x: (x - 1) ** 2 / 2, lambda x: x - 1),
        (lambda x: x**2 / 2, lambda x: x),
        (lambda x: (x - 1) ** 2 / 2, lambda x: x - 1),
    ),
    "hinge": (
        (lambda x: np.maximum(0, 1 - x), lambda x: np.where(x < 1, -1.0, 0.0)),
        (lambda x: np.maximum(0, 1 + x), lambda x: np.where(x > -1, 1.0, 0.0)),
        (lambda x: -x, lambda x: -np.ones_like(x)),
    ),
    "wasserstein": (
        (lambda x: -x, lambda x: -np.ones_like(x)),
        (lambda x: x, lambda x: np.ones_like(x)),
        (lambda x: -x, lambda x: -np.ones_like(x)),
    ),
}


def second(name, x):
    """The second derivatives by a logit of the same three terms."""
    bell = sigmoid(x) * sigmoid(-x)
    return {
        "minimax": (bell, bell, -bell),
        "non_saturating": (bell, bell, bell),
        "least_squares": (1 + 0 * x, 1 + 0 * x, 1 + 0 * x),
    }.get(name, (0 * x, 0 * x, 0 * x))


def terms(name):
    """The three terms of a game as sums over logits, the other batch's logits being fixed."""
    g = game(name)
    other = wrap(np.zeros(1))

    def on_real(x):
        return (g.discriminator(x, other) - g.discriminator(other, other)) * x.numel()

    def on_fake(x):
        return (g.discriminator(other, x) - g.discriminator(other, other)) * x.numel()

    return on_real, on_fake, lambda x: g.generator(x) * x.numel()


def test_every_game_has_a_closed_form_here():
    """Those of pairs and of energies have theirs in test_pair_games."""
    simple = {g.name for g in GAMES.values() if isinstance(g, Game) and not isinstance(g, PairGame)}
    assert set(FORMS) == simple


@pytest.mark.parametrize("name", FORMS)
def test_the_value_is_the_formula(name):
    (d_real, _), (d_fake, _), (g_fake, _) = FORMS[name]
    real, fake = LOGITS, LOGITS[1:] * 0.9
    g = game(name)
    expected = d_real(real).mean() + d_fake(fake).mean()
    assert g.discriminator(wrap(real), wrap(fake)).item() == pytest.approx(expected, rel=1e-12)
    assert g.generator(wrap(fake)).item() == pytest.approx(g_fake(fake).mean(), rel=1e-12)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("which", range(3), ids=["D on real", "D on generated", "G"])
def test_the_derivative_by_the_logit_is_what_stands_beside_the_loss(name, which):
    x = leaf(LOGITS)
    (first,) = grad(terms(name)[which](x), x, create_graph=True)
    expected = FORMS[name][which][1](LOGITS)
    np.testing.assert_allclose(first.detach().numpy(), expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(
        game(name).slopes[which](x.detach()).numpy(), expected, rtol=1e-9, atol=1e-15
    )
    if not first.requires_grad:
        assert not np.any(second(name, LOGITS)[which])
        return
    (curvature,) = grad(first.sum(), x, allow_unused=True)
    curvature = np.zeros_like(LOGITS) if curvature is None else curvature.numpy()
    np.testing.assert_allclose(curvature, second(name, LOGITS)[which], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "logit", "discriminator", "generator"),
    [
        ("minimax", 0.0, 2 * log(2), -log(2)),
        ("non_saturating", 0.0, 2 * log(2), log(2)),
        ("least_squares", 0.5, 0.25, 0.125),
        ("hinge", 0.0, 2.0, 0.0),
        ("wasserstein", 0.0, 0.0, 0.0),
    ],
)
def test_the_value_at_equilibrium(name, logit, discriminator, generator):
    x = wrap(np.full((6, 1), logit))
    assert game(name).discriminator(x, x).item() == pytest.approx(discriminator, rel=1e-14)
    assert game(name).generator(x).item() == pytest.approx(generator, rel=1e-14)


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
def test_the_optimal_discriminator_is_the_density_ratio(name):
    """For densities p and q at one point, D's loss p f(x) + q h(x) is stationary there."""
    p, q = 0.3, 1.7
    ratio = p / (p + q)
    x = leaf([ratio if name == "least_squares" else log(p / q)])
    on_real, on_fake, _ = terms(name)
    (slope,) = grad(p * on_real(x) + q * on_fake(x), x)
    assert slope.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_finite_at_logits_of_a_thousand(name, dtype):
    x = leaf([-1000.0, 1000.0], dtype)
    for loss in (game(name).discriminator(x, x), game(name).generator(x)):
        (first,) = grad(loss, x, create_graph=True)
        assert loss.dtype == first.dtype == dtype
        assert np.isfinite(loss.item())
        assert np.isfinite(first.detach().numpy()).all()
        if first.requires_grad:
            (curvature,) = grad(first.sum(), x, allow_unused=True)
            assert curvature is None or np.isfinite(curvature.numpy()).all()


def test_small_probabilities_keep_their_precision():
    """-log(sigmoid(40)) is exp(-40), not -log(1)."""
    x = wrap(np.array([40.0], dtype=np.float32))
    assert game("non_saturating").generator(x).item() == pytest.approx(np.exp(-40.0), rel=1e-6)


def test_minimax_saturates_and_non_saturating_does_not():
    x = leaf([-20.0])
    assert abs(grad(game("minimax").generator(x), x)[0].item()) < 1e-8
    assert abs(grad(game("non_saturating").generator(x), x)[0].item()) > 0.99


def test_logits_of_any_shape_count_alike():
    x = np.linspace(-2, 2, 12)
    for g in GAMES.values():
        flat = g.discriminator(wrap(x), wrap(-x)).item()
        patches = g.discriminator(*(wrap(y.reshape(3, 1, 2, 2)) for y in (x, -x))).item()
        assert patches == pytest.approx(flat, rel=1e-14)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown game 'hnige'; did you mean 'hinge'"):
        game("hnige")
    with pytest.raises(ValueError, match="did you mean 'non_saturating'"):
        game("non-saturating")
    with pytest.raises(ValueError, match="there are: boundary_equilibrium, hinge"):
        game("zzz")
    with pytest.raises(ValueError, match="did you mean 'gradient_penalty'"):
        penalty("grad_penalty")
    assert penalty("r1") is PENALTIES["r1"]


# -- penalties --------------------------------------------------------------------------------


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
        extra = {} if name in ("r1", "r2") else {"generator": Generator().manual_seed(0)}
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
