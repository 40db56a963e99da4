"""Folders of pictures: every kind, one size, one cache, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import real
from PIL import Image

from tinygan.data import DataError, DataLoader, ImageFolder, load
from tinygan.data.folder import read_folder
from tinygan.data.resize import fitted, luminance

pytestmark = pytest.mark.usefixtures("cache")
SHAPE = (8, 8)


def solid(colour: Any, mode: str = "RGB", size: tuple[int, int] = SHAPE) -> Image.Image:
    return Image.new(mode, size, colour)


def only(folder: Path, **options: Any) -> np.ndarray:
    """The one picture of a folder, H W C."""
    [image] = read_folder(folder, **options).images
    return image


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "gif", "webp", "bmp", "PNG"])
def test_every_format(tmp_path: Path, ending: str) -> None:
    solid((200, 100, 50)).save(tmp_path / f"a.{ending}", lossless=True, quality=100)
    image = only(tmp_path)
    assert image.shape == (8, 8, 3)
    assert np.abs(image.astype(int) - [200, 100, 50]).max() <= 3  # JPEG is not exact


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (solid(90, "L"), 90),
        (solid(1, "1"), 255),
        (solid((10, 20, 30)).convert("P"), None),
        (Image.fromarray(np.full(SHAPE, 0x1234, np.uint16)), 0x12),
        (Image.fromarray(np.full(SHAPE, 0xFFFF, np.uint16)), 255),
        (solid((0, 255, 255, 0), "CMYK"), (255, 0, 0)),
    ],
)
def test_every_mode(tmp_path: Path, picture: Image.Image, expected: Any) -> None:
    picture.save(tmp_path / ("a.tif" if picture.mode == "CMYK" else "a.png"))
    image = only(tmp_path)
    if expected is None:
        expected = np.asarray(picture.convert("RGB"))
    assert (image == np.array(expected)).all()
    assert image.shape[2] == (1 if np.isscalar(expected) else 3)


@pytest.mark.parametrize("background", ["white", "#204060", (9, 9, 9)])
def test_alpha_is_laid_over_the_background(tmp_path: Path, background: Any) -> None:
    behind = {"white": (255, 255, 255), "#204060": (0x20, 0x40, 0x60)}.get(background, background)
    half = np.rint(0.5 * np.array([200, 100, 50]) + 0.5 * np.array(behind))
    solid((200, 100, 50, 128), "RGBA").save(tmp_path / "half.png")
    solid((200, 100, 50, 0), "RGBA").save(tmp_path / "none.png")
    palette = solid(0, "P")
    palette.putpalette([1, 2, 3, 4, 5, 6])
    palette.putpixel((0, 0), 1)
    palette.save(tmp_path / "palette.png", transparency=0)
    solid((70, 0), "LA").save(tmp_path / "z.png")
    half_, none, palette_, grey = read_folder(tmp_path, background=background).images
    assert np.abs(half_ - half).max() <= 2
    assert (none == behind).all() and (grey == behind).all()
    assert (palette_[0, 0] == [4, 5, 6]).all() and (palette_[1:] == behind).all()


def test_pictures_that_the_background_hides_are_told(tmp_path: Path) -> None:
    """Black shapes on transparency, once decoded and once from the cache."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:5, 3:6] = 255
    icon = np.dstack([np.zeros((8, 8, 3), np.uint8), alpha])
    Image.fromarray(icon).save(tmp_path / "icon.png")
    solid((0, 0, 0, 0), "RGBA").save(tmp_path / "plain.png")
    solid(0, "L").save(tmp_path / "solid.png")
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 of 3 pictures, icon.png for one, are of a single"):
            assert not read_folder(tmp_path).images.any()
    data = read_folder(tmp_path, background="white")
    np.testing.assert_array_equal(data.images[0, ..., 0], 255 - alpha)


def test_the_first_picture_of_an_animation(tmp_path: Path) -> None:
    solid("red").save(tmp_path / "a.gif", save_all=True, append_images=[solid("blue")])
    assert (only(tmp_path) == [255, 0, 0]).all()


def test_a_photograph_is_turned_as_the_camera_says(tmp_path: Path) -> None:
    picture = solid("black", size=(8, 8))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "a.png", exif=exif)
    image = only(tmp_path)
    assert image[7, 7, 0] == 255 and image[0, 0, 0] == 0


def test_channels_are_chosen_by_the_content_or_given(tmp_path: Path) -> None:
    solid((7, 7, 7)).save(tmp_path / "a.png")
    solid(9, "L").save(tmp_path / "b.png")
    assert read_folder(tmp_path).images.shape == (2, 8, 8, 1)
    assert read_folder(tmp_path, channels=3).images.shape == (2, 8, 8, 3)
    solid("red").save(tmp_path / "c.png")
    assert read_folder(tmp_path).images.shape == (3, 8, 8, 3)
    grey = read_folder(tmp_path, channels=1).images
    assert grey.shape == (3, 8, 8, 1) and (grey[2] == 76).all()


def test_luminance_is_pillows() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        luminance(image)[..., 0], np.asarray(Image.fromarray(image).convert("L"))
    )


def test_pictures_are_scaled_and_cropped_in_the_middle() -> None:
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    assert (np.asarray(fitted(Image.fromarray(wide), 8)) == 255).all()
    assert (np.asarray(fitted(Image.fromarray(wide.T), 8)) == 255).all()
    assert fitted(Image.new("L", (31, 77)), 13).size == (13, 13)


def test_pixel_art_keeps_its_pixels_and_photographs_are_smoothed() -> None:
    art = np.array([[0, 255], [255, 0]], np.uint8)
    np.testing.assert_array_equal(
        np.asarray(fitted(Image.fromarray(art), 8)), art.repeat(4, 0).repeat(4, 1)
    )
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    large = np.asarray(fitted(Image.fromarray(photo), 32))
    assert (large != photo.repeat(2, 0).repeat(2, 1)).any()
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    assert np.abs(np.asarray(fitted(Image.fromarray(checks), 32)).astype(int) - 127).max() < 5


def test_the_size_is_the_commonest_unless_given(tmp_path: Path) -> None:
    for i, size in enumerate([(10, 12), (10, 10), (40, 20)]):
        solid("red", size=size).save(tmp_path / f"{i}.png")
    assert read_folder(tmp_path).shape == (3, 10, 10)
    assert read_folder(tmp_path, size=16).shape == (3, 16, 16)
    (tmp_path / "large").mkdir()
    solid("red", size=(300, 200)).save(tmp_path / "large" / "a.png")
    assert read_folder(tmp_path / "large").shape == (3, 64, 64)


def test_nested_folders_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for i, name in enumerate(["b/2.png", "a/x/9.png", "a/1.png", ".hidden/0.png", "b/.0.png"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        solid(i, "L").save(tmp_path / name)
    (tmp_path / "README.md").write_text("not a picture")
    data = read_folder(tmp_path)
    assert data.images[:, 0, 0, 0].tolist() == [2, 1, 0]
    assert data.classes == ["a", "b"] and data.labels.tolist() == [0, 0, 1]
    solid(5, "L").save(tmp_path / "top.png")
    with pytest.warns(UserWarning, match="no classes: top.png lies beside the 2 subfolders"):
        assert read_folder(tmp_path).labels is None


def test_image_folder_is_torchvisions(tmp_path: Path) -> None:
    for name in ("dog/1.png", "cat/1.png", "cat/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        solid("red").save(tmp_path / name)
    data = ImageFolder(tmp_path, size=4)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert data.targets == [0, 0, 1] and data[2][0].shape == (3, 4, 4)
    [(x, labels)] = DataLoader(data, 3)
    assert x.shape == (3, 3, 4, 4) and labels.tolist() == [0, 0, 1]
    assert data.samples[2] == (str(tmp_path / "dog" / "1.png"), 1)
    whole = ImageFolder(tmp_path, lambda picture: picture.size, lambda label: -label)
    assert whole[2] == ((8, 8), -1) and len(whole) == 3
    [(sizes, _)] = DataLoader(whole, 3)
    assert sizes[0].tolist() == [8, 8, 8]
    with pytest.raises(DataError, match="a subfolder of pictures for each class"):
        ImageFolder(tmp_path / "dog")


# -- the cache ------------------------------------------------------------------------------------


def test_a_folder_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        solid(i, "L").save(folder / f"{i}.png")
    calls: list[tuple[str, int, int]] = []
    first = read_folder(folder, size=8, progress=lambda *call: calls.append(call))
    assert [call[1:] for call in calls] == [(1, 3), (2, 3), (3, 3)]
    again = read_folder(folder, size=8, progress=lambda *call: calls.append(call))
    assert len(calls) == 3 and again.checksum == first.checksum
    read_folder(folder, size=4, progress=lambda *call: calls.append(call))
    assert len(calls) == 6  # other options
    solid(99, "L").save(folder / "1.png")
    os.utime(folder / "1.png", ns=(1, 1))
    assert read_folder(folder, size=8).images[1, 0, 0, 0] == 99
    (folder / "0.png").unlink()
    assert len(read_folder(folder, size=8)) == 2


def test_a_broken_cache_is_decoded_again(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    solid("red").save(folder / "a.png")
    first = read_folder(folder)
    [file] = cache.rglob("folder-*")
    file.write_bytes(file.read_bytes()[:-7])
    assert read_folder(folder).checksum == first.checksum


def test_old_caches_make_room(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    solid("red").save(folder / "a.png")
    for size in range(1, 13):
        read_folder(folder, size=size)
    assert len(list(cache.rglob("folder-*"))) == 8


# -- what is wrong --------------------------------------------------------------------------------


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert message.count("\n") < 2
    return message


def test_missing_empty_and_other_folders(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "empty holds nothing; expected files that end in .png" in refusal(tmp_path / "empty")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    assert "text holds 1 files, but no pictures" in refusal(tmp_path / "text")
    assert "a.txt is a file; expected a folder" in refusal(tmp_path / "text" / "a.txt")


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "directory"])
def test_a_broken_picture_is_named(tmp_path: Path, damage: str, size: int | None) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(noise).save(tmp_path / name)
    broken = tmp_path / "b.png"
    content = broken.read_bytes()
    if damage == "directory":
        broken.unlink()
        broken.symlink_to(tmp_path / "gone.png")
    else:
        left = {"cut": content[: len(content) // 2], "garbage": b"garbage", "empty": b""}
        broken.write_bytes(left[damage])
    assert "b.png" in refusal(tmp_path, size=size)


def test_a_picture_with_wrong_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SHAPE, np.float32)).save(tmp_path / "a.tif")
    assert "a.tif: floating-point numbers" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    try:
        assert "closed: cannot be read (Permission denied)" in refusal(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_an_unreadable_folder_is_told_by_the_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    assert f"{tmp_path}: cannot be read (Permission denied)" in refusal(tmp_path)


def test_impossible_options(tmp_path: Path) -> None:
    solid("red").save(tmp_path / "a.png")
    assert "unknown background 'blurple'" in refusal(tmp_path, background="blurple")
    assert "size is 0" in refusal(tmp_path, size=0)
    assert "channels is 2" in refusal(tmp_path, channels=2)


def test_the_sprites() -> None:
    data = load(real("sprites"), size=32)
    assert data.images.shape == (1445, 32, 32, 3)
    assert data.classes == ["item", "mon"]
    assert (data.images[:, 0, 0] == 0).all(axis=1).mean() > 0.9  # the corner is background
    white = load(real("sprites"), size=32, background="white")
    assert (white.images[:, 0, 0] == 255).all(axis=1).mean() > 0.9
