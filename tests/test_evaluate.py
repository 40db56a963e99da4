"""All figures of a run: `tinygan.metrics.figures` and `tinygan evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import tinygan, train

from tinygan import nn
from tinygan.cli import evaluating
from tinygan.data import DataError, Images, Points, held_out, load
from tinygan.data.dataset import to_float
from tinygan.metrics import MetricError, figures, most_samples, reals, train_classifier
from tinygan.metrics import classifier as module
from tinygan.ops import as_tensor
from tinygan.ops import ones as all_ones


def blobs(count: int, seed: int, labelled: bool = True) -> Images:
    """8 x 8 images of a blurred spot, its quarter of the image being the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(4, size=count)
    at = np.stack([2 + 4 * (labels // 2), 2 + 4 * (labels % 2)], axis=1)
    at = at + random.uniform(-1, 1, (count, 2))
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), axis=-1) + 0.5
    square = ((grid[None] - at[:, None, None]) ** 2).sum(axis=-1)
    images = (255 * np.exp(-square / 3)).astype(np.uint8)[..., None]
    return Images(images, labels if labelled else None, name="blobs")


def as_samples(images: Images):
    return as_tensor(to_float(images.images).transpose(0, 3, 1, 2))


@pytest.fixture(scope="module")
def judged():
    """Training data, held-out data, what they are compared by, and a classifier."""
    training, new = blobs(1200, 0), blobs(400, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST_STEPS", 120)
        return training, new, reals(training, new, 300), train_classifier(training)


def named(samples, real, classifier=None):
    return {figure.name: figure for figure in figures(samples, real, classifier)}


def test_new_images_of_the_distribution_are_at_the_floor(judged):
    _, _, real, classifier = judged
    found = named(as_samples(blobs(300, 2)), real, classifier)
    assert found["classes covered"].value == found["classes covered"].floor == 4
    assert found["class KL"].value < 0.02
    assert found["Frechet distance"].value < 1.5 * found["Frechet distance"].floor
    for name in ("precision", "recall", "density", "coverage"):
        assert found[name].value == pytest.approx(found[name].floor, abs=0.15), name
    assert found["nearer than held-out"].value == pytest.approx(0.5, abs=0.07)
    assert found["sliced Wasserstein"].value < 2 * found["sliced Wasserstein"].floor


def test_each_planted_fault_shows_in_its_figure(judged):
    training, _, real, classifier = judged
    copies = Images(training.images[:300])
    found = named(as_samples(copies), real)
    assert found["nearer than held-out"].value > 0.95
    assert found["nearest training image"].value == 0
    collapsed = blobs(1500, 2)
    collapsed = Images(collapsed.images[collapsed.labels == 1][:300])
    found = named(as_samples(collapsed), real, classifier)
    assert found["classes covered"].value == 1
    assert found["class KL"].value == pytest.approx(np.log(4), abs=0.1)
    assert found["recall"].value < 0.5 < found["precision"].value
    assert found["coverage"].value < 0.5
    assert found["Frechet distance"].value > 10 * found["Frechet distance"].floor
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1)).astype(np.uint8)
    found = named(as_samples(Images(noise)), real, classifier)
    assert found["density"].value < 0.2
    assert found["nearer than held-out"].value < 0.01
    assert found["Parzen log-likelihood"].value < found["Parzen log-likelihood"].floor - 20


def test_without_held_out_data_both_sides_are_halves():
    training = blobs(601, 0, labelled=False)
    assert most_samples(training, None) == 300
    real = reals(training, None, 300)
    together = np.concatenate([real.reference.images, real.others.images]).reshape(600, -1)
    assert len(np.unique(together, axis=0)) == 600
    found = named(as_samples(blobs(300, 2)), real)
    assert found["nearer than held-out"].value == pytest.approx(0.5, abs=0.07)
    assert "classes covered" not in found
    with pytest.raises(MetricError, match="half of the data has 300: choose 300 or fewer"):
        reals(training, None, 301)
    with pytest.raises(MetricError, match="the held-out data has 50"):
        reals(training, blobs(50, 1), 51)
    with pytest.raises(MetricError, match="give 10 or more"):
        reals(training, None, 9)


def test_the_features_want_more_samples_than_features(judged):
    training, new, _, classifier = judged
    real = reals(training, new, 100)
    with pytest.raises(MetricError, match="100 samples are too few; give 129 or more"):
        named(as_samples(blobs(100, 2)), real, classifier)


def test_samples_that_are_not_finite_are_refused(judged):
    with pytest.raises(MetricError, match="diverged"):
        named(all_ones(300, 1, 8, 8) * float("nan"), judged[2])


def test_points_are_judged_by_their_modes(cache):
    training, new = load("grid"), held_out("grid")
    assert isinstance(new, Points)
    assert new.checksum != training.checksum
    real = reals(training, new, 2000)
    fresh = as_tensor(new.density.sample(2000, seed=9).astype(np.float32))
    found = named(fresh, real)
    assert found["modes covered"].value == 25
    assert found["reverse KL"].value < 4 * found["reverse KL"].floor
    assert found["density"].value == pytest.approx(1, abs=0.1)
    assert "modes covered" not in named(fresh, reals(load("moons"), held_out("moons"), 2000))


def test_what_is_held_out(cache, tmp_path):
    glyphs, new = load("glyphs"), held_out("glyphs", size=14)
    assert new.shape == (1, 14, 14) and len(new) == len(glyphs)
    np.save(tmp_path / "a.npy", np.zeros((5, 8, 8), np.uint8))
    assert held_out(tmp_path / "a.npy") is None


# -- the command ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run on labelled images, with a cache of its own."""
    path = tmp_path_factory.mktemp("evaluate")
    data = blobs(400, 0)
    np.savez(path / "blobs.npz", images=data.images, labels=data.labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(path / "cache"))
        train(path / "run", "--data", path / "blobs.npz", "--size", 8, "--steps", 5)
        yield path


@pytest.mark.parametrize("classes", [10, 26, 100])
def test_classes_are_drawn_equally_often_or_by_their_shares(classes: int) -> None:
    class Labels(nn.Module):
        def forward(self, z, y):
            return y.reshape(-1, 1, 1, 1)

    drawn = evaluating.sampled(Labels(), 2, 3 * classes + 1, 0, classes).numpy().reshape(-1)
    assert np.bincount(drawn).tolist() == [4] + [3] * (classes - 1)
    shares = np.arange(classes)  # the first is not there at all
    count = 2 * int(shares.sum())
    drawn = evaluating.sampled(Labels(), 2, count, 0, classes, shares).numpy().reshape(-1)
    assert np.bincount(drawn).tolist() == (2 * shares).tolist()


def test_evaluate_prints_a_table_and_repeats_itself(run: Path) -> None:
    text = tinygan("evaluate", run / "run", "--json", run / "a.json")
    assert "trained a classifier" in text
    for word in ("Frechet distance", "real", "history", "200 samples of step 5"):
        assert word in " ".join(text.split())
    again = tinygan("evaluate", run / "run", "--json", run / "b.json")
    assert "trained a classifier" not in again
    assert (run / "a.json").read_bytes() == (run / "b.json").read_bytes()
    report = json.loads((run / "a.json").read_text())
    assert report["step"] == 5 and report["samples"] == 200 and report["seed"] == 0
    assert len(report["figures"]) == 12
    assert {"name", "value", "floor", "better", "note"} == set(report["figures"][0])
    tinygan("evaluate", run / "run", "--seed", 1, "--json", run / "b.json")
    assert (run / "a.json").read_bytes() != (run / "b.json").read_bytes()


def test_evaluate_refuses_what_does_not_fit(run: Path) -> None:
    def refused(*arguments) -> str:
        text = tinygan("evaluate", *arguments, code=2)
        assert "Traceback" not in text
        return " ".join(text.split())

    assert "choose 200 or fewer" in refused(run / "run", "-n", 201)
    assert "give 10 or more" in refused(run / "run", "-n", 9)
    few = tinygan("evaluate", run / "run", "-n", 128)
    assert "128 images are too few, 129 would do" in few
    assert "sliced" in few and "Frechet" not in few
    assert "config.json" in refused(run)
    data = blobs(400, 5)
    np.savez(run / "blobs.npz", images=data.images, labels=data.labels)
    assert "has changed since" in refused(run / "run")


def test_data_that_has_moved_is_named(tmp_path: Path, cache, monkeypatch) -> None:
    data = tmp_path / "plain.npy"
    np.save(data, blobs(60, 0, labelled=False).images)
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "run", "--data", "plain.npy", "--size", 8, "--steps", 2)
    monkeypatch.chdir(tmp_path / "run")
    tinygan("evaluate", tmp_path / "run")
    data.rename(tmp_path / "moved.npy")
    assert "plain.npy" in tinygan("evaluate", tmp_path / "run", code=2)
    tinygan("evaluate", tmp_path / "run", "--data", "../moved.npy")
    tinygan("audit", tmp_path / "run", "-n", 20, "--data", "../moved.npy")
    resume = ("train", "--resume", tmp_path / "run", "--steps", 3)
    assert "plain.npy" in tinygan(*resume, code=2)
    tinygan(*resume, "--data", "../moved.npy")
    tinygan("evaluate", tmp_path / "run")
    np.save(data, blobs(60, 1, labelled=False).images)
    assert "has changed since" in tinygan(*resume, "--data", data, code=2)


def test_evaluate_without_labels_or_on_points(tmp_path: Path, cache) -> None:
    np.save(tmp_path / "plain.npy", blobs(60, 0, labelled=False).images)
    train(tmp_path / "plain", "--data", tmp_path / "plain.npy", "--size", 8, "--steps", 2)
    text = tinygan("evaluate", tmp_path / "plain")
    assert "no classifier" in text and "Frechet" not in text and "sliced" in text
    train(tmp_path / "ring", "--data", "ring", "--steps", 2)
    text = tinygan("evaluate", tmp_path / "ring", "-n", 500)
    assert "modes covered" in text and "held-out data" in text


def test_held_out_data_that_is_not_to_be_had(tmp_path: Path, cache, monkeypatch, capsys) -> None:
    def offline(*arguments, **options):
        raise DataError("no mirror answers")

    train(tmp_path / "ring", "--data", "ring", "--steps", 2)
    monkeypatch.setattr(evaluating, "held_out", offline)
    evaluating.evaluate(tmp_path / "ring", 300, 0, None, None)
    text = " ".join(capsys.readouterr().out.split())
    assert "halves of the training data take its place: no mirror answers" in text
    assert "the other half of the data" in text
