"""`load` by name and path, and .npy and .npz arrays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tinygan.data import NAMES, DataError, Images, load
from tinygan.data.arrays import as_bytes, channels_last, read_array
from tinygan.data.named import known_as

pytestmark = pytest.mark.usefixtures("cache")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)


def refusal(path: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_unknown_name_gets_the_nearest_right_one() -> None:
    assert "did you mean 'mnist'?" in refusal("mnits")
    assert "did you mean 'glyphs'?" in refusal("glyph")
    assert "did you mean 'swiss-roll'?" in refusal("swissroll")
    message = refusal("nothing like it")
    assert "did you mean" not in message and all(name in message for name in NAMES)


def test_a_name_goes_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [known_as(n) for n in ("Fashion_MNIST", "swiss roll", "./moons")] == [
        *("fashion-mnist", "swiss-roll"),
        None,
    ]
    (tmp_path / "Swiss_Roll").mkdir()
    assert load("Swiss_Roll").name == "swiss-roll"  # nothing in it that could be meant
    Image.new("L", (8, 8), 7).save(tmp_path / "Swiss_Roll" / "a.png")
    with pytest.warns(UserWarning, match=r"Swiss_Roll is the data set swiss-roll; .*\./Swiss_Roll"):
        assert load("Swiss_Roll").name == "swiss-roll"
    assert load("./Swiss_Roll").shape == (1, 8, 8)


def test_paths_that_are_none(tmp_path: Path) -> None:
    assert "there is no such folder or file" in refusal(tmp_path / "gone")
    assert "there is no such file" in refusal(tmp_path / "gone.npy")
    (tmp_path / "a.txt").write_text("text")
    assert "a.txt is a file; expected a folder of images" in refusal(tmp_path / "a.txt")


def test_layouts_and_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "last.npy", IMAGES)
    np.save(tmp_path / "first.npy", IMAGES.transpose(0, 3, 1, 2))
    np.save(tmp_path / "grey.npy", IMAGES[..., 0])
    np.savez(tmp_path / "named.npz", images=IMAGES, labels=np.arange(6), other=np.zeros(3))
    np.savez(tmp_path / "plain.npz", IMAGES, np.arange(6))
    np.savez_compressed(tmp_path / "keras.npz", x_train=IMAGES, y_train=np.arange(6), x_test=IMAGES)
    for name in ("last.npy", "first.npy", "named.npz", "plain.npz", "keras.npz"):
        data = load(tmp_path / name)
        np.testing.assert_array_equal(data.images, IMAGES)
        assert data.images.flags.c_contiguous
        assert (data.labels is None) == name.endswith(".npy")
    assert load(tmp_path / "grey.npy").shape == (1, 5, 7)


def test_size_and_channels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    data = load(str(tmp_path / "x.npy"), size=8, channels=1)
    assert data.images.shape == (6, 8, 8, 1)
    np.save(tmp_path / "grey.npy", IMAGES[..., :1])
    grey = load(tmp_path / "grey.npy", channels=3).images
    np.testing.assert_array_equal(grey, np.repeat(IMAGES[..., :1], 3, axis=3))


@settings(deadline=None)
@given(arrays.arrays(np.uint8, (3, 2, 2, 1)), st.sampled_from([np.float32, np.float64]))
def test_ranges_of_floats(bytes_: np.ndarray, dtype: Any) -> None:
    bytes_ = bytes_.copy()
    bytes_.flat[:2] = 0, 255
    x = bytes_.astype(dtype)
    for floats in (x, x / 255, x / 127.5 - 1):
        np.testing.assert_array_equal(as_bytes(floats.astype(dtype)), bytes_)
    np.testing.assert_array_equal(as_bytes(bytes_.astype(np.int64)), bytes_)


def test_booleans_are_black_and_white() -> None:
    assert as_bytes(np.array([True, False])).tolist() == [255, 0]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((4, 28), np.uint8), "shape (4, 28); expected N H W"),
        (np.zeros((4, 5, 5, 2), np.uint8), "with 1 or 3 channels"),
        (np.zeros((0, 5, 5), np.uint8), "empty array"),
        (np.full((2, 5, 5), 300), "values from 300 to 300"),
        (np.full((2, 5, 5), -2.0), "values from -2 to -2"),
        (np.full((2, 5, 5), np.nan), "not finite"),
        (np.full((2, 5, 5), np.inf), "not finite"),
        (np.full((2, 5, 5), "text"), "expected numbers"),
        (np.full((2, 5, 5), None), "Python objects and pickles are not read"),
    ],
)
def test_arrays_that_are_no_images(tmp_path: Path, array: np.ndarray, expected: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    message = refusal(tmp_path / "x.npy")
    assert expected in message and "x.npy" in message


def test_floats_just_above_one_are_not_black() -> None:
    base = np.linspace(0, 1, 256, dtype=np.float32)
    assert np.abs(as_bytes(base * 1.0001).astype(int) - np.arange(256)).max() <= 1
    assert np.abs(as_bytes((2 * base - 1) * 1.0001).astype(int) - np.arange(256)).max() <= 1
    with pytest.raises(DataError, match=r"values from 0 to 1\.5"):
        as_bytes(base * 1.5)


def test_integers_of_zero_and_one_are_black_and_white(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.int64):
        assert as_bytes(np.array([0, 1], dtype)).tolist() == [0, 255]
    np.save(tmp_path / "x.npy", np.arange(17.0).repeat(4).reshape(17, 2, 2))
    with pytest.warns(UserWarning, match=r"x.npy: values from 0.0 to 16.0 make nearly black"):
        assert read_array(tmp_path / "x.npy").images.max() == 16


Y = np.array([2, 0, 1, 2, 0, 1])


@pytest.mark.parametrize("name", ["labels", "y"])
@pytest.mark.parametrize(
    "labels",
    [Y.astype(np.uint8), Y.astype(np.uint64), Y[:, None], Y.astype(np.float32), Y[:, None] / 1.0,
     np.eye(3)[Y], np.eye(3, dtype=bool)[Y]],
    ids=["uint8", "uint64", "column", "floats", "column of floats", "one-hot", "one-hot bool"],
)  # fmt: skip
def test_labels_in_the_forms_that_people_keep(tmp_path: Path, name: str, labels: Any) -> None:
    names = {"classes": np.array(["a", "b", "c"])}
    np.savez(tmp_path / "x.npz", images=IMAGES, **{name: labels}, **names)
    data = load(tmp_path / "x.npz")
    assert data.labels.dtype == np.int64 and data.classes == ["a", "b", "c"]
    np.testing.assert_array_equal(data.labels, Y)


def test_labels_of_two_classes_as_booleans(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=Y > 1)
    np.testing.assert_array_equal(load(tmp_path / "x.npz").labels, Y > 1)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (Y - 1, "labels from -1 to 1"),
        (Y * 10**12, "labels from 0 to 2000000000000"),
        (Y.astype(np.uint64) + np.uint64(2**63), "labels from 9223372036854775808"),
        (np.append(Y, 0), "'labels' holds 7 labels for 6 images"),
    ],
)
def test_labels_that_are_no_classes(tmp_path: Path, labels: np.ndarray, expected: str) -> None:
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=labels)
    assert expected in refusal(tmp_path / "x.npz")
    with pytest.raises(DataError):
        Images(IMAGES, labels)


def test_labels_that_are_not_whole_are_no_labels_of_images() -> None:
    with pytest.raises(DataError, match="expected whole numbers"):
        Images(IMAGES, Y + 0.5)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"labels": np.ones((6, 40))}, r"'labels', float64 \(6, 40\), is not used"),
        ({"y": Y + 0.5}, "'y', float64"),
        ({"y": np.array(list("catdog"))}, "'y', <U1"),
        ({"labels": Y, "classes": np.array(["a"])}, "1 names in 'classes' are not used"),
        ({"labels": np.where(Y == 2, 1000, Y)}, "makes 1001 classes, but 3 of them"),
    ],
)
def test_what_is_not_used_is_told(tmp_path: Path, arrays: Any, told: str) -> None:
    np.savez(tmp_path / "x.npz", images=IMAGES, **arrays)
    with pytest.warns(UserWarning, match=f"x.npz: .*{told}"):
        data = load(tmp_path / "x.npz")
    assert data.classes is None


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_broken_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save = np.save if name.endswith("npy") else np.savez
    save(path, IMAGES)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    contents = [whole[: len(whole) // 2], whole[:20], b"", b"garbage"]
    for content in [*contents, bytes(damaged)] if name == "x.npz" else contents:
        path.write_bytes(content)
        assert name in refusal(path)


def test_an_archive_without_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 3, 3)), b=np.zeros((2, 3, 3)))
    assert "which array holds the images? It has a (2, 3, 3), b (2, 3, 3)" in refusal(
        tmp_path / "x.npz"
    )
    np.savez(tmp_path / "one.npz", a=np.zeros((2, 3, 3)), b=np.zeros(2))
    assert len(read_array(tmp_path / "one.npz")) == 2


def test_channels_last_prefers_the_last() -> None:
    assert channels_last(np.zeros((2, 3, 8, 8))).shape == (2, 8, 8, 3)
    assert channels_last(np.zeros((2, 3, 8, 3))).shape == (2, 3, 8, 3)


def test_importing_is_light() -> None:
    code = (
        "import sys, tinygan.data; heavy = ('PIL', 'numba', 'safetensors', 'ssl', 'matplotlib'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
