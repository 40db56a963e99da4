"""From image to image: sizes, skips, patches, maps of logits in every game, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest

import tinygan
from tinygan import optim
from tinygan.autograd import grad, wrap
from tinygan.backend.errors import UserError
from tinygan.losses import GAMES, cross_entropy, game, gradient_penalty, l1_loss, r1, with_classes
from tinygan.models import PatchDiscriminator, UNet, UNetGenerator, build_conditional
from tinygan.train import gan_step


@pytest.mark.parametrize("size", [(4, 4), (28, 28), (30, 45), (33, 64)])
@pytest.mark.parametrize(("channels", "given"), [(1, 3), (3, 1)])
def test_the_result_is_as_large_as_what_is_given(size, channels, given):
    generator = UNetGenerator((channels, *size), given, 5, 4)
    y = generator(tinygan.randn(2, 5), tinygan.randn(2, given, *size)).detach().numpy()
    assert y.shape == (2, channels, *size)
    assert np.abs(y).max() < 1


def test_the_smallest_map_and_every_skip_reach_the_result():
    tinygan.manual_seed(0)
    generator = UNetGenerator((1, 28, 28), 1, 5, 4)
    assert [step[0].weight.shape[0] for step in generator.unet.down] == [4, 8, 16]
    assert [step[0].weight.shape[:2] for step in generator.unet.up] == [(16, 8), (16, 4), (8, 1)]
    z, x = tinygan.randn(2, 5).requires_grad_(), tinygan.randn(2, 1, 28, 28)
    found = grad(generator(z, x).square().sum(), [z, *generator.parameters()])
    assert all(np.abs(g.numpy()).max() > 0 for g in found)


def test_maps_of_classes_are_not_bounded_and_need_no_noise():
    tinygan.manual_seed(0)
    unet = UNet((4, 30, 45), 3, 4)
    maps = unet(tinygan.randn(2, 3, 30, 45))
    assert maps.shape == (2, 4, 30, 45)
    x, classes = tinygan.randn(8, 3, 8, 8), tinygan.randint(0, 4, (8, 8, 8))
    small = UNet((4, 8, 8), 3, 16)
    optimizer = optim.Adam(small.parameters(), 1e-2)
    for _ in range(150):
        loss = cross_entropy(small(x), classes)
        optimizer.update(grad(loss, small.parameters()))
    assert np.abs(small(x).detach().numpy()).max() > 1
    assert loss.item() < 0.5 * np.log(4), "eight images of noise can be learnt by heart"


@pytest.mark.parametrize("patch", [16, 34, 70])
def test_a_logit_judges_its_patch(patch):
    """The pixels on which the logit in the middle depends are a square of that side."""
    tinygan.manual_seed(0)
    judge = PatchDiscriminator((1, 128, 128), 0, 2, normalize=False, patch=patch)
    x = tinygan.randn(1, 1, 128, 128).requires_grad_()
    logits = judge(x)
    assert logits.ndim == 3
    (g,) = grad(logits[0, logits.shape[1] // 2, logits.shape[2] // 2], x)
    for axis in (0, 1):
        seen = np.flatnonzero(np.abs(g.numpy()[0, 0]).max(axis))
        assert seen[-1] - seen[0] + 1 == patch


def test_what_they_cannot_draw_or_judge_is_refused():
    with pytest.raises(UserError, match=r"UNet draws .* 4 pixels or more in both .* not of .*3, 9"):
        UNetGenerator((1, 3, 9))
    with pytest.raises(UserError, match="of 16 judges images C x H x W of 6 pixels or more"):
        PatchDiscriminator((1, 5, 28))
    with pytest.raises(UserError, match="patch is 20, expected 16, 34, 70"):
        PatchDiscriminator((1, 28, 28), patch=20)
    for patch, side in ((16, 6), (34, 12), (70, 24)):
        assert PatchDiscriminator((1, side, side), 0, 2, patch=patch)(
            tinygan.randn(2, 1, side, side)
        ).shape == (2, 1, 1)


# -- maps of logits in the game -----------------------------------------------------------------


@pytest.mark.parametrize("name", GAMES)
def test_a_game_takes_the_mean_over_a_map(name):
    random = np.random.default_rng(0)
    played = game(name)
    real, fake = (wrap(random.standard_normal((3, 4, 5))) for _ in range(2))
    flat = [x.reshape(-1) for x in (real, fake)]
    expected = played.discriminator(*flat).item()
    assert played.discriminator(real, fake).item() == pytest.approx(expected, rel=1e-12)


def test_penalties_see_the_mean_of_a_map():
    w = wrap(np.random.default_rng(0).standard_normal((3, 1, 1, 1)))
    x = wrap(np.random.default_rng(1).standard_normal((6, 3, 4, 4)))

    def critic(x):
        return (x * w[None, :, 0]).sum(1)

    expected = w.square().sum().item() / 16  # the slope of the mean of 16 is w / 16 at each
    assert r1(critic, x).item() == pytest.approx(expected)
    norm = expected**0.5
    assert gradient_penalty(critic, x, x).item() == pytest.approx((norm - 1) ** 2)


def test_what_no_game_is_played_with_is_refused():
    def play(shape, played, batch=8):
        class Judge(tinygan.nn.Module):
            def forward(self, x):
                return x.sum() if shape == () else tinygan.zeros(*shape)

        generator = tinygan.nn.Linear(2, 2)
        optimizers = [optim.Adam(generator.parameters()) for _ in range(2)]
        gan_step(generator, Judge(), *optimizers, [tinygan.randn(batch, 2)], 2, played)

    hinge = game("hinge")
    for shape in ((), (8, 10), (3,), (8, 2, 4, 4)):
        with pytest.raises(UserError, match=r"gave \(.*\) for 8 samples, and the game hinge takes"):
            play(shape, hinge)
    with pytest.raises(UserError, match=r"look like pairs .* hinge itself with logits \(8,\)"):
        play((8, 2), hinge)
    with pytest.raises(
        UserError, match=r"takes pairs .*it needs a discriminator with a classifier"
    ):
        play((8,), with_classes(hinge))


# -- training -----------------------------------------------------------------------------------


def shapes(count, size, seed=0):
    """Filled discs and squares (N, 1, size, size) in -1, 1, and their edges."""
    random = np.random.default_rng(seed)
    at = np.mgrid[:size, :size][:, None]
    centre = random.uniform(size * 0.35, size * 0.65, (2, count, 1, 1))
    radius = random.uniform(size * 0.15, size * 0.3, (count, 1, 1))
    far = np.abs(at - centre)
    round_ = np.where(random.random((count, 1, 1)) < 0.5, np.hypot(*far), far.max(0))
    filled = round_ < radius
    edges = filled & (round_ >= radius - 1.5)
    return (tinygan.tensor(np.where(x, 1, -1)[:, None].astype(np.float32)) for x in (filled, edges))


def test_it_fills_shapes_from_their_edges():
    tinygan.manual_seed(0)
    size = 30  # 30, 15, 7, 3: halved unevenly
    y, x = shapes(64, size)
    G = UNetGenerator((1, size, size), 1, 8, 8)
    D = PatchDiscriminator((1, size, size), 1, 8)
    optimizers = [optim.Adam(N.parameters(), 5e-3, (0.5, 0.999)) for N in (G, D)]

    def reconstruction(real, fake):
        return 100 * l1_loss(fake, real)

    @tinygan.compile
    def step(y, x):
        return gan_step(G, D, *optimizers, [(y, x)], 8, game("non_saturating"), None, 0,
                        reconstruction)  # fmt: skip

    for i in range(60):
        part = slice(16 * (i % 4), 16 * (i % 4) + 16)
        metrics = step(y[part].contiguous(), x[part].contiguous())
    assert all(np.isfinite(m.item()) for m in metrics.values())
    y, x = shapes(64, size, seed=1)
    G.eval()
    error = l1_loss(G(tinygan.randn(64, 8), x), y).item()
    assert error < 0.5 * l1_loss(x, y).item(), "the edges alone would be as good"


@pytest.mark.parametrize("name", GAMES)
def test_every_game_is_played_with_patches_and_a_penalty(name):
    y, x = shapes(4, 28)
    if name == "boundary_equilibrium":
        pytest.skip("a game of energies, which patches have none of")
    G, D = UNetGenerator((1, 28, 28), 1, 4, 2), PatchDiscriminator((1, 28, 28), 1, 2, False)
    optimizers = [optim.Adam(N.parameters(), 1e-3) for N in (G, D)]
    metrics = gan_step(
        G, D, *optimizers, [(y, x)], 4, game(name), lambda critic, real, fake: r1(critic, real)
    )
    assert all(np.isfinite(m.item()) for m in metrics.values())


def test_pairs_of_a_classifier_fit_their_game():
    _, D = build_conditional("auxiliary", 3, "resnet", (1, 28, 28), 4, 2)
    pairs = D(tinygan.randn(4, 1, 28, 28), tinygan.tensor([0, 1, 2, 0]))
    played = with_classes(game("relativistic"))
    assert np.isfinite(played.discriminator(pairs, pairs).item())
