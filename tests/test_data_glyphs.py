"""The drawn digits: the same for the same seed, whole, and told apart by eye and by arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygan.data import load
from tinygan.data.glyphs import STROKES, atlas, draw, glyphs


def test_a_seed_decides_every_byte() -> None:
    images, labels = draw(700, 3)
    again, labels_again = draw(700, 3)
    assert images.shape == (700, 28, 28, 1) and images.dtype == np.uint8
    assert images.tobytes() == again.tobytes() and labels.tobytes() == labels_again.tobytes()
    assert (draw(700, 4)[0] != images).any()


def test_digits_lie_within_the_picture_and_use_the_whole_range() -> None:
    images, labels = draw(1000, 0)
    inside = images[:, 1:-1, 1:-1].max(axis=(1, 2, 3))
    frame = images.copy()
    frame[:, 1:-1, 1:-1] = 0
    assert (frame.max(axis=(1, 2, 3)) > 100).mean() < 0.01 and inside.min() > 150
    assert (images.max(axis=(1, 2, 3)) > 200).mean() > 0.99
    assert 20 < images.mean() < 60
    assert ((images > 20) & (images < 235)).mean() > 0.04  # soft edges
    assert np.bincount(labels, minlength=10).min() > 60


def test_the_labels_are_those_of_the_digits() -> None:
    """The nearest class mean finds most of them; a mean of noise would find one in ten."""
    images, labels = draw(4000, 0)
    x = images.reshape(4000, -1).astype(np.float32)
    means = np.stack([x[:3000][labels[:3000] == digit].mean(axis=0) for digit in range(10)])
    distances = ((x[3000:, None] - means) ** 2).sum(-1)
    assert (distances.argmin(axis=1) == labels[3000:]).mean() > 0.75
    plain = atlas()[len(STROKES) // 2 :: len(STROKES), 6:-6, 6:-6]
    plain = plain.reshape(10, 28, 3, 28, 3).mean(axis=(2, 4)).reshape(10, -1)
    alike = np.corrcoef(np.concatenate([means, plain]))[:10, 10:]
    assert alike.argmax(axis=1).tolist() == list(range(10))


def test_every_sample_is_another() -> None:
    images, _ = draw(1000, 0)
    assert len({image.tobytes() for image in images}) == 1000


def test_strokes_grow_thicker() -> None:
    ink = atlas().mean(axis=(1, 2)).reshape(10, -1)
    assert (np.diff(ink, axis=1) > 0).all()


def test_they_are_kept_and_a_broken_cache_is_drawn_again(cache: Path) -> None:
    first = glyphs(300, 1)
    [file] = cache.rglob("glyphs-*")
    whole = file.read_bytes()
    assert glyphs(300, 1).checksum == first.checksum
    damaged = bytearray(whole)
    damaged[-1000] ^= 255
    for broken in (whole[:-1000], b"", bytes(damaged)):
        file.write_bytes(broken)
        assert glyphs(300, 1).checksum == first.checksum
        assert file.read_bytes() == whole


def test_without_a_cache_they_are_drawn(cache: Path) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the directory should be")
    assert len(glyphs(50, 1)) == 50


def test_they_load_by_name(cache: Path) -> None:
    data = load("glyphs")
    assert len(data) == 20_000 and data.shape == (1, 28, 28)
    assert data.classes == list("0123456789") and data.labels.shape == (20_000,)
    assert load("glyphs", seed=1).checksum != data.checksum
    assert data.describe()["name"] == "glyphs"
