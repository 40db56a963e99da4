"""What is changed about a game, a discriminator or its input, against closed forms."""

from __future__ import annotations

from math import cos, log, pi

import numpy as np
import pytest
import strict_cupy

import tinygan
from tinygan import Generator, nn
from tinygan.autograd import grad, wrap
from tinygan.backend.errors import UserError
from tinygan.data import Images, load
from tinygan.losses import feature_matching, game, smoothed
from tinygan.models import Augmented, InstanceNoise, Packed, build, pack
from tinygan.models.augment import color, cutout, translation
from tinygan.train import Config, Training


def leaf(values):
    return wrap(np.array(values, dtype=np.float64)).requires_grad_()


def images(count=64, channels=3, size=8):
    return wrap(np.random.default_rng(0).standard_normal((count, channels, size, size)))


# -- packing ----------------------------------------------------------------------------------


def test_a_pack_is_its_samples_side_by_side():
    x = np.arange(6 * 2 * 3).reshape(6, 2, 3).astype(np.float32)
    packed = pack(wrap(x), 3).numpy()
    assert packed.shape == (2, 6, 3)
    np.testing.assert_array_equal(packed[0], np.concatenate(x[:3]))
    np.testing.assert_array_equal(packed[1], np.concatenate(x[3:]))
    assert pack(wrap(x[:, :, 0]), 2).shape == (3, 4)


def test_a_pack_that_does_not_fill_the_batch_says_what_would():
    with pytest.raises(UserError, match="packs of 4 do not fill a batch of 6; a batch of 4 would"):
        pack(wrap(np.zeros((6, 2))), 4)
    with pytest.raises(UserError, match="packing 3 does not divide the batch size 64; 63 would"):
        Config(packing=3)


def test_packing_with_any_discriminator():
    class First(nn.Module):
        def forward(self, x):
            return x.reshape(len(x), -1)[:, -1]

    x = tinygan.randn(8, 3)
    np.testing.assert_array_equal(Packed(First(), 4)(x).numpy(), x[3::4, 2].numpy())
    for model, shape in (("mlp", (2,)), ("mlp", (1, 8, 8)), ("dcgan", (3, 28, 28))):
        _, discriminator = build(model, shape, 5, 4, packing=4)
        assert discriminator(tinygan.randn(8, *shape)).shape == (2,)


# -- targets and features ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
def test_smoothing_moves_the_optimum_only_by_its_factor(name):
    """For densities p and q the loss is stationary at D = (1 - s) p / (p + q)."""
    p, q, s = 0.3, 1.7, 0.1
    g = smoothed(game(name), s)
    best = (1 - s) * p / (p + q)
    x = leaf([best if name == "least_squares" else log(best / (1 - best))])
    by_real, by_fake = g.slopes[0](x), g.slopes[1](x)
    assert (p * by_real + q * by_fake).item() == pytest.approx(0, abs=1e-14)
    zero = wrap(np.zeros(1))
    for inputs, slope in (((x, zero), by_real), ((zero, x), by_fake)):
        (found,) = grad(g.discriminator(*inputs), x)
        assert found.item() == pytest.approx(slope.item(), rel=1e-12)
    assert g.generator is game(name).generator
    plain, unchanged = game(name), smoothed(game(name), 0.0)
    a, b = leaf([0.3, -0.5]), leaf([0.1, 2.0])
    assert unchanged.discriminator(a, b).item() == plain.discriminator(a, b).item()


def test_smoothing_what_has_no_target_is_an_error():
    with pytest.raises(UserError, match=r"the game wasserstein has no target.*least_squares have"):
        smoothed(game("wasserstein"), 0.1)
    with pytest.raises(UserError, match="the game hinge has no target"):
        Config(game="hinge", label_smoothing=0.1)
    with pytest.raises(UserError, match=r"label smoothing is 1\.5"):
        smoothed(game("minimax"), 1.5)


def test_feature_matching_is_the_distance_of_the_means():
    f, g = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0]])
    loss = feature_matching(f, g)
    assert loss.item() == pytest.approx(1.0 + 9.0)
    by_real, by_fake = grad(loss, [f, g])
    np.testing.assert_allclose(by_real.numpy(), np.tile([2 * 1.0 / 2, 2 * 3.0 / 2], (2, 1)))
    np.testing.assert_allclose(by_fake.numpy(), np.tile([-2 / 3, -6 / 3], (3, 1)))
    assert feature_matching(f, f).item() == 0
    with pytest.raises(ValueError, match="must come from one layer"):
        feature_matching(f, leaf(np.zeros((2, 3))))


# -- the variety of a batch -------------------------------------------------------------------


def test_the_deviation_of_a_group_stands_behind_its_samples():
    x = images(8, 3, 2)
    y = nn.MinibatchStd(4)(x).numpy()
    assert y.shape == (8, 4, 2, 2)
    np.testing.assert_array_equal(y[:, :3], x.numpy())
    for n in range(8):
        group = x.numpy()[n % 2 :: 2]
        expected = np.sqrt(group.var(0) + 1e-8).mean()
        np.testing.assert_allclose(y[n, 3], expected, rtol=1e-12)


def test_a_collapsed_batch_has_none():
    layer = nn.MinibatchStd()
    same = layer(wrap(np.ones((4, 3))))
    np.testing.assert_allclose(same.numpy()[:, 3], 1e-4)
    assert layer(wrap(np.eye(3))).shape == (3, 4)  # a smaller batch is one group
    with pytest.raises(ValueError, match="groups of 4 do not fill a batch of 6"):
        layer(wrap(np.ones((6, 3))))
    assert str(layer) == "MinibatchStd(group_size=4)"
    with pytest.raises(UserError, match=r"do not divide the 25 that D sees.* 48 would fit"):
        Config(minibatch_std=True, batch_size=50, packing=2)


def test_a_discriminator_may_see_it():
    for model, shape in (("mlp", (2,)), ("dcgan", (1, 28, 28))):
        plain, varied = (build(model, shape, 5, 4, varied=v)[1] for v in (False, True))
        counts = [sum(p.numel() for p in d.parameters()) for d in (plain, varied)]
        assert counts[1] == counts[0] + 1
        assert varied(tinygan.randn(8, *shape)).shape == (8,)


# -- what is done to the samples --------------------------------------------------------------


def test_color_is_three_affine_changes():
    x = images()
    u = [
        tinygan.rand(64, 1, 1, 1, generator=generator, dtype=np.float64).numpy()
        for generator in [Generator().manual_seed(1)]
        for _ in range(3)
    ]
    y = x.numpy() + u[0] - 0.5
    y = y.mean(1, keepdims=True) * (1 - 2 * u[1]) + y * 2 * u[1]
    y = y.mean((1, 2, 3), keepdims=True) * (0.5 - u[2]) + y * (0.5 + u[2])
    found = color(x, generator=Generator().manual_seed(1))
    np.testing.assert_allclose(found.numpy(), y, rtol=1e-10, atol=1e-12)


def shifted(x, down, right):
    y = np.zeros_like(x)
    h, w = x.shape[1:]
    y[:, max(0, -down) : h - max(0, down), max(0, -right) : w - max(0, right)] = x[
        :, max(0, down) : h + min(0, down), max(0, right) : w + min(0, right)
    ]
    return y


def test_a_translation_is_a_shift_by_whole_pixels():
    x = images(400, 2, 8)
    y = translation(x, 0.25, Generator().manual_seed(0)).numpy()
    counts = dict.fromkeys(((i, j) for i in range(-2, 3) for j in range(-2, 3)), 0)
    for a, b in zip(x.numpy(), y, strict=True):
        (found,) = [shift for shift in counts if np.array_equal(shifted(a, *shift), b)]
        counts[found] += 1
    assert min(counts.values()) >= 4  # 25 shifts, 16 each on average
    assert max(counts.values()) <= 32


def test_a_cutout_is_a_rectangle_of_zeros():
    x = wrap(np.ones((300, 2, 8, 8)))
    y = cutout(x, 0.5, Generator().manual_seed(0)).numpy()
    assert set(np.unique(y)) == {0.0, 1.0}
    places = set()
    for each in y:
        np.testing.assert_array_equal(each[0], each[1])
        rows, columns = np.flatnonzero((each[0] == 0).any(1)), np.flatnonzero(each[0].min(0) == 0)
        assert (each[0] == 0).sum() == len(rows) * len(columns)
        assert 2 <= len(rows) <= 4
        assert 2 <= len(columns) <= 4
        places.add((rows[0], columns[0]))
    assert {p[0] for p in places} == set(range(7))


def test_a_policy_names_what_is_done():
    class Mean(nn.Module):
        def forward(self, x):
            return x.mean((1, 2, 3))

    x = wrap(np.ones((4, 1, 8, 8)))
    assert (Augmented(Mean(), "cutout")(x).numpy() < 1).all()
    assert Augmented(Mean(), "color, translation, cutout")(x).shape == (4,)
    with pytest.raises(ValueError, match="unknown augmentation 'colour'; did you mean 'color'"):
        Augmented(Mean(), "colour")
    with pytest.raises(UserError, match="unknown augment 'cutuot'"):
        Config(augment="color,cutuot")
    with pytest.raises(UserError, match=r"images \(N, C, H, W\), got samples of shape \(4, 2\)"):
        Augmented(Mean(), "cutout")(wrap(np.ones((4, 2))))
    with pytest.raises(UserError, match="color is for images, and ring has points"):
        Training(small(augment="color"), load("ring"), "cpu")  # before there is a run


def test_instance_noise_has_its_spread():
    critic = InstanceNoise(nn.Identity(), 0.5)
    tinygan.manual_seed(0)
    y = critic(wrap(np.zeros((1000, 4), dtype=np.float32))).numpy()
    assert y.mean() == pytest.approx(0, abs=0.03)
    assert y.std() == pytest.approx(0.5, abs=0.02)
    critic.spread.fill_(0.0)
    assert not critic(wrap(np.zeros((3, 4), dtype=np.float32))).numpy().any()


# -- training ---------------------------------------------------------------------------------


def small(**options):
    return Config(
        **{
            **{"data": "ring", "model": "mlp", "width": 8, "latent": 4},
            **{"batch_size": 16, "steps": 10, "lr_d": 0.01},
            **options,
        }
    )


TRICKS = {
    "packing": {"packing": 4},
    "variety": {"minibatch_std": True},
    "noise": {"instance_noise": 0.5},
    "smoothing": {"label_smoothing": 0.1},
    "schedules": {"schedule": "cosine", "beta2": 0.9, "beta2_end": 0.99, "lr_end": 0.25,
                  "penalty": "r1", "penalty_weight": 2.0, "penalty_end": 0.1},
    "all": {"packing": 2, "minibatch_std": True, "instance_noise": 0.1, "game": "relativistic",
            "penalty": "r2", "penalty_end": 0.0},
}  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_a_recorded_step_follows(name, monkeypatch):
    """Also the numbers that change while it is replayed."""

    def weights(recorded):
        if not recorded:
            monkeypatch.setattr("tinygan.train.state.compile", lambda f: f)
        training = Training(small(**TRICKS[name]), load("ring"), "cpu")
        for _ in range(7):
            training.advance()
        return training.fingerprint()

    assert weights(True) == weights(False)


def test_augmented_images_train():
    from test_train import images as few

    options = {"model": "dcgan", "data": "glyphs", "augment": "color,translation,cutout"}
    training = Training(small(**options, penalty="r1"), few(), "cpu")
    before = training.fingerprint()
    for _ in range(4):
        metrics = training.advance()
    assert training.fingerprint() != before
    assert all(np.isfinite(x.item()) for x in metrics.values())


def test_numbers_follow_their_cosines():
    training = Training(small(**TRICKS["schedules"], instance_noise=0.5), load("ring"), "cpu")
    for step in range(10):
        training.advance()
        half = 0.5 * (1 + cos(pi * step / 10))
        assert training.penalty_weight.item() == pytest.approx(0.2 + 1.8 * half, rel=1e-6)
        (group,) = training.discriminator_optimizer.param_groups
        assert group["betas"] == (0.5, pytest.approx(0.99 - 0.09 * half))
        assert training.discriminator.spread.item() == pytest.approx(0.5 * (1 - step / 10))
        after = 0.5 * (1 + cos(pi * (step + 1) / 10))
        assert group["lr"] == pytest.approx(0.01 * (0.25 + 0.75 * after))


def test_what_changes_by_step_goes_on_after_a_restart(tmp_path):
    one = Training(small(**TRICKS["schedules"], instance_noise=0.5), load("ring"), "cpu")
    for _ in range(4):
        one.advance()
    tinygan.save(one.state_dict(), tmp_path / "state.safetensors")
    for _ in range(4):
        one.advance()
    two = Training(one.config, load("ring"), "cpu")
    two.load_state_dict(tinygan.load(tmp_path / "state.safetensors"))
    for _ in range(4):
        two.advance()
    assert two.fingerprint() == one.fingerprint()


ON_DEVICE = {
    **TRICKS,
    "energies": {"game": "boundary_equilibrium"},
    "pairs": {"game": "softmax_game", "penalty": "dragan"},
    "clipped": {"game": "wasserstein", "penalty": "divergence_penalty", "clip": 0.01},
    "projection": {"conditional": "projection"},
    "concatenation": {"conditional": "concatenation"},
    "auxiliary": {"conditional": "auxiliary", "game": "relativistic_average"},
    "codes": {"conditional": "codes", "codes": 3},
    "unrolled": {"unroll": 2},
}


@pytest.mark.parametrize(
    ("name", "data"),
    [(name, "ring") for name in ON_DEVICE]
    + [(name, "images") for name in ("noise", "energies", "projection", "auxiliary", "unrolled")],
)
def test_a_step_on_the_device_reads_nothing_back(name, data):
    if data == "images":
        labels = np.arange(64) % 3
        dataset = Images(
            np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1), np.uint8), labels
        )
        few = {"model": "dcgan", "width": 4, "batch_size": 8, "augment": "color,translation,cutout"}
    else:
        dataset, few = load("ring"), {}
    config = small(**{**few, **ON_DEVICE[name]})
    expected = Training(config, dataset, "cpu").advance()
    training = Training(config, dataset, "cuda")
    if tinygan.backend.backend_for("cuda").name == "stand-in":
        with strict_cupy.no_synchronization():
            metrics = training.advance()
    else:
        metrics = training.advance()
    for key, x in expected.items():
        assert metrics[key].item() == pytest.approx(x.item(), rel=5e-3), key
