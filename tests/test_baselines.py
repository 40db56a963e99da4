"""Generators that are fitted: what was planted is found again, and copies fit where they join."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from command import tinygan

from tinygan.backend.errors import UserError
from tinygan.baselines import BASELINES, Markov, Quilting, Template, Texture, exemplars
from tinygan.baselines.copying import ANYWHERE, TOLERANCE
from tinygan.baselines.deformation import places, register, warped, waves
from tinygan.baselines.fitted import uniform
from tinygan.data import load, to_uint8
from tinygan.metrics.matrices import nearest
from tinygan.ops import Generator, randn


def noise(count: int, latent: int, seed: int = 0):
    return randn(count, latent, generator=Generator().manual_seed(seed))


def pictures(generator, count: int, seed: int = 0) -> np.ndarray:
    """Samples as uint8 N H W C."""
    return to_uint8(generator(noise(count, generator.latent, seed)))


def spots(count: int, seed: int = 0, side: int = 12) -> np.ndarray:
    """A blurred spot somewhere in each image."""
    random = np.random.default_rng(seed)
    at = random.uniform(3, side - 3, (count, 2))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1)
    square = ((grid[None] - at[:, None, None]) ** 2).sum(axis=-1)
    return (255 * np.exp(-square / 4)).astype(np.uint8)[..., None]


def test_the_noise_becomes_uniform():
    u = uniform(noise(1, 20_000).numpy())[0]
    assert u.min() >= 0 and u.max() <= 1
    counts, _ = np.histogram(u, bins=20, range=(0, 1))
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


# -- the Markov random field ------------------------------------------------------------------

# p(x = 1 | left, above, above left), outside counting as 0
PLANTED = np.array([[[0.1, 0.4], [0.7, 0.35]], [[0.8, 0.2], [0.9, 0.6]]])


def planted(count: int, seed: int, side: int = 16) -> tuple[np.ndarray, float]:
    """Binary images of the planted chain, and its bits per pixel for them."""
    u = np.random.default_rng(seed).random((count, side, side))
    x = np.zeros((count, side + 1, side + 1), np.int64)
    nats = 0.0
    for row, column in itertools.product(range(1, side + 1), repeat=2):
        p = PLANTED[x[:, row, column - 1], x[:, row - 1, column], x[:, row - 1, column - 1]]
        x[:, row, column] = u[:, row - 1, column - 1] < p
        nats -= np.log(np.where(x[:, row, column] == 1, p, 1 - p)).sum()
    images = (255 * x[:, 1:, 1:, None]).astype(np.uint8)
    return images, nats / np.log(2) / (count * side * side)


def conditional(images: np.ndarray) -> np.ndarray:
    """How often a pixel within the images is 1, given the three before it."""
    x = (images[..., 0] > 127).astype(np.int64)
    context = 4 * x[:, 1:, :-1] + 2 * x[:, :-1, 1:] + x[:, :-1, :-1]
    ones = np.bincount(context.reshape(-1), x[:, 1:, 1:].reshape(-1), 8)
    return (ones / np.bincount(context.reshape(-1), minlength=8)).reshape(2, 2, 2)


@pytest.fixture(scope="module")
def field() -> Markov:
    return Markov.fit(planted(1500, 0)[0], symbols=2, reach=2, places=0)


def test_a_planted_markov_chain_is_recovered(field):
    new, entropy = planted(300, 1)
    assert entropy < 0.9
    assert field.bits_per_pixel(new) == pytest.approx(entropy, rel=0.01)
    drawn = pictures(field, 1000)
    assert set(np.unique(drawn)) == {0, 255}
    np.testing.assert_allclose(conditional(drawn), PLANTED, atol=0.03)
    assert field.bits_per_pixel(drawn) == pytest.approx(entropy, rel=0.02)
    assert field.bits_per_pixel(255 - new) > 1.3 * entropy


def test_a_chain_without_the_neighbour_that_matters_is_not(field):
    """The other way round: what the contexts do not hold is not learnt."""
    new, entropy = planted(300, 1)
    blind = Markov.fit(planted(1500, 0)[0][:, ::-1, ::-1], symbols=2, reach=2, places=0)
    assert blind.bits_per_pixel(new) > entropy + 0.02


@pytest.mark.parametrize("places", [0, 1])
def test_probabilities_of_all_images_sum_to_one_and_are_those_drawn(places):
    images = planted(200, 0, side=3)[0][:, :3, :2]
    field = Markov.fit(images, symbols=2, places=places)
    every = np.array(list(itertools.product([0, 255], repeat=6)), np.uint8).reshape(-1, 3, 2, 1)
    p = np.array([2 ** (-6 * field.bits_per_pixel(image[None])) for image in every])
    assert p.sum() == pytest.approx(1)
    drawn = pictures(field, 20_000)
    counts = np.bincount((drawn.reshape(-1, 6) > 0) @ (1 << np.arange(6))[::-1], minlength=64)
    assert np.all(np.abs(counts - 20_000 * p) < 5 * np.sqrt(20_000 * p) + 1)


def test_a_place_tells_where_things_are():
    images = np.zeros((400, 12, 12, 1), np.uint8)
    images[:, 6:] = 255 * np.random.default_rng(0).integers(0, 2, (400, 6, 12, 1))
    drawn = pictures(Markov.fit(images, symbols=2), 200)
    assert drawn[:, :6].max() == 0
    assert drawn[:, 6:].mean() == pytest.approx(127, abs=10)


def test_colours_are_those_of_the_images():
    random = np.random.default_rng(0)
    palette = np.array([[255, 0, 0], [0, 200, 30], [20, 20, 240]], np.uint8)
    images = palette[random.integers(0, 3, (50, 8, 8))]
    drawn = pictures(Markov.fit(images, symbols=3), 20)
    distance = np.abs(drawn[..., None, :].astype(int) - palette.astype(int)).max(axis=-1)
    assert distance.min(axis=-1).max() <= 2
    assert set(distance.argmin(axis=-1).reshape(-1)) == {0, 1, 2}


# -- what copies ------------------------------------------------------------------------------


def windows(images: np.ndarray, side: int) -> set[bytes]:
    """All square pieces of images N H W C."""
    _, height, width, _ = images.shape
    return {
        image[y : y + side, x : x + side].tobytes()
        for image in images
        for y in range(height - side + 1)
        for x in range(width - side + 1)
    }


@pytest.fixture(scope="module")
def periodic() -> np.ndarray:
    """A texture that repeats itself every 5 pixels, 32 x 32."""
    tile = np.random.default_rng(3).integers(0, 256, (5, 5, 1)).astype(np.uint8)
    return np.tile(tile, (1, 7, 7, 1)).reshape(1, 35, 35, 1)[:, :32, :32]


def test_a_periodic_texture_is_quilted_without_seams(periodic):
    quilting = Quilting.fit(periodic, patch=9, overlap=4, reach=ANYWHERE)
    drawn = pictures(quilting, 12)
    assert len({image.tobytes() for image in drawn}) > 5  # begun at different places
    assert windows(drawn, 6) <= windows(periodic, 6)


def test_a_periodic_texture_is_grown_without_seams(periodic):
    texture = Texture.fit(periodic, window=7, reach=ANYWHERE)
    drawn = pictures(texture, 6)
    assert len({image.tobytes() for image in drawn}) > 3
    # the first rows know too little of what is above them to be told from one another
    assert windows(drawn[:, 8:, 4:-4], 4) <= windows(periodic, 4)


def cheapest(cost: np.ndarray) -> float:
    """Over all paths from top to bottom that move by at most one column."""
    rows, columns = cost.shape
    paths = itertools.product(range(columns), repeat=rows)
    return min(
        sum(cost[y, x] for y, x in enumerate(path))
        for path in paths
        if all(abs(a - b) <= 1 for a, b in itertools.pairwise(path))
    )


def test_the_cut_is_the_cheapest_of_all():
    random = np.random.default_rng(0)
    for _ in range(20):
        old, new = random.integers(0, 10, (2, 6, 6, 1)).astype(np.float32)
        taken = np.ones((6, 6), np.bool_)
        exemplars._cut(old, new, 4, taken)
        path = (~taken).sum(axis=1)  # the first column that is taken
        assert path.max() < 4 and np.abs(np.diff(path)).max() <= 1
        assert all((~taken[y, : path[y]]).all() and taken[y, path[y] :].all() for y in range(6))
        cost = ((old - new) ** 2)[:, :4, 0]
        assert cost[np.arange(6), path].sum() == cheapest(cost)


def test_patches_that_lie_side_by_side_are_of_different_examples():
    quilting = Quilting.fit(spots(200))
    images, origins = quilting.quilted(noise(30, quilting.latent).numpy())
    assert images.max() > 0 and origins.min() >= 0
    centres = origins[:, 1::2, 1::2]
    assert min(len(np.unique(origin)) for origin in origins) >= 4, centres
    examples = quilting.examples.numpy()
    for image, origin in zip(images[:3], origins[:3], strict=True):
        for y, x in np.ndindex(12, 12):
            near = examples[origin[y, x], max(0, y - 1) : y + 2, max(0, x - 1) : x + 2, 0]
            assert image[y, x, 0] in near


def grown(u: np.ndarray, examples: np.ndarray, weights: np.ndarray, reach: int) -> np.ndarray:
    """The same as `exemplars.grow_textures` of one image (H, W, 1), by its definition."""
    number, height, width, _ = examples.shape
    half = len(weights) - 1
    image = np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        before = [
            (dy, dx)
            for dy in range(-half, 1)
            for dx in range(-half, half + 1)
            if (dy, dx) < (0, 0) and y + dy >= 0 and 0 <= x + dx < width
        ]
        found = []
        for row, column in itertools.product(range(y - reach, y + reach + 1), range(width)):
            inside = 0 <= row < height and abs(column - x) <= reach
            around = all(row + a >= 0 and 0 <= column + b < width for a, b in before)
            if not (inside and around) or column + min(half, width - 1 - x) >= width:
                continue
            for e in range(number):
                error = sum(
                    weights[half + a, half + b]
                    * (examples[e, row + a, column + b, 0] - image[y + a, x + b]) ** 2
                    for a, b in before
                )
                found.append((error, examples[e, row, column, 0]))
        least = min(error for error, _ in found) * (1 + TOLERANCE)
        fits = [value for error, value in found if error <= least * (1 + 1e-6)]
        image[y, x] = fits[min(int(u[y, x] * len(fits)), len(fits) - 1)]
    return image


def test_textures_grow_by_their_definition():
    images = np.random.default_rng(0).integers(0, 4, (4, 6, 7, 1)).astype(np.uint8)
    texture = Texture.fit(images, window=3, reach=1)
    z = noise(3, texture.latent)
    drawn = texture.drawn(z.numpy())[..., 0]
    for image, u in zip(drawn, uniform(z.numpy()).reshape(3, 6, 7), strict=True):
        wanted = grown(u, texture.examples.numpy().astype(float), texture.weights, 1)
        np.testing.assert_array_equal(image, wanted)


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(UserError, match="overlap 4 and patch 20"):
        Quilting.fit(spots(3), patch=20, overlap=4)
    with pytest.raises(UserError, match="odd window"):
        Texture.fit(spots(3), window=4)


# -- templates --------------------------------------------------------------------------------


def test_a_deformation_is_found_and_undone():
    image = load("glyphs").images[:1, ..., 0].reshape(1, -1, 1).astype(np.float32) / 255
    basis = waves(28, 28, 4)
    still = places(np.zeros((1, 2, 16)), basis, 28, 28)
    assert np.array_equal(warped(image[0], still, 28, 28), image)
    random = np.random.default_rng(0)
    frequency = np.add.outer(np.arange(4) ** 2, np.arange(4) ** 2).reshape(-1)
    wanted = (random.standard_normal((20, 2, 16)) / (1 + frequency)).astype(np.float32)
    bent = warped(image[0], places(wanted, basis, 28, 28), 28, 28)
    a = np.zeros_like(wanted)
    before = ((bent - image) ** 2).mean()
    for _ in range(10):
        a = register(bent, image[0], a, basis, np.diag(np.full(32, 4.0)), 0.02, 28, 28)
    again = warped(image[0], places(a, basis, 28, 28), 28, 28)
    assert ((bent - again) ** 2).mean() < 0.1 * before
    # where there is something to see, the field is the one that was planted
    inked = image[0, :, 0] > 0.5
    field, found = wanted @ basis.T, a @ basis.T
    assert np.abs(field - found)[:, :, inked].mean() < 0.25 * np.abs(field)[:, :, inked].mean()


def test_the_spread_of_planted_deformations_is_found():
    image = load("glyphs").images[:1, ..., 0].reshape(1, -1, 1).astype(np.float32) / 255
    basis = waves(28, 28, 4)
    wanted = np.zeros((300, 2, 16), np.float32)
    wanted[:, 0, 0] = np.random.default_rng(0).normal(0, 1.5, 300)  # up and down, no other way
    bent = warped(image[0], places(wanted, basis, 28, 28), 28, 28)
    template = Template.fit((255 * bent).reshape(-1, 28, 28, 1).astype(np.uint8), count=1)
    covariance = template.factors.numpy()[0] @ template.factors.numpy()[0].T
    assert covariance[0, 0] == pytest.approx(1.5**2, rel=0.25)
    assert np.sort(np.diag(covariance))[-2] < 0.2 * covariance[0, 0]


def test_deformed_templates_stay_near_their_class():
    data = load("glyphs")
    template = Template.fit(data.images[:3000], data.labels[:3000], count=3)
    z = noise(400, template.latent)
    labels = template.classes.numpy()[template.chosen(z.numpy())]
    assert np.bincount(labels, minlength=10).min() > 15
    drawn = to_uint8(template(z)).reshape(400, -1)
    new = data.images[3000:9000].reshape(6000, -1)
    found, distance = nearest(drawn, new)
    assert (data.labels[3000:9000][found] == labels).mean() > 0.93
    # and are as near to real images as real ones are
    _, own = nearest(data.images[9000:9400].reshape(400, -1), new)
    assert np.median(distance) < 1.3 * np.median(own)


def test_images_of_one_pixel_have_templates_too():
    images = np.arange(0, 200, 10, dtype=np.uint8).reshape(20, 1, 1, 1)
    assert set(pictures(Template.fit(images), 50).ravel()) <= set(images.ravel())


def test_a_class_keeps_its_share_where_parts_of_it_are_too_small_for_a_template():
    """Of the second class all but six equal images are alone in their part."""
    random = np.random.default_rng(0)
    one = np.repeat(random.integers(0, 256, (1, 6, 6, 1)), 24, 0)
    other = np.concatenate([random.integers(0, 256, (18, 6, 6, 1)), one[:6] // 2])
    images, labels = np.concatenate([one, other]).astype(np.uint8), np.repeat([0, 1], 24)
    template = Template.fit(images, labels)
    shares = np.bincount(template.classes.numpy(), template.shares.numpy())
    np.testing.assert_allclose(shares, 0.5, rtol=1e-6)


# -- as runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BASELINES)
def test_a_fitted_model_is_its_tables_and_settings(name):
    images, labels = spots(60), np.arange(60) % 2
    make = BASELINES[name]
    fitted = make.fit(images, labels)
    again = make(fitted.shape, **fitted.state_dict(), **fitted.settings)
    z = noise(5, fitted.latent)
    assert np.array_equal(fitted(z).numpy(), again(z).numpy())
    assert fitted(z).shape == (5, 1, 12, 12)
    assert np.array_equal(make.fit(images, labels)(z).numpy(), fitted(z).numpy())
    with pytest.raises(UserError, match=f"expected noise .N, {fitted.latent}"):
        fitted(noise(5, fitted.latent + 1))


@pytest.mark.parametrize("name", BASELINES)
def test_train_sample_and_evaluate(name, tmp_path, cache):
    np.save(tmp_path / "spots.npy", spots(80))
    run = tmp_path / "run"
    text = tinygan(
        *("train", "--model", name, "--data", tmp_path / "spots.npy", "--size", 12, "--out", run)
    )
    assert "done in" in text
    assert (run / "samples" / "step-000001.png").exists()
    assert "16 samples of step 1" in tinygan("sample", run, "-n", 16)
    first = (run / "sample.png").read_bytes()
    tinygan("sample", run, "-n", 16)
    assert (run / "sample.png").read_bytes() == first
    tinygan("sample", run, "-n", 16, "--seed", 1, "--out", tmp_path / "other.png")
    assert (tmp_path / "other.png").read_bytes() != first
    assert "nearest training image" in tinygan("evaluate", run)


def test_what_does_not_go_with_a_fitted_model_is_refused(tmp_path, cache):
    np.save(tmp_path / "spots.npy", spots(20))
    model = ["train", "--model", "template", "--data", tmp_path / "spots.npy"]
    run = tmp_path / "run"
    text = tinygan(*model, "--game", "hinge", "--steps", 5, "--out", run, code=2)
    assert "--game, --steps: template is fitted" in " ".join(text.split())
    assert not run.exists()
    text = tinygan("train", "--model", "markov", "--data", "ring", "--out", run, code=2)
    assert "markov is a model of images" in text
    tinygan(*model, "--out", run)
    assert "holds another run" in tinygan(*model, "--out", run, code=2)
    assert "nothing to continue" in tinygan("train", "--resume", run, code=2)
    assert "no game was played" in tinygan("diagnose", run, code=2)
