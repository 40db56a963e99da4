"""The invisible mark: its spectrum, its bound on false alarms, and what it survives."""

from __future__ import annotations

import io
from math import erfc, sqrt

import numpy as np
import pytest
from PIL import Image

from tinygan.data import load, make_grid, mark, to_uint8
from tinygan.data.dataset import to_float
from tinygan.ops import as_tensor


def grid(first: int, count: int, columns: int) -> np.ndarray:
    """A grid of glyphs, as the program writes them."""
    images = load("glyphs").images[first : first + count]
    x = as_tensor(to_float(images).transpose(0, 3, 1, 2))
    return to_uint8(make_grid(x, columns, pad_value=-1.0))


def sheet() -> np.ndarray:
    return grid(0, 64, 8)


def test_the_spectrum_is_that_of_the_formula() -> None:
    y = np.random.default_rng(0).uniform(0, 255, (9, 7))
    a = mark._spectrum(y, 5)
    b = np.cos(np.pi * 3 * (np.arange(9) + 0.5) / 9), np.cos(np.pi * 2 * (np.arange(7) + 0.5) / 7)
    assert a[3, 2] == pytest.approx(2 * (y * b[0][:, None] * b[1]).mean())
    assert a[0, 0] == pytest.approx(y.mean())
    rows, columns = mark._cosines(9, 9), mark._cosines(7, 7)
    whole = rows @ y @ columns.T / y.size
    np.testing.assert_allclose(rows.T @ whole @ columns, y)
    assert (whole**2).sum() == pytest.approx((y**2).mean())


def test_resizing_leaves_the_low_frequencies_where_they_are() -> None:
    x = sheet()
    own = mark._spectrum(mark._luma(x), 32)
    for factor in (0.5, 1.7, 2):
        other = mark._spectrum(mark._luma(mark.resized(x, factor)), 32)
        assert np.corrcoef(own.ravel()[1:], other.ravel()[1:])[0, 1] > 0.98


@pytest.mark.parametrize("quality", [75, 50])
@pytest.mark.parametrize("factor", [0.5, 0.75, 1.0, 1.4, 2.0])
def test_it_survives_jpeg_and_resizing(quality: int, factor: float) -> None:
    x = sheet()
    y = mark.marked(x)
    assert y.dtype == np.uint8 and y.shape == x.shape
    assert mark.psnr(x, y) >= mark.LEAST_PSNR
    assert mark.found([y]).chance < 1e-9
    changed = mark.resized(y, factor)
    assert mark.found([changed]).chance < mark.SURE
    if quality == 75:
        assert mark.found([mark.jpeg(changed, quality)]).chance < mark.SURE
    if factor == 1:
        assert mark.found([mark.jpeg(y, quality)]).chance < mark.SURE


def test_who_has_another_key_finds_nothing() -> None:
    y = mark.marked(sheet(), "one")
    assert mark.found([y], "one").chance < 1e-9
    assert mark.found([y], "two").chance > 1e-3
    assert mark.found([sheet()]).chance > 1e-3


def test_false_alarms_keep_to_the_bound() -> None:
    """Over keys, for one picture: no more of them than 3.18 P(Z >= t), and about P(Z >= t)."""
    x = sheet()
    evidence = np.array([mark._evidence([x], f"key {i}", 32) for i in range(2000)])
    assert abs(evidence.mean()) < 0.1 and evidence.std() == pytest.approx(1, abs=0.08)
    for t in (0.5, 1, 1.5, 2, 2.5):
        assert (evidence >= t).mean() <= 3.18 * 0.5 * erfc(t / sqrt(2))
    chances = [mark.found([x], f"key {i}").chance for i in range(300)]
    assert np.mean(np.array(chances) <= 0.05) <= 0.05


@pytest.mark.parametrize("shape", [(242, 242), (40, 100, 1), (90, 60, 3)])
def test_any_shape_is_marked(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).integers(40, 200, shape).astype(np.uint8)
    y = mark.marked(x, "k")
    assert y.shape == x.shape and mark.psnr(x, y) >= mark.LEAST_PSNR
    assert mark.found([y], "k").evidence > mark.found([x], "k").evidence + 2


@pytest.mark.parametrize("value", [0, 255, 128])
def test_even_a_flat_picture_has_it(value: int) -> None:
    x = np.full((96, 96, 3), value, np.uint8)
    assert mark.found([x]).evidence == pytest.approx(0, abs=1e-6)
    y = mark.marked(x)
    assert mark.psnr(x, y) > mark.LEAST_PSNR
    assert mark.found([mark.jpeg(y, 75)]).chance < mark.SURE


def test_tiny_pictures_are_no_error() -> None:
    for side in (1, 2, 7):
        x = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
        assert mark.found([mark.marked(x)]).chance > 1e-9


def test_frames_speak_together() -> None:
    frames = [grid(16 * i, 16, 4) for i in range(6)]
    together = [mark.jpeg(mark._pushed(x, "k", 1.5, 32), 50) for x in frames]
    alone = max(mark.found([x], "k").evidence for x in together)
    assert mark.found(together, "k").evidence > alone
    assert mark.found(frames, "k").chance > 1e-3


def test_a_palette_of_256_colours_leaves_it() -> None:
    y = mark.marked(sheet())
    file = io.BytesIO()
    Image.fromarray(y).save(file, "GIF")
    again = np.asarray(Image.open(file).convert("RGB"))
    assert mark.found([again]).chance < mark.SURE
