"""The ResNet without normalisation: shapes, how it begins, its penalties' derivatives, its use."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygan
from tinygan import nn
from tinygan.autograd import gradcheck, wrap
from tinygan.backend.errors import UserError
from tinygan.data import load
from tinygan.losses import GAMES, r1, r2
from tinygan.models import ResNetDiscriminator, ResNetGenerator, build, build_conditional
from tinygan.models.resnet import ResidualBlock
from tinygan.train import Config, Training, draw


@pytest.mark.parametrize("size", [7, 8, 28, 32, 40, 48, 56, 64])
@pytest.mark.parametrize(("channels", "width"), [(1, 1), (2, 5), (3, 16)])
def test_every_size_and_width_has_the_shapes_it_says(size, channels, width):
    shape = (channels, size, size)
    generator, discriminator = build("resnet", shape, 5, width)
    x = generator(tinygan.randn(3, 5))
    assert x.shape == (3, *shape)
    assert discriminator(x).shape == (3,)
    judge = ResNetDiscriminator(shape, width, outputs=4, varied=True)
    assert judge(x).shape == (3, 4)
    assert judge.layers(x).shape == (3, judge.features)


@pytest.mark.parametrize("shape", [(2,), (1, 28, 32), (1, 30, 30), (1, 3, 3), (1, 36, 36)])
def test_other_shapes_are_refused(shape):
    sizes = "--size 28, 32, 40, 48, 56 or 64, or " if len(shape) == 3 else ""  # points have none
    for make in (ResNetGenerator, ResNetDiscriminator):
        with pytest.raises(UserError, match=f"; choose {sizes}--model mlp"):
            make(shape)


def test_a_block_begins_as_the_identity_with_the_weights_of_fixup():
    tinygan.manual_seed(0)
    block, x = ResidualBlock(64, 5), tinygan.randn(2, 64, 6, 6)
    np.testing.assert_array_equal(block(x).detach().numpy(), x.numpy())
    widen, _, mix, _, last = block.layers
    assert mix.groups == 8 and mix.weight.shape == (128, 16, 3, 3)
    for layer, fan_in in ((widen, 64), (mix, 144)):
        expected = math.sqrt(2 / (1 + 0.2**2) / fan_in / math.sqrt(5))
        assert layer.weight.detach().numpy().std() == pytest.approx(expected, rel=0.03)
        assert not layer.bias.detach().numpy().any()
    assert last.bias is None and not last.weight.detach().numpy().any()


def test_it_begins_with_images_and_logits_of_ordinary_size():
    tinygan.manual_seed(0)
    for size in (28, 64):
        generator, discriminator = build("resnet", (3, size, size), 64, 32)
        x = draw(generator, tinygan.randn(256, 64))
        y = discriminator(tinygan.randn(256, 3, size, size)).detach().numpy()
        assert 0.2 < x.numpy().std() < 2  # interpolation takes away variance, nothing adds any
        assert 0.01 < y.std() < 2


def test_the_penalties_by_the_weights_to_order_2():
    tinygan.manual_seed(1)
    discriminator = ResNetDiscriminator((1, 8, 8), 2).double()
    random = np.random.default_rng(0)
    for p in discriminator.parameters():  # at 0, where it begins, much of it has no slope
        p.data.copy_(wrap(random.standard_normal(p.shape) / 2))
    names = [name for name, _ in discriminator.named_parameters()]
    real, fake = (wrap(random.standard_normal((2, 1, 8, 8))) for _ in range(2))

    def penalties(*weights):
        def critic(x):
            return nn.functional_call(discriminator, dict(zip(names, weights, strict=True)), x)

        return r1(critic, real) + r2(critic, fake)

    weights = [wrap(p.detach().numpy().copy()).requires_grad_() for p in discriminator.parameters()]
    assert gradcheck(penalties, weights, order=2)


def test_a_class_is_told_by_a_vector_beside_the_noise():
    tinygan.manual_seed(0)
    generator, _ = build_conditional("projection", 3, "resnet", (1, 28, 28), 16, 8)
    z = tinygan.randn(1, 16).expand(3, 16).contiguous()
    x = draw(generator, z, 3).numpy()
    assert np.abs(x[0] - x[1]).max() > 0.1 and np.abs(x[1] - x[2]).max() > 0.1
    basis = generator.basis
    y = basis(z, tinygan.tensor([0, 1, 2])).detach().numpy()
    a, w, v = (p.detach().numpy() for p in (basis.maps, basis.linear.weight, basis.vectors.weight))
    np.testing.assert_allclose(y, (z.numpy() @ w.T + v)[:, :, None, None] * a, rtol=1e-5, atol=1e-6)


SMALL = {"model": "resnet", "width": 4, "latent": 8, "batch_size": 8, "steps": 20}


@pytest.mark.parametrize("game", GAMES)
def test_every_game_can_be_played(game):
    training = Training(Config(**SMALL, game=game, penalty="r1_r2"), load("glyphs"), "cpu")
    for _ in range(3):
        metrics = training.advance()
    assert all(np.isfinite(x.item()) for x in metrics.values())


def test_a_recorded_step_is_the_step(monkeypatch):
    def weights(recorded):
        if not recorded:
            monkeypatch.setattr("tinygan.train.state.compile", lambda f: f)
        # convolutions large enough for the kernels that are recorded
        options = {**SMALL, "width": 16, "batch_size": 32, "conditional": "projection"}
        config = Config(**options, game="relativistic", penalty="r1_r2")
        training = Training(config, load("glyphs"), "cpu")
        for _ in range(4):
            training.advance()
        return training.fingerprint()

    assert weights(True) == weights(False)
