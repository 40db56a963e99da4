"""The games of single logits against closed forms."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from tinygan.autograd import grad, wrap
from tinygan.losses import GAMES, PENALTIES, Game, PairGame, game, penalty

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
