"""The classifier that metrics look through, and its cache."""

from __future__ import annotations

import numpy as np
import pytest
from data_files import real

from tinygan.backend.files import FileError
from tinygan.data import Images
from tinygan.data.published import published
from tinygan.metrics import (
    MetricError,
    classifier_for,
    classify,
    load_classifier,
    stacked_classes,
    train_classifier,
)
from tinygan.metrics import classifier as module
from tinygan.metrics.classifier import FEATURES, cached_at
from tinygan.ops import get_rng_state, manual_seed


def corners(count: int = 300, seed: int = 0, size: int = 8) -> Images:
    """Images of three classes: which corner is bright."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=count)
    images = random.integers(0, 160, size=(count, size, size, 1), dtype=np.uint8)
    half = size // 2
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * half : (row + 1) * half, column * half : (column + 1) * half] += 80
    return Images(images, labels, name="corners")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "LEAST_STEPS", 60)


def test_it_learns_and_is_a_function_of_the_seed(cache):
    data, new = corners(), corners(200, seed=1)
    manual_seed(7)
    before = get_rng_state().numpy().copy()
    seen = []
    first = train_classifier(data, seed=3, progress=lambda done, steps: seen.append((done, steps)))
    np.testing.assert_array_equal(get_rng_state().numpy(), before)
    assert seen[0] == (1, 60) and seen[-1] == (60, 60)
    features, classes = classify(first, new)
    assert features.shape == (200, FEATURES)
    assert (classes == new.labels).mean() > 0.95
    manual_seed(8)
    again, other = train_classifier(data, seed=3), train_classifier(data, seed=4)
    np.testing.assert_array_equal(classify(again, new)[0], features)
    assert not np.array_equal(classify(other, new)[0], features)


@pytest.mark.parametrize(("size", "channels"), [(4, 1), (15, 3), (32, 3), (64, 1)])
def test_any_square_images(cache, monkeypatch, size, channels):
    monkeypatch.setattr(module, "LEAST_STEPS", 2)
    monkeypatch.setattr(module, "EPOCHS", 1)
    images = np.zeros((20, size, size, channels), np.uint8)
    data = Images(images, np.arange(20) % 4)
    features, classes = classify(train_classifier(data), data)
    assert features.shape == (20, FEATURES) and classes.max() < 4


def test_it_is_kept_by_what_it_was_made_from(cache, monkeypatch):
    data = corners()
    trained = classifier_for(data)
    monkeypatch.setattr(module, "train_classifier", None)  # a second training would fail
    kept = classifier_for(corners())
    np.testing.assert_array_equal(classify(kept, data)[0], classify(trained, data)[0])
    assert cached_at(data).is_relative_to(cache)
    relabelled = corners()
    relabelled.labels = (relabelled.labels + 1) % 3
    names = {cached_at(data), cached_at(data, 1), cached_at(relabelled), cached_at(corners(seed=2))}
    assert len(names) == 4


def test_a_cache_of_other_data_is_refused(cache):
    data, other = corners(), corners(seed=2)
    classifier_for(data)
    cached_at(data).rename(cached_at(other))
    with pytest.raises(
        MetricError, match=r"other data than corners: data .*delete the file"
    ) as told:
        classifier_for(other)
    assert str(cached_at(other)) in str(told.value)
    assert data.checksum[:12] in str(told.value) and other.checksum[:12] in str(told.value)


def test_a_broken_cache_is_made_again(cache):
    data = corners()
    classifier_for(data)
    path = cached_at(data)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FileError):
        load_classifier(path, data)
    classifier_for(data)
    load_classifier(path, data)


def test_data_that_cannot_be_classified_is_refused():
    data = corners(20)
    with pytest.raises(MetricError, match="no labels of two classes"):
        train_classifier(Images(data.images, name="plain"))
    with pytest.raises(MetricError, match="no labels of two classes"):
        train_classifier(Images(data.images, np.zeros(20)))
    with pytest.raises(MetricError, match="give 10 or more"):
        train_classifier(Images(data.images[:9], data.labels[:9]))
    with pytest.raises(MetricError, match="square"):
        train_classifier(Images(data.images[:, :, :5], data.labels))


def test_images_that_it_was_not_trained_for_are_refused():
    classifier = module.Classifier((1, 8, 8), 3)
    with pytest.raises(
        MetricError, match=r"on images of shape \(1, 8, 8\), these have \(1, 6, 6\)"
    ):
        classify(classifier, corners(5, size=6))
    with pytest.raises(MetricError, match="0 samples are too few; give 1 or more"):
        classify(classifier, Images(np.zeros((0, 8, 8, 1), np.uint8)))
    with pytest.raises(MetricError, match="0 samples are too few"):
        stacked_classes(classifier, np.zeros((0, 8, 8, 3), np.uint8))


def test_stacked_images_have_a_class_for_each_triple(cache):
    a, b, c = (corners(60, seed=seed) for seed in (5, 6, 7))
    classifier = train_classifier(corners())
    stacked = np.concatenate([a.images, b.images, c.images], axis=3)
    found = stacked_classes(classifier, stacked)
    wanted = 100 * a.labels + 10 * b.labels + c.labels
    assert (found == wanted).mean() > 0.9


def test_over_99_percent_of_digits():
    folder = real("mnist")
    classifier = train_classifier(published("mnist", folder))
    test = published("mnist", folder, train=False)
    assert (classify(classifier, test)[1] == test.labels).mean() > 0.99
