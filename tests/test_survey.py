"""What a data set is made of: pictures that look alike are found, others are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from command import tinygan
from PIL import Image, ImageFilter

from tinygan.cli.featuring import palette
from tinygan.data import DataError, load
from tinygan.data.dataset import as_picture
from tinygan.data.perceptual import alike, look, looks, looks_of
from tinygan.data.survey import survey
from tinygan.metrics.matrices import principal


def scenes(count: int, side: int = 96) -> list[Image.Image]:
    """Pictures of coloured discs and bars on a background that changes from edge to edge."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    found = []
    for _ in range(count):
        corners = random.uniform(0, 255, (4, 3))
        image = (
            (corners[0] * (1 - x)[..., None] + corners[1] * x[..., None]) * (1 - y)[..., None]
            + (corners[2] * (1 - x)[..., None] + corners[3] * x[..., None]) * y[..., None]
        )  # fmt: skip
        for _ in range(5):
            centre, radius = random.uniform(0, 1, 2), random.uniform(0.08, 0.3)
            disc = np.hypot(y - centre[0], x - centre[1]) < radius
            bar = (np.abs(y - centre[0]) < radius / 2) & (np.abs(x - centre[1]) < radius * 2)
            image[disc if random.random() < 0.5 else bar] = random.uniform(0, 255, 3)
        found.append(Image.fromarray(image.astype(np.uint8)))
    return found


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES = {
    "half as large": lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.LANCZOS),
    "larger": lambda p: p.resize((p.width * 7 // 4, p.height * 7 // 4), Image.Resampling.BICUBIC),
    "JPEG": lambda p: as_jpeg(p, 60),
    "smaller, JPEG": lambda p: as_jpeg(p.resize((67, 67), Image.Resampling.BILINEAR), 75),
    "a little lighter": lambda p: p.point(lambda v: min(255, v + 3)),
    "a little blurred": lambda p: p.filter(ImageFilter.GaussianBlur(0.8)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_looks_alike(change):
    originals = scenes(150)
    changed = [CHANGES[change](picture) for picture in originals]
    groups = alike(looks([look(picture) for picture in [*originals, *changed]]))
    assert [[i, i + 150] for i in range(150)] == groups


def test_different_pictures_do_not_look_alike():
    assert alike(looks([look(picture) for picture in scenes(400)])) == []


def test_images_that_share_their_form_but_not_their_colour_are_different():
    [picture] = scenes(1)
    turned = Image.merge("RGB", picture.split()[1:] + picture.split()[:1])
    tinted = picture.point([min(255, int(v * 0.6)) for v in range(256)] * 1 + [*range(256)] * 2)
    assert alike(looks([look(p) for p in (picture, turned, tinted, picture.copy())])) == [[0, 3]]


def test_digits_are_told_apart_and_copies_among_them_found():
    images = load("glyphs").images[:2000]
    assert alike(looks_of(images)) == []
    large = [np.asarray(as_picture(image).resize((56, 56))) for image in images[:50]]
    both = [look(as_picture(image)) for image in images] + [
        look(Image.fromarray(image)) for image in large
    ]
    assert alike(looks(both)) == [[i, i + 2000] for i in range(50)]


def test_copies_of_copies_are_one_group():
    image = load("glyphs").images[:1]
    others = load("glyphs").images[1:4]
    blank = np.zeros_like(image)
    both = np.concatenate([blank, others, image, image, blank, image])
    assert alike(looks_of(both)) == [[0, 6], [4, 5, 7]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of pictures, with copies, broken files and others between them."""
    place = tmp_path / "scenes"
    for i, picture in enumerate(scenes(14, 40)):
        name = place / ("day" if i < 8 else "night") / f"{i:02d}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        picture.save(name)
    with Image.open(place / "day" / "03.png") as picture:
        picture.resize((80, 80), Image.Resampling.BICUBIC).save(place / "day" / "copy.jpg")
    whole = (place / "night" / "09.png").read_bytes()
    (place / "night" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (place / "night" / "text.jpg").write_text("not a picture")
    (place / "notes.txt").write_text("a note")
    return place


def test_a_folder_is_looked_at_however_broken_it_is(folder):
    found = survey(folder)
    assert len(found.paths) == 15 and len(found.distinct) == 14
    assert [path.name for path, _ in found.broken] == ["cut.png", "text.jpg"]
    assert all("broken picture" in why for _, why in found.broken)
    assert found.sizes == {(40, 40): 14, (80, 80): 1}
    assert found.formats == {"PNG RGB": 14, "JPEG RGB": 1}
    assert found.groups == [[folder / "day" / "copy.jpg", folder / "day" / "03.png"]]
    with pytest.raises(DataError, match="broken picture"):
        load(folder)


def test_data_reports_and_collects(folder, tmp_path, cache):
    told = tinygan(
        *("data", folder, "--size", 32, "--out", tmp_path / "sheet.png"),
        *("--collect", tmp_path / "set.npz"),
    )
    for text in (
        "files  17",
        "14 40 x 40, 1 80 x 80",
        "broken  2",
        "night/text.jpg: a broken picture",
        "alike  1 look like another, in 1 groups",
        "day/copy.jpg = day/03.png",
        "8 day, 6 night",
        "14 images of 32 x 32",
    ):
        assert text in told, text
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (10 * 34 + 2, 2 * 34 + 2)
    collected = load(tmp_path / "set.npz")
    assert len(collected) == 14 and collected.classes == ["day", "night"]
    assert np.bincount(collected.labels).tolist() == [8, 6]


def test_data_reports_what_is_no_folder(tmp_path, cache):
    images = load("glyphs").images[:40]
    np.savez(tmp_path / "a.npz", images=np.concatenate([images, images[:3]]))
    told = tinygan("data", tmp_path / "a.npz", "--collect", tmp_path / "b.npz")
    assert "alike  3 look like another" in told and "0 = 40" in told
    assert np.array_equal(load(tmp_path / "b.npz").images, images)
    assert "points" in tinygan("data", "ring", "--collect", tmp_path / "c.npz", code=2)
    assert ".npz" in tinygan("data", tmp_path / "a.npz", "--collect", tmp_path / "c.png", code=2)
    before = (tmp_path / "a.npz").read_bytes()
    told = tinygan("data", tmp_path / "a.npz", "--collect", tmp_path / "a.npz", code=2)
    assert "the data itself" in told and (tmp_path / "a.npz").read_bytes() == before


def test_data_says_before_the_work_where_it_cannot_write(tmp_path, cache):
    for name in ("sheet.xyz", "sheet", "gone/sheet.png"):
        told = tinygan("data", "glyphs", "--out", tmp_path / name, code=2)
        assert name in told and "Traceback" not in told and "count" not in told


def test_black_icons_are_seen_on_another_background(tmp_path, cache):
    place = tmp_path / "moons"  # a name of a data set, too
    place.mkdir()
    random = np.random.default_rng(0)
    for i in range(4):
        icon = np.zeros((32, 32, 4), np.uint8)
        icon[..., 3] = np.kron(random.integers(0, 2, (4, 4)), np.full((8, 8), 255))
        Image.fromarray(icon).save(place / f"{i}.png")
    collected = ("--collect", tmp_path / "set.npz")
    told = tinygan("data", place, *collected)
    assert "warning: " in told and "choose another background" in told and "1 images" in told
    told = tinygan("data", place, *collected, "--background", "white")
    assert "warning" not in told and "4 images" in told and not told.startswith("\n")
    assert load(tmp_path / "set.npz").images.max() == 255
    assert "unknown background" in tinygan("data", place, "--background", "wite", code=2)
    assert "is the data set moons" in tinygan("data", "moons", cwd=tmp_path)


def test_principal_directions_are_those_of_the_largest_variance():
    random = np.random.default_rng(0)
    turn, _ = np.linalg.qr(random.standard_normal((6, 6)))
    wanted = random.standard_normal((5000, 6)) * [5, 3, 1, 0.1, 0.1, 0.1]
    found, shares = principal(wanted @ turn.T + 7, 2)
    wanted = wanted - wanted.mean(axis=0)
    for k in range(2):
        assert abs(np.corrcoef(found[:, k], wanted[:, k])[0, 1]) > 0.999
    np.testing.assert_allclose(shares, np.array([25, 9]) / 35.03, atol=0.03)
    np.testing.assert_allclose(found.var(axis=0), [25, 9], rtol=0.1)


@pytest.mark.parametrize("count", [1, 10, 11, 40])
def test_classes_have_different_colours(count):
    assert len(np.unique(palette(count), axis=0)) == count


def test_features_are_drawn(tmp_path, cache):
    data = load("glyphs")
    np.savez(tmp_path / "a.npz", images=data.images[:400, ::2, ::2], labels=data.labels[:400] % 3)
    told = tinygan("features", tmp_path / "a.npz", "--out", tmp_path / "features.png")
    assert "400 images" in told and "of the variance of 128 features" in told
    with Image.open(tmp_path / "features.png") as picture:
        assert picture.size[0] > 1000
    assert "no labels" in tinygan("features", _plain(tmp_path), code=2)
    assert "points" in tinygan("features", "ring", code=2)


def _plain(folder: Path) -> Path:
    np.save(folder / "plain.npy", load("glyphs").images[:50])
    return folder / "plain.npy"
