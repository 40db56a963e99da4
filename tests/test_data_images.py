"""make_grid and save_image against grids laid out by hand; to_uint8; GIFs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygan.autograd import wrap
from tinygan.data import make_grid, save_gif, save_image, save_picture, to_uint8


def ones(count: int, channels: int = 3, height: int = 2, width: int = 3) -> np.ndarray:
    """Image i is all i + 1."""
    values = np.arange(1.0, count + 1, dtype=np.float32)[:, None, None, None]
    return values * np.ones((1, channels, height, width), np.float32)


def test_the_layout_is_torchvisions() -> None:
    """Five images, three to a row: (2 + 1) * 2 + 1 rows of pixels, (3 + 1) * 3 + 1 columns."""
    grid = make_grid(wrap(ones(5)), nrow=3, padding=1, pad_value=9).numpy()
    row = [[9, *[1] * 3, 9, *[2] * 3, 9, *[3] * 3, 9], [9, *[4] * 3, 9, *[5] * 3, 9, 9, 9, 9, 9]]
    empty = [9] * 13
    expected = [empty, row[0], row[0], empty, row[1], row[1], empty]
    assert grid.shape == (3, 7, 13)
    for channel in grid:
        np.testing.assert_array_equal(channel, expected)


def test_fewer_images_than_a_row_make_a_narrower_grid() -> None:
    assert make_grid(wrap(ones(2))).shape == (3, 2 + 4, 2 * 5 + 2)
    assert make_grid(wrap(ones(9))).shape == (3, 2 * 4 + 2, 8 * 5 + 2)
    assert make_grid(wrap(ones(4)), nrow=2, padding=0).shape == (3, 4, 6)


def test_one_image_has_no_frame_and_grey_becomes_three_channels() -> None:
    assert make_grid(wrap(ones(1))).shape == (3, 2, 3)
    assert make_grid(wrap(ones(1)[0])).shape == (3, 2, 3)
    assert make_grid(wrap(ones(1)[0, 0])).shape == (3, 2, 3)
    grid = make_grid(wrap(ones(3, channels=1)), padding=0).numpy()
    assert grid.shape == (3, 2, 9) and (grid[0] == grid[2]).all()


def test_a_list_of_images() -> None:
    together = make_grid(wrap(ones(3))).numpy()
    np.testing.assert_array_equal(make_grid([wrap(x) for x in ones(3)]).numpy(), together)
    with pytest.raises(ValueError, match="at least one image"):
        make_grid([])
    with pytest.raises(ValueError, match=r"got shape \(1, 1, 1, 1, 1\)"):
        make_grid(wrap(np.zeros((1, 1, 1, 1, 1))))


def test_normalizing() -> None:
    def middle(**options: object) -> list[float]:
        grid = make_grid(wrap(x), padding=0, normalize=True, **options).numpy()  # type: ignore[arg-type]
        return np.round(grid[0, 0], 4).tolist()

    x = np.float32([[[[-1, 0, 3]]], [[[0, 10, 20]]]])
    assert middle() == pytest.approx([0, 1 / 21, 4 / 21, 1 / 21, 11 / 21, 1], abs=1e-4)
    assert middle(scale_each=True) == pytest.approx([0, 0.25, 1, 0, 0.5, 1])
    assert middle(value_range=(-1, 1)) == pytest.approx([0, 0.5, 1, 0.5, 1, 1])
    both = middle(value_range=(0, 10), scale_each=True)
    assert both == pytest.approx([0, 0, 0.3, 0, 1, 1])
    tall = make_grid(wrap(np.array([[[[0.0], [4.0]]], [[[1.0], [2.0]]]])), 8, 0, True, None, True)
    assert tall.numpy()[0].tolist() == [[0, 0], [1, 1]]  # from each image's least and greatest
    colours = wrap(np.array([[[[0.0]], [[1.0]], [[4.0]]]] * 2))
    colours = make_grid(colours, padding=0, normalize=True, scale_each=True)
    assert colours.numpy()[:, 0, 0].tolist() == [0, 0.25, 1]  # its channels together
    constant = make_grid(wrap(np.full((2, 1, 1, 1), 5.0)), normalize=True, padding=0).numpy()
    assert (constant == 0).all()  # no division by zero


def test_normalizing_leaves_the_images_alone() -> None:
    x = ones(4)
    make_grid(wrap(x), normalize=True)
    np.testing.assert_array_equal(x, ones(4))


def test_grids_stay_on_their_device(device: str) -> None:
    x = wrap(ones(4)).to(device)
    grid = make_grid(x, nrow=2, normalize=True, value_range=(0, 4))
    assert grid.device.type == device
    np.testing.assert_allclose(grid.cpu().numpy()[0, 2, 2], 0.25)
    assert to_uint8(x).shape == (4, 2, 3, 3)


def test_a_saved_image_comes_back(tmp_path: Path) -> None:
    x = np.linspace(-0.2, 1.2, 3 * 4 * 5, dtype=np.float32).reshape(1, 3, 4, 5)
    save_image(wrap(x), tmp_path / "x.png")
    expected = np.clip(x[0] * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    with Image.open(tmp_path / "x.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    stream = io.BytesIO()
    save_image(wrap(x), stream, format="png")
    np.testing.assert_array_equal(np.asarray(Image.open(stream)), expected)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    save_image(wrap(ones(1)), path)
    before = path.read_bytes()

    def half(self: Image.Image, name: Path, *_: object, **options: object) -> None:
        Path(name).write_bytes(before[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="No space"):
        save_image(wrap(ones(1)), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_bytes_of_floats_and_back() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    floats = (every / np.float32(127.5) - 1).astype(np.float32).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(to_uint8(wrap(floats)), every)
    assert to_uint8(np.float32([[[-9, 9, np.nan]]])).ravel().tolist() == [0, 255, 0]
    assert to_uint8(ones(2)[0]).shape == (2, 3, 3)
    with pytest.raises(ValueError, match=r"got shape \(2,\)"):
        to_uint8(np.zeros(2))


def test_a_gif_has_its_frames(tmp_path: Path) -> None:
    frames = [np.full((4, 6, 3), 80 * i, np.uint8) for i in range(3)]
    save_gif(frames, tmp_path / "a.gif", duration=50)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3 and gif.size == (6, 4) and gif.info["duration"] == 50
        assert gif.info["loop"] == 0
        for i, frame in enumerate(frames):
            gif.seek(i)
            np.testing.assert_array_equal(np.asarray(gif.convert("RGB")), frame)
    save_gif([wrap(np.zeros((1, 4, 6), np.float32))] * 2, tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as gif:
        assert gif.size == (6, 4)
    with pytest.raises(ValueError, match="at least one frame"):
        save_gif([], tmp_path / "c.gif")


def test_a_grey_picture_is_saved_as_one(tmp_path: Path) -> None:
    save_picture(np.full((2, 3, 1), 7, np.uint8), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.mode == "L"
