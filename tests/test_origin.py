"""Every picture says where it comes from, and `tinygan verify` reads it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from command import tinygan, train
from matplotlib.figure import Figure
from PIL import Image

import tinygan as package
from tinygan import nn
from tinygan.autograd import wrap
from tinygan.backend.files import FileError
from tinygan.cli import app_pictures
from tinygan.data import Origin, mark, save_figure, save_gif, save_image, save_picture
from tinygan.data.origin import pixels_checksum, read_picture, weights_checksum
from tinygan.data.pictures import expect_picture

SOFTWARE = f"tinygan {package.__version__}"
WHOLE = Origin("glyphs-mlp 0123", 12, 3, "ab" * 32)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 1), (5, 7)])
def test_a_png_holds_its_origin_and_its_pixels_checksum(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    pixels = noise(*shape)
    save_picture(pixels, tmp_path / "x.png", origin=WHOLE)
    frames, fields, format = read_picture(tmp_path / "x.png")
    assert format == "PNG" and len(frames) == 1
    np.testing.assert_array_equal(frames[0].reshape(shape), pixels)
    assert fields == {
        "Software": SOFTWARE,
        "Run": "glyphs-mlp 0123",
        "Step": "12",
        "Seed": "3",
        "Checkpoint": "ab" * 32,
        "Pixels": pixels_checksum(frames[0]),
    }
    with Image.open(tmp_path / "x.png") as image:
        assert image.text["Checkpoint"] == "ab" * 32  # a chunk that any program can read


def test_the_checksum_is_of_shape_and_pixels() -> None:
    x = noise(4, 6, 3)
    other = x.copy()
    other[3, 5, 2] ^= 1
    assert pixels_checksum(x) == pixels_checksum(x.copy(order="F"))
    assert pixels_checksum(x) != pixels_checksum(other)
    assert pixels_checksum(x) != pixels_checksum(x.reshape(6, 4, 3))
    assert pixels_checksum(x[..., :1]) == pixels_checksum(x[..., 0])


def test_weights_have_a_checksum_of_their_own() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = weights_checksum(network)
    assert before == weights_checksum(network)
    with package.no_grad():
        network[1].running_mean.array[2] += 1e-3
    assert weights_checksum(network) != before


@pytest.mark.parametrize("ending", ["gif", "jpg", "jpeg", "png"])
def test_other_formats_that_have_room_for_it_hold_it_too(tmp_path: Path, ending: str) -> None:
    save_picture(noise(8, 8, 3), tmp_path / f"x.{ending}", origin=WHOLE)
    _, fields, _ = read_picture(tmp_path / f"x.{ending}")
    assert ("Pixels" in fields) == (ending == "png")  # the others hold other pixels
    assert fields["Run"] == "glyphs-mlp 0123" and fields["Software"] == SOFTWARE


def test_a_format_without_room_is_still_written(tmp_path: Path) -> None:
    save_picture(noise(8, 8, 3), tmp_path / "x.bmp", origin=WHOLE)
    assert read_picture(tmp_path / "x.bmp")[1:] == ({}, "BMP")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x.nothing", "x.nothing: unknown file extension '.nothing'; expected"),
        ("x", "x: no file extension"),
        (".", "no file extension"),
        ("gone/x.png", "cannot write .*gone/x.png: No such file"),
        ("folder.png", "cannot write .*folder.png: Is a directory"),
    ],
)
def test_a_name_that_cannot_be_written_to(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileError, match=told):
        save_picture(noise(8, 8, 3), tmp_path / name)
    with pytest.raises(FileError, match=r"cannot write .*: Is a directory"):
        save_gif([noise(8, 8, 3)], tmp_path)
    if name != "folder.png":
        with pytest.raises(FileError, match="x" if "x" in name else "ending|extension"):
            expect_picture(tmp_path / name)
    expect_picture(tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_a_picture_with_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_picture(noise(8, 8, 3), tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(FileError, match=r"x\.png: a picture with too many pixels"):
        read_picture(tmp_path / "x.png")


def test_whatever_writes_a_picture_says_so(tmp_path: Path) -> None:
    save_image(wrap(np.zeros((2, 1, 4, 4), np.float32)), tmp_path / "a.png")
    stream = io.BytesIO()
    save_image(wrap(np.zeros((2, 1, 4, 4), np.float32)), stream, format="png")
    (tmp_path / "b.png").write_bytes(stream.getvalue())
    save_gif(list(noise(3, 4, 4, 3)), tmp_path / "c.gif", origin=WHOLE)
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    save_figure(figure, tmp_path / "d.png", 100, origin=WHOLE)
    for name in ("a.png", "b.png", "c.gif", "d.png"):
        assert read_picture(tmp_path / name)[1]["Software"] == SOFTWARE, name
    frames, fields, _ = read_picture(tmp_path / "d.png")
    assert frames[0].shape == (100, 200, 3) and frames[0].std() > 5
    assert fields["Content"] == "a chart" and fields["Run"] == WHOLE.run
    assert len(read_picture(tmp_path / "c.gif")[0]) == 3


def test_what_others_wrote_has_no_origin(tmp_path: Path) -> None:
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "x.png")
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "x.gif", comment=b"\xffnot json")
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "y.gif", comment=b"[1]")
    for name in ("x.png", "x.gif", "y.gif"):
        assert read_picture(tmp_path / name)[1] == {}
    (tmp_path / "z.png").write_bytes(b"nothing")
    with pytest.raises(FileError, match="no picture"):
        read_picture(tmp_path / "z.png")
    with pytest.raises(FileError, match="No such file"):
        read_picture(tmp_path / "gone.png")
    whole = (tmp_path / "x.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="cannot be read"):
        read_picture(tmp_path / "half.png")


# -- the command ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("origin") / "run"
    train(path, "--steps", 4, "--sample-every", 2, "--checkpoint-every", 2, "--seed", 5, "--mark")
    return path


def test_all_pictures_of_a_run_name_it(run: Path) -> None:
    names = ("samples/step-000002.png", "samples/step-000004.png", "samples.gif", "curves.png")
    fields = [read_picture(run / name)[1] for name in names]
    assert len({f["Run"] for f in fields}) == 1 and fields[0]["Run"].startswith("glyphs-mlp ")
    assert [f["Step"] for f in fields] == ["2", "4", "4", "4"]
    assert {f["Seed"] for f in fields} == {"5"}
    assert fields[0]["Checkpoint"] != fields[1]["Checkpoint"] == fields[2]["Checkpoint"]


def test_verify_reads_origin_and_mark(run: Path, tmp_path: Path) -> None:
    assert json.loads((run / "config.json").read_text())["config"]["mark"] is True
    tinygan("sample", run, "--seed", 9, "--out", tmp_path / "x.png")
    text = " ".join(tinygan("verify", tmp_path / "x.png", "--run", run).split())
    assert SOFTWARE in text and "seed 9" in text and "step 4" in text
    assert "pixels are those that it was written with" in text
    assert "found, as good as certain" in text
    assert "checkpoint of step 4 has exactly the weights" in text
    earlier = tinygan("verify", run / "samples" / "step-000002.png", "--run", run)
    assert "other weights than those of step 4" in earlier
    assert "found, as good as certain" in tinygan("verify", run / "samples.gif")


def test_verify_tells_what_was_changed_and_what_is_left(run: Path, tmp_path: Path) -> None:
    own = ("--mark", "--key", "my own")
    tinygan("sample", run, "--out", tmp_path / "x.png", *own)
    with Image.open(tmp_path / "x.png") as image:
        image.convert("RGB").save(tmp_path / "x.jpg", quality=75)
        small = image.convert("RGB").resize((121, 121))
        chunks = image.text
        image.putpixel((3, 3), (255, 0, 0))
        from PIL.PngImagePlugin import PngInfo

        kept = PngInfo()
        for name, value in chunks.items():
            kept.add_text(name, value)
        image.save(tmp_path / "changed.png", pnginfo=kept)
        small.save(tmp_path / "small.png")
    for name in ("x.jpg", "small.png"):
        text = tinygan("verify", tmp_path / name, "--key", "my own")
        assert "none: not written by this program" in text
        assert "found, as good as certain" in text
        assert "not found" in tinygan("verify", tmp_path / name, code=1)
    assert "pixels have changed" in tinygan("verify", tmp_path / "changed.png")


def test_a_key_is_used_where_it_is_given(run: Path, tmp_path: Path) -> None:
    tinygan("sample", run, "--key", "my own", "--out", tmp_path / "x.png")
    assert "found, as good" in tinygan("verify", tmp_path / "x.png", "--key", "my own")
    assert "not found" in tinygan("verify", tmp_path / "x.png")
    assert app_pictures.key_of(False, None) is None
    assert app_pictures.key_of(True, None) == mark.KEY


def test_verify_finds_nothing_where_nothing_is(tmp_path: Path) -> None:
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "x.png")
    text = tinygan("verify", tmp_path / "x.png", code=1)
    assert "none: not written" in text and "not found" in text
    assert "no picture" in tinygan("verify", __file__, code=2)


def test_a_sample_of_one_class_wants_a_run_with_classes(run: Path) -> None:
    assert "trained without classes" in tinygan("sample", run, "--class", 3, code=2)


def test_the_help_names_the_key_that_is_used() -> None:
    assert app_pictures.KEY == mark.KEY
