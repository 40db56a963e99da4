"""Missing regions: Poisson's equation, the weights of the search, and the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import tinygan, train
from PIL import Image

import tinygan as package
from tinygan import nn
from tinygan.backend.errors import UserError
from tinygan.cli.inpainting import read_mask
from tinygan.data import load
from tinygan.losses import boundary_equilibrium, non_saturating, relativistic, with_classes
from tinygan.train.inpainting import completed, fill, harmonic, importance, on_sphere

HOLE = np.zeros((12, 10), bool)
HOLE[3:9, 2:7] = True


def test_a_harmonic_filling_gives_back_what_is_harmonic() -> None:
    y, x = np.mgrid[0:12, 0:10].astype(float)
    for u in (3 * x - y, x * y, x * x - y * y):
        spoilt = np.where(HOLE, 99, u)
        np.testing.assert_allclose(harmonic(spoilt[None], HOLE)[0], u, atol=1e-5)


def test_a_harmonic_filling_solves_the_equation_at_borders_too() -> None:
    hole = np.zeros((9, 9), bool)
    hole[0:4, 5:] = hole[6, 0:3] = hole[8, 8] = True
    u = harmonic(np.random.default_rng(0).normal(size=(2, 9, 9)), hole)
    for c in range(2):
        for i, j in np.argwhere(hole):
            near = [(i + a, j + b) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))]
            near = [p for p in near if 0 <= p[0] < 9 and 0 <= p[1] < 9]
            assert u[c][i, j] == pytest.approx(np.mean([u[c][p] for p in near]), abs=1e-6)
    assert (harmonic(np.ones((1, 4, 4)), np.ones((4, 4), bool)) == 0).all()


def test_blending_keeps_gradients_and_meets_the_border() -> None:
    random = np.random.default_rng(0)
    image = random.uniform(-0.2, 0.2, (3, 12, 10))
    np.testing.assert_allclose(completed(image, image + 0.3, HOLE), image, atol=1e-5)
    pasted = completed(image, image + 0.3, HOLE, blend=False)
    np.testing.assert_allclose(pasted, image + 0.3 * HOLE, atol=1e-6)
    assert np.abs(completed(image, np.full_like(image, 5), HOLE)).max() <= 1


def test_importance_counts_what_is_missing_around_a_pixel() -> None:
    missing = np.zeros((20, 20), bool)
    missing[8:12, 8:12] = True
    w = importance(missing)
    assert (w[missing] == 0).all()
    assert w[7, 9] == pytest.approx(12 / 49)
    assert w[7, 7] == pytest.approx(9 / 49)
    assert w[5, 5] == w[0, 0] == pytest.approx(1 / 49)


def test_noise_is_kept_on_the_sphere() -> None:
    z = on_sphere(package.randn(5, 30))
    np.testing.assert_allclose((z.numpy() ** 2).sum(1), 30, rtol=1e-5)


class Known(nn.Module):
    """G(z): the first four of z as a 2 x 2 picture, each number over a quarter of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(package.ones(1))

    def forward(self, z, *labels):
        x = (self.gain * z[:, :4] * 0.5).tanh().reshape(-1, 1, 2, 2)
        return x.repeat_interleave(4, 2).repeat_interleave(4, 3)


class Judge(nn.Module):
    """D(x): high where the picture's lower right corner is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(package.full((1,), 5.0))

    def forward(self, x, *labels):
        return self.gain * x[:, 0, 7, 7]


@pytest.mark.parametrize("game", [non_saturating, relativistic])
def test_the_search_meets_what_is_known_and_the_prior_fills_the_rest(game) -> None:
    image = np.repeat(np.repeat(np.float32([[0.5, -0.4], [0.1, 0.0]]), 4, 0), 4, 1)[None]
    missing = np.zeros((8, 8), bool)
    missing[4:, 4:] = True
    fills = fill(Known(), Judge(), game, image, missing, 16, starts=4, blend=False)
    best = fills[0]
    assert [f.disagreement for f in fills] == sorted(f.disagreement for f in fills)
    assert best.disagreement < 0.03
    np.testing.assert_array_equal(best.filled[:, ~missing], image[:, ~missing])
    assert best.filled[0, 7, 7] > 0.5
    again = fill(Known(), Judge(), game, image, missing, 16, starts=4, blend=False)
    np.testing.assert_array_equal(again[0].filled, best.filled)


def test_an_energy_is_a_prior_too() -> None:
    game = boundary_equilibrium
    image, missing = np.zeros((1, 8, 8), np.float32), np.zeros((8, 8), bool)
    missing[4:, 4:] = True
    found = fill(Known(), Judge(), game, image, missing, 16, starts=2, blend=False)
    assert found[0].filled[0, 7, 7] < -0.5  # low is real


@pytest.mark.parametrize("game", [non_saturating, relativistic])
def test_a_classifier_beside_the_discriminator_is_heard_as_in_training(game) -> None:
    class Judges(Judge):
        def forward(self, x, *labels):
            return package.stack([super().forward(x), self.gain * x[:, 0, 7, 0]], 1)

    image, missing = np.zeros((1, 8, 8), np.float32), np.ones((8, 8), bool)
    missing[:4] = False
    arguments = (image, missing, 16, 4)
    (best, *_) = fill(Known(), Judges(), with_classes(game), *arguments, blend=False)
    assert best.filled[0, 7, 7] > 0.5
    # the class is in G's own loss; in a game of pairs the logit alone stands for it
    (alone, *_) = fill(Known(), Judge(), game, *arguments, blend=False)
    heard = best.filled[0, 7, 0] > alone.filled[0, 7, 0] + 0.1
    assert heard == (game is non_saturating)
    assert np.array_equal(best.filled, alone.filled) == (game is relativistic)


def test_masks() -> None:
    assert read_mask("2,3,4,5", 28)[2:6, 3:8].all() and read_mask("2,3,4,5", 28).sum() == 20
    assert read_mask("centre", 28).sum() == 14 * 14
    for mask, why in (("0,0,28,28", "everything"), ("40,0,3,3", "nothing"), ("no", "expected a")):
        with pytest.raises(UserError, match=why):
            read_mask(mask, 28)


# -- the command ------------------------------------------------------------------------------


def test_inpaint_fills_the_hole_and_leaves_the_rest(tmp_path: Path) -> None:
    train(tmp_path / "run", "--steps", 3, "--conditional", "projection")
    digit = load("glyphs").images[0]
    Image.fromarray(digit[..., 0]).save(tmp_path / "digit.png")
    mask = np.zeros((28, 28), np.uint8)
    mask[10:20, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "filled.png"
    text = tinygan(
        "inpaint", tmp_path / "run", tmp_path / "digit.png", "--mask", tmp_path / "mask.png",
        "--starts", 4, "--out", out, "--sheet", tmp_path / "sheet.png",
    )  # fmt: skip
    assert "13% of the picture filled" in text
    with Image.open(out) as image:
        filled = np.asarray(image)
        assert image.text["Content"].startswith("a picture in which 13%")
    np.testing.assert_array_equal(filled[mask == 0], digit[..., 0][mask == 0])
    assert (filled[mask > 0] != digit[..., 0][mask > 0]).any()
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (10 * 30 - 2, 28)
    refused = tinygan("inpaint", tmp_path / "run", tmp_path / "digit.png", "--class", 10, code=2)
    assert "has the classes 0 to 9" in refused
