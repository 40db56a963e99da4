"""The games of pairs and of energies against closed forms."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

import tinygan
from tinygan.autograd import grad, gradcheck, wrap
from tinygan.losses import GAMES, BoundaryEquilibrium, PairGame, game
from tinygan.models import Autoencoder, build
from tinygan.train import Config, Training

PAIRS = [name for name, g in GAMES.items() if isinstance(g, PairGame)]
REAL = np.array([-30.0, -2.0, 0.3, 1.5, 25.0])
FAKE = np.array([28.0, -0.5, 0.4, 2.5, -31.0])


def leaf(values, dtype=np.float64):
    return wrap(np.array(values, dtype=dtype)).requires_grad_()


def softplus(x):
    return np.logaddexp(0, x)


def softmax(real, fake):
    b = np.concatenate([real, fake])
    p = np.exp(b - b.max())
    return np.split(p / p.sum(), [len(real)])


def softmax_d(r, f):
    return -np.log(softmax(r, f)[0]).mean()


def softmax_g(r, f):
    return -np.log(np.concatenate(softmax(r, f))).mean()


VALUES = {
    "relativistic": (
        lambda r, f: softplus(f - r).mean(),
        lambda r, f: softplus(r - f).mean(),
    ),
    "relativistic_average": (
        lambda r, f: softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean(),
        lambda r, f: softplus(r.mean() - f).mean() + softplus(r - f.mean()).mean(),
    ),
    "softmax_game": (softmax_d, softmax_g),
}


def test_every_game_of_pairs_has_a_closed_form_here():
    assert set(PAIRS) == set(VALUES)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("spread", [1.0, 0.1])
def test_the_value_is_the_formula(name, spread):
    r, f = REAL * spread, FAKE * spread
    for found, expected in zip(
        (game(name).discriminator, game(name).generator), VALUES[name], strict=True
    ):
        assert found(wrap(r), wrap(f)).item() == pytest.approx(expected(r, f), rel=1e-12)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("spread", [1.0, 0.05])
def test_the_slopes_are_the_derivatives(name, spread):
    r, f = leaf(REAL * spread), leaf(FAKE * spread)
    g = game(name)
    found = (
        *(x * len(REAL) for x in grad(g.discriminator(r, f), [r, f])),
        grad(g.generator(r, f), f)[0] * len(FAKE),
    )
    for derivative, slope in zip(found, g.slopes, strict=True):
        np.testing.assert_allclose(
            derivative.numpy(), slope(r, f).detach().numpy(), rtol=1e-9, atol=1e-12
        )


def test_relativistic_derivatives_in_numbers():
    """At D(x) - D(G(z)) = d: the first is -sigmoid(-d), the second sigmoid(d) sigmoid(-d)."""
    d = np.array([-3.0, 0.0, 1.0, 4.0])
    r, f = leaf(d), wrap(np.zeros(4))
    (first,) = grad(game("relativistic").discriminator(r, f) * 4, r, create_graph=True)
    s = 1 / (1 + np.exp(d))
    np.testing.assert_allclose(first.detach().numpy(), -s, rtol=1e-13)
    np.testing.assert_allclose(grad(first.sum(), r)[0].numpy(), s * (1 - s), rtol=1e-13)


def test_softmax_derivatives_in_numbers():
    """The second derivative of the discriminator's loss is diag(p) - p p'."""
    r, f = leaf([0.5, -1.0]), wrap(np.array([0.2, 0.0]))
    (first,) = grad(game("softmax_game").discriminator(r, f), r, create_graph=True)
    p = softmax(r.detach().numpy(), f.numpy())[0]
    np.testing.assert_allclose(first.detach().numpy(), p - 0.5, rtol=1e-13)
    (row,) = grad(first[0], r)
    np.testing.assert_allclose(row.numpy(), [p[0] - p[0] ** 2, -p[0] * p[1]], rtol=1e-12)


@pytest.mark.parametrize("level", [0.0, 4000.0])
def test_softmax_shares_keep_their_digits_however_large_the_logits(level):
    r, f = (leaf(np.array(x) + level, np.float32) for x in ([0.5, -1.25], [0.25, 0.0]))
    exact = softmax(np.array([0.5, -1.25]), np.array([0.25, 0.0]))
    g = game("softmax_game")
    slopes = grad(g.discriminator(r, f), (r, f))
    assert slopes[0].dtype == np.float32
    np.testing.assert_allclose(slopes[0].numpy(), exact[0] - 0.5, rtol=1e-6)
    np.testing.assert_allclose(slopes[1].numpy(), exact[1], rtol=1e-6)
    np.testing.assert_allclose(g.slopes[1](r, f).detach().numpy(), 2 * exact[1], rtol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_to_order_3(name):
    random = np.random.default_rng(0)
    g = game(name)
    r, f = leaf(random.standard_normal(4)), leaf(random.standard_normal(4))
    assert gradcheck(g.discriminator, (r, f), order=3)
    assert gradcheck(g.generator, (r, f), order=3)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("relativistic", log(2), log(2)),
        ("relativistic_average", 2 * log(2), 2 * log(2)),
        ("softmax_game", log(12), log(12)),
    ],
)
@pytest.mark.parametrize("logit", [0.0, 7.0])
def test_the_value_at_equilibrium_whatever_the_logit(name, logit, discriminator, generator):
    x = wrap(np.full((6, 1), logit))
    assert game(name).discriminator(x, x).item() == pytest.approx(discriminator, rel=1e-14)
    assert game(name).generator(x, x).item() == pytest.approx(generator, rel=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_a_constant_added_to_d_changes_nothing(name):
    r, f = REAL * 0.1, FAKE * 0.1
    for loss in (game(name).discriminator, game(name).generator):
        shifted = loss(wrap(r + 3.0), wrap(f + 3.0)).item()
        assert shifted == pytest.approx(loss(wrap(r), wrap(f)).item(), rel=1e-12)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_finite_at_logits_of_a_thousand(name, dtype):
    r, f = leaf([-1000.0, 1000.0], dtype), leaf([1000.0, -1000.0], dtype)
    for loss in (game(name).discriminator(r, f), game(name).generator(r, f)):
        first = grad(loss, [r, f], create_graph=True)
        assert loss.dtype == dtype
        assert np.isfinite(loss.item())
        assert all(np.isfinite(g.detach().numpy()).all() for g in first)


def test_batches_of_two_sizes():
    r, f = wrap(np.zeros(4)), wrap(np.zeros(6))
    with pytest.raises(ValueError, match=r"compared in pairs.*or use relativistic_average"):
        game("relativistic").discriminator(r, f)
    assert game("relativistic_average").discriminator(r, f).item() == pytest.approx(2 * log(2))
    assert game("softmax_game").generator(r, f).item() == pytest.approx(log(10))


# -- energies ---------------------------------------------------------------------------------


def test_the_energies_are_weighed_by_k():
    g = BoundaryEquilibrium(gamma=0.5, rate=0.1)
    real, fake = leaf([1.0, 3.0]), leaf([0.5, 0.7, 0.3])
    for _ in range(2):  # k: 0, then 0.1 (0.5 2 - 0.5) = 0.05
        k = g.k.item()
        loss = g.discriminator(real, fake)
        assert loss.item() == pytest.approx(2.0 - k * 0.5, rel=1e-6)
        by_real, by_fake = grad(loss, [real, fake])
        np.testing.assert_allclose(by_real.numpy() * 2, g.slopes[0](real).detach().numpy())
        np.testing.assert_allclose(by_fake.numpy() * 3, -k, rtol=1e-6)
        np.testing.assert_allclose(g.slopes[1](fake).detach().numpy(), -k, rtol=1e-6)
        assert g.generator(fake).item() == pytest.approx(0.5)
        g.balance(real, fake)
    assert g.k.item() == pytest.approx(0.1, rel=1e-6)
    assert g.convergence(real, fake).item() == pytest.approx(2.0 + 0.5)


def test_k_rests_at_the_ratio_and_stays_between_0_and_1():
    g = BoundaryEquilibrium(gamma=0.5, rate=10.0)
    real = wrap(np.array([2.0], dtype=np.float32))
    g.balance(real, wrap(np.array([0.0], dtype=np.float32)))
    assert g.k.item() == 1.0
    g.balance(real, wrap(np.array([1.0], dtype=np.float32)))
    assert g.k.item() == 1.0  # where E L(G(z)) = gamma E L(x)
    g.balance(real, wrap(np.array([9.0], dtype=np.float32)))
    assert g.k.item() == 0.0


def test_a_gamma_that_means_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"gamma is 1\.5"):
        BoundaryEquilibrium(gamma=1.5)


def test_an_autoencoder_is_judged_by_its_mean_error():
    class Half(tinygan.nn.Module):
        def forward(self, x):
            return x * 0.5

    x = tinygan.tensor([[2.0, -4.0], [0.0, 1.0]])
    energies = Autoencoder(Half(), tinygan.nn.Identity())(x)
    np.testing.assert_allclose(energies.numpy(), [1.5, 0.25])
    for model, shape in (("mlp", (2,)), ("dcgan", (1, 28, 28))):
        for latent in (1, 5):
            _, critic = build(model, shape, latent, 4, energy=True)
            assert critic(tinygan.randn(3, *shape)).shape == (3,)


# -- training ---------------------------------------------------------------------------------


def points():
    from tinygan.data import load

    return load("ring")


def small(**options):
    return Config(data="ring", model="mlp", width=8, latent=4, batch_size=16, steps=20, **options)


@pytest.mark.parametrize("name", GAMES)
def test_a_recorded_step_is_the_step(name, monkeypatch):
    """Every game gives the same weights replayed as from Python."""

    def weights(recorded):
        if not recorded:
            monkeypatch.setattr("tinygan.train.state.compile", lambda f: f)
        training = Training(small(game=name), points(), "cpu")
        for _ in range(5):
            training.advance()
        return training.fingerprint(), training.game.state_dict()

    (a, kept), (b, expected) = weights(True), weights(False)
    assert a == b
    assert [x.item() for x in kept.values()] == [x.item() for x in expected.values()]


def test_the_balance_is_saved_and_goes_on(tmp_path):
    one = Training(small(game="boundary_equilibrium", lr_d=0.05), points(), "cpu")
    for _ in range(3):
        one.advance()
    tinygan.save(one.state_dict(), tmp_path / "state.safetensors")
    for _ in range(3):
        one.advance()
    two = Training(one.config, points(), "cpu")
    two.load_state_dict(tinygan.load(tmp_path / "state.safetensors"))
    for _ in range(3):
        two.advance()
    assert two.fingerprint() == one.fingerprint()
    assert two.game.k.item() == one.game.k.item() != 0
    assert GAMES["boundary_equilibrium"].k.item() == 0  # every training has its own


def test_clipped_weights_stay_within_their_bound():
    training = Training(small(game="wasserstein", clip=0.01, n_critic=2), points(), "cpu")
    for _ in range(6):
        training.advance()
    weights = [p.detach().numpy() for p in training.discriminator.parameters()]
    assert all(np.abs(w).max() <= np.float32(0.01) for w in weights)
    assert any(np.abs(w).max() == np.float32(0.01) for w in weights)
    assert max(p.abs().amax().item() for p in training.generator.parameters()) > 0.01
