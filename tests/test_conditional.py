"""Networks that are told a class, and games with a classifier, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan import nn
from tinygan.autograd import grad, gradcheck, wrap
from tinygan.backend.errors import UserError
from tinygan.data import load
from tinygan.losses import game, smoothed, verdict, with_classes
from tinygan.models import (
    CONDITIONAL,
    AuxiliaryDiscriminator,
    ConcatenatedDiscriminator,
    ConcatenatedGenerator,
    MLPDiscriminator,
    ProjectionDiscriminator,
    build_conditional,
)
from tinygan.train import Config, Training, draw, gan_step


def leaf(values):
    return wrap(np.array(values, dtype=np.float64)).requires_grad_()


# -- the networks -----------------------------------------------------------------------------


def test_concatenation_puts_a_unit_vector_behind_the_input():
    z, y = tinygan.tensor([[0.5], [0.25]]), tinygan.tensor([2, 0])
    told = ConcatenatedGenerator(nn.Identity(), 3)(z, y)
    np.testing.assert_array_equal(told.numpy(), [[0.5, 0, 0, 1], [0.25, 1, 0, 0]])
    x = tinygan.randn(2, 2, 4, 5)
    told = ConcatenatedDiscriminator(nn.Identity(), 3)(x, y).numpy()
    assert told.shape == (2, 5, 4, 5)
    np.testing.assert_array_equal(told[:, :2], x.numpy())
    assert (told[0, 2:].sum((1, 2)) == [0, 0, 20]).all()
    assert (told[1, 2:].sum((1, 2)) == [20, 0, 0]).all()


def test_the_projection_is_the_formula():
    discriminator = MLPDiscriminator((2,), 6)
    told = ProjectionDiscriminator(discriminator, 3)
    x, y = tinygan.randn(5, 2), tinygan.tensor([0, 2, 1, 1, 0])
    np.testing.assert_array_equal(told(x, y).detach().numpy(), discriminator(x).detach().numpy())
    nn.init.normal_(told.vectors.weight)
    f = discriminator.layers(x).detach().numpy()
    v = told.vectors.weight.detach().numpy()[y.numpy()]
    expected = discriminator(x).detach().numpy() + (v * f).sum(1)
    np.testing.assert_allclose(told(x, y).detach().numpy(), expected, rtol=1e-5)


def test_the_classifier_stands_beside_the_logit():
    discriminator = MLPDiscriminator((2,), 6)
    told = AuxiliaryDiscriminator(discriminator, 3)
    x, y = tinygan.randn(5, 2), tinygan.tensor([0, 2, 1, 1, 0])
    pairs = told(x, y).detach().numpy()
    np.testing.assert_allclose(pairs[:, 0], discriminator(x).detach().numpy(), rtol=1e-6)
    scores = told.scores(x).detach().numpy()
    np.testing.assert_allclose(np.exp(scores).sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(pairs[:, 1], scores[np.arange(5), y.numpy()], rtol=1e-6)


@pytest.mark.parametrize("rank", [2, 4])
def test_conditional_batch_norm_is_the_formula(rank):
    tinygan.manual_seed(0)
    shape = (6, 3) if rank == 2 else (6, 3, 4, 5)
    layer = (nn.ConditionalBatchNorm1d if rank == 2 else nn.ConditionalBatchNorm2d)(3, 2)
    x, y = tinygan.randn(*shape), tinygan.tensor([0, 1, 1, 0, 1, 0])
    axes = (0,) if rank == 2 else (0, 2, 3)
    a = x.numpy().astype(np.float64)
    expected = (a - a.mean(axes, keepdims=True)) / np.sqrt(a.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(x, y).detach().numpy(), expected, atol=3e-5)
    with tinygan.no_grad():
        layer.weight.weight[1] = 2.0
        layer.bias.weight[0] = -1.0
    scale = np.array([1, 2, 2, 1, 2, 1]).reshape(-1, *[1] * (rank - 1))
    shift = np.array([-1, 0, 0, -1, 0, -1]).reshape(-1, *[1] * (rank - 1))
    found = layer(x, y).detach().numpy()
    np.testing.assert_allclose(found, expected * scale + shift, atol=3e-5)


@pytest.mark.parametrize("form", CONDITIONAL)
@pytest.mark.parametrize(
    ("model", "shape"),
    [("mlp", (2,)), ("mlp", (1, 8, 8)), ("dcgan", (3, 28, 28)), ("resnet", (3, 28, 28))],
)
def test_every_model_has_every_form(form, model, shape):
    generator, discriminator = build_conditional(form, 3, model, shape, 5, 4)
    y = tinygan.tensor([0, 2, 1, 1])
    z = tinygan.randn(4, 5)
    samples = generator(z, y)
    assert samples.shape == (4, *shape)
    assert discriminator(samples, y).shape == ((4, 2) if form in ("auxiliary", "codes") else (4,))
    if form in ("concatenation", "auxiliary"):
        others = generator(z, tinygan.tensor([1, 0, 0, 2]))
        assert (others.detach().numpy() != samples.detach().numpy()).any()


# -- the game ---------------------------------------------------------------------------------


def test_a_classifier_adds_its_cross_entropy():
    random = np.random.default_rng(0)
    real, fake = leaf(random.standard_normal((4, 2))), leaf(random.standard_normal((4, 2)))
    plain = game("non_saturating")
    base = plain.discriminator(real[:, 0], fake[:, 0]).item(), plain.generator(fake[:, 0]).item()
    seen = real[:, 1].mean().item(), fake[:, 1].mean().item()
    classed, codes = with_classes(plain, 0.5), with_classes(plain, 0.5, labelled=False)
    assert classed.discriminator(real, fake).item() == pytest.approx(base[0] - 0.5 * sum(seen))
    assert codes.discriminator(real, fake).item() == pytest.approx(base[0] - 0.5 * seen[1])
    for g in (classed, codes):
        assert g.generator(fake).item() == pytest.approx(base[1] - 0.5 * seen[1])
    (slope,) = grad(classed.discriminator(real, fake), real)
    np.testing.assert_allclose(slope.numpy()[:, 1], -0.5 / 4)
    by_logit = plain.slopes[0](real[:, 0]).detach().numpy() / 4
    np.testing.assert_allclose(slope.numpy()[:, 0], by_logit, rtol=1e-12)
    assert gradcheck(classed.discriminator, (real, fake))
    np.testing.assert_array_equal(verdict(real).detach().numpy(), real.detach().numpy()[:, 0])


def test_targets_are_smoothed_before_the_classes_come_in():
    real, fake = wrap(np.zeros((4, 2))), wrap(np.zeros((4, 2)))
    g = with_classes(smoothed(game("non_saturating"), 0.1))
    assert g.discriminator(real, fake).item() == pytest.approx(2 * np.log(2))
    with pytest.raises(UserError, match=r"with_classes\(smoothed\(game, s\)\)"):
        smoothed(with_classes(game("non_saturating")), 0.1)


def test_a_game_of_pairs_stays_one():
    g = with_classes(game("relativistic"))
    y = wrap(np.zeros((3, 2)))
    assert g.generator(y, y).item() == pytest.approx(np.log(2))


# -- training ---------------------------------------------------------------------------------


def small(**options):
    shape = {"model": "mlp", "width": 8, "latent": 4, "batch_size": 16, "steps": 10}
    return Config(**{"data": "ring", **shape, **options})


@pytest.mark.parametrize("form", CONDITIONAL)
@pytest.mark.parametrize("extra", [{}, {"game": "relativistic", "penalty": "r1", "n_critic": 2}])
def test_a_recorded_step_is_the_step(form, extra, monkeypatch):
    def weights(recorded):
        if not recorded:
            monkeypatch.setattr("tinygan.train.state.compile", lambda f: f)
        training = Training(small(conditional=form, **extra), load("ring"), "cpu")
        for _ in range(4):
            metrics = training.advance()
        assert all(np.isfinite(x.item()) for x in metrics.values())
        return training.fingerprint()

    assert weights(True) == weights(False)


def test_the_classes_are_drawn_in_turn():
    training = Training(small(conditional="concatenation"), load("ring"), "cpu")
    assert training.classes == 8
    z = tinygan.randn(1, 4).expand(16, 4).contiguous()
    y = training.draw(z).numpy()
    np.testing.assert_array_equal(y[:8], y[8:])
    assert len(np.unique(y[:8, 0])) == 8
    third = draw(training.average.module, z, 8, 3).numpy()
    np.testing.assert_array_equal(third, np.broadcast_to(y[3], third.shape))
    assert Training(small(conditional="codes", codes=3), load("ring"), "cpu").classes == 3


def test_it_learns_where_the_classes_are():
    """Two classes, at -2 and 2: every form that is told them puts its samples there."""
    x = np.repeat([-2.0, 2.0], 64).astype(np.float32)[:, None]
    batch = tinygan.tensor(x), tinygan.tensor(np.repeat([0, 1], 64))
    for form in ("concatenation", "projection", "auxiliary"):
        tinygan.manual_seed(0)
        G, D = build_conditional(form, 2, "mlp", (1,), 2, 16)
        optimizers = [tinygan.optim.Adam(N.parameters(), 0.01, (0.0, 0.9)) for N in (G, D)]
        g = game("non_saturating")
        g = with_classes(g) if form == "auxiliary" else g
        for _ in range(150):
            gan_step(G, D, *optimizers, [batch], 2, g)
        samples = draw(G, tinygan.randn(64, 2), 2).numpy()[:, 0]
        assert samples[::2].mean() < -0.8, form
        assert samples[1::2].mean() > 0.8, form


def test_what_does_not_go_together_is_an_error():
    class Unlabelled:
        labels, shape = None, (2,)

    with pytest.raises(UserError, match="needs data with classes, and ring has none"):
        Training(small(conditional="projection"), Unlabelled(), "cpu")
    with pytest.raises(UserError, match="conditional projection does not go with packing 2"):
        small(conditional="projection", packing=2)
    with pytest.raises(UserError, match="does not go with game boundary_equilibrium"):
        small(conditional="codes", game="boundary_equilibrium")
    with pytest.raises(ValueError, match="did you mean 'projection'"):
        build_conditional("projektion", 2, "mlp", (2,), 2, 4)
