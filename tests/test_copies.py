"""Copies of training images: found where they are planted, and not where there are none."""

from __future__ import annotations

import json
import sys
from math import comb
from pathlib import Path

import numpy as np
import pytest
from command import tinygan, train
from PIL import Image

from tinygan.cli import auditing
from tinygan.data import load
from tinygan.metrics import copies, matrices, nearness
from tinygan.metrics.errors import MetricError

module = sys.modules[nearness.__module__]


def draws(count: int, seed: int, dimensions: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 40, (count, dimensions)).astype(np.float32)


def test_the_relative_distance_is_that_of_the_formula(monkeypatch) -> None:
    x, y = draws(7, 0), draws(130, 1)
    for part in (matrices.PART, 33):
        monkeypatch.setattr(matrices, "PART", part)
        found = nearness(x, y)
        every = np.sqrt(((x[:, None].astype(float) - y) ** 2).sum(-1))
        least = np.sort(every, axis=1)
        np.testing.assert_array_equal(found.indices, every.argmin(1))
        np.testing.assert_allclose(found.distances, least[:, 0], rtol=1e-5)
        np.testing.assert_allclose(found.relative, least[:, 0] / least[:, :50].mean(1), rtol=1e-4)
    own = np.arange(0, 130, 10)
    passed = nearness(y[own], y, own)
    assert (passed.distances > 0).all() and (passed.indices != own).all()


def test_new_images_are_no_copies() -> None:
    """So many samples as near as chance has it; the chance is as good as uniform."""
    chances = []
    for seed in range(60):
        found = copies(draws(200, 3 * seed), draws(300, 3 * seed + 1), draws(200, 3 * seed + 2))
        assert found.expected == pytest.approx(0.01) and found.certain == 0
        assert found.nearer == pytest.approx(0.5, abs=0.12)
        chances.append(found.chance)
    assert np.mean(np.array(chances) < 0.05) <= 0.1
    assert min(chances) > 1e-4


def test_planted_copies_are_found_and_named() -> None:
    training, new, honest = draws(1000, 0), draws(500, 1), draws(500, 2)
    planted = honest.copy()
    where = np.arange(0, 500, 25)
    planted[where] = training[where] + draws(len(where), 3) / 40
    found = copies(planted, training, new)
    assert set(where) <= set(found.near)
    np.testing.assert_array_equal(found.fake.indices[where], where)
    assert found.certain == len(where) and found.chance < 1e-4
    assert copies(honest, training, new).chance > 0.01
    exact = honest.copy()
    exact[:12] = training[:12]
    found = copies(exact, training, new)
    assert set(found.near[:12]) == set(range(12)) and found.certain == 12


def test_the_chance_is_that_of_a_random_order() -> None:
    """Against 20,000 orders of 12 samples and 20 others."""
    random = np.random.default_rng(0)
    ours = np.argsort(random.random((20_000, 32)), axis=1) < 12
    for place, before in ((1, 2), (3, 4), (6, 5)):
        others = np.cumsum(~ours, axis=1)
        ahead = (ours & (others < place)).sum(1)
        assert module._first(before, place, 12, 20) == pytest.approx(
            (ahead >= before).mean(), abs=0.01
        )
    assert module._first(0, 1, 12, 20) == 1
    assert module._first(12, 1, 12, 20) == pytest.approx(1 / comb(32, 12))


def test_plain_samples_are_near_to_many_and_no_copies() -> None:
    """Samples close to the mean are nearer to training images than new ones, and copy none."""
    training, new = draws(1000, 0), draws(500, 1)
    plain = draws(500, 2) * 0.3
    found = copies(plain, training, new)
    assert np.median(found.fake.distances) < 0.8 * np.median(found.real.distances)
    assert found.chance > 0.01 and found.certain == 0


def test_samples_drawn_towards_training_images_show_as_a_whole() -> None:
    training, new, samples = draws(1000, 0), draws(500, 1), draws(500, 2)
    drawn = samples + 0.35 * (training[nearness(samples, training).indices] - samples)
    found = copies(drawn, training, new)
    assert found.nearer > 0.8 and found.certain == 0
    assert copies(samples, training, new).nearer == pytest.approx(0.5, abs=0.08)


def test_an_image_that_is_there_twice_hides_no_copies() -> None:
    """Of all training images, one, or as many as the relative distance looks at, have an equal."""
    base, new, honest = draws(400, 0), draws(300, 1), draws(300, 2)
    samples = honest.copy()
    samples[:20] = base[100:120]
    for repeated in (1, 60):
        for held_out in (None, new, np.concatenate([new, base[:5]])):
            training = np.concatenate([base, np.repeat(base[110:111], repeated, axis=0)])
            found = copies(samples, training, held_out)
            assert found.certain == 20 and set(found.near[:20]) == set(range(20))
            np.testing.assert_array_equal(found.fake.indices[:20], np.arange(100, 120))
            assert len(found.others) == 300 and (found.real.distances > 0).all()
            assert copies(honest, training, held_out).certain == 0
    doubled = np.concatenate([base[:200], base[:200]])
    assert copies(base[:100], doubled).certain == 100
    assert copies(honest[:100], doubled).chance > 0.01


def test_the_others_are_those_that_were_compared() -> None:
    training, new = draws(50, 0), draws(30, 1)
    repeated = np.concatenate([training[:1], training])
    found = copies(draws(20, 2), repeated)
    nearest = np.sqrt(((repeated[found.others] - repeated[found.real.indices]) ** 2).sum(1))
    np.testing.assert_allclose(nearest, found.real.distances, rtol=1e-5)
    new[3] = training[7]
    found = copies(draws(20, 2), training, new)
    np.testing.assert_array_equal(found.others, np.delete(np.arange(30), 3))


@pytest.mark.parametrize("count", [10, 12, 20, 50])
def test_few_training_images_accuse_no_one(count: int) -> None:
    """Leaving one out of few makes no difference between samples and the others."""
    chances = [copies(draws(100, seed), draws(count, 100 + seed)).chance for seed in range(40)]
    assert np.mean(np.array(chances) < 0.05) <= 0.1 and min(chances) > 1e-3


def test_the_report_names_the_numbers_that_were_used() -> None:
    found = copies(draws(30, 0), draws(20, 1))
    lines = "\n".join(auditing._told(auditing._report(found, 30, 1, 20, "training")))
    assert "that to the nearest 19 " in lines and "nearer than all but 5% of the others" in lines


def test_too_few_images_to_judge_by_are_refused() -> None:
    for training in (draws(9, 1), np.repeat(draws(5, 1), 20, axis=0), np.zeros((70, 4))):
        with pytest.raises(MetricError, match="distinct training images are too few"):
            copies(draws(30, 0)[:, : training.shape[1]], training)
    with pytest.raises(MetricError, match="3 new images that equal no training image"):
        copies(draws(30, 0), draws(50, 1), np.concatenate([draws(50, 1), draws(3, 2)]))


# -- the command ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit")
    np.save(path / "few.npy", load("glyphs").images[:400])
    train(path / "run", "--data", path / "few.npy", "--steps", 5)
    return path / "run"


def test_audit_of_an_honest_run(run: Path) -> None:
    text = tinygan("audit", run, "-n", 200, "--json", run / "audit.json")
    assert "no sign of copying" in text and "training (each without itself)" in text
    report = json.loads((run / "audit.json").read_text())
    assert report["samples"] == 200 and not report["suspicious"]
    assert len(report["nearest"]) == auditing.SHOWN
    with Image.open(run / "audit.png") as image:
        assert image.size[0] > 800 and np.asarray(image).std() > 10
        assert image.text["Run"].startswith("few-mlp ")


def test_audit_finds_a_generator_that_learnt_by_heart(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that gives back training images, a little noisy, in place of the run's."""
    images = load("glyphs").images[:400]

    def remembered(generator, latent, count, seed, classes=0, shares=None):
        from tinygan.data.dataset import to_float
        from tinygan.ops import as_tensor

        random = np.random.default_rng(seed)
        chosen = to_float(images[random.integers(0, 400, count)]).transpose(0, 3, 1, 2)
        return as_tensor(chosen + random.normal(0, 0.05, chosen.shape).astype(np.float32))

    monkeypatch.setattr(auditing, "sampled", remembered)
    out = tmp_path / "audit.png"
    assert auditing.audit(run, 100, 0, None, None, out, tmp_path / "audit.json") == 1
    report = json.loads((tmp_path / "audit.json").read_text())
    assert report["suspicious"] and report["certain"] > 90 and out.is_file()


def test_audit_against_images_that_are_given(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "new.npy", load("glyphs").images[400:700])
    text = tinygan("audit", run, "-n", 50, "--others", tmp_path / "new.npy")
    assert "300 held-out images" in text
    np.save(tmp_path / "colour.npy", np.zeros((20, 28, 28, 3), np.uint8))
    refused = tinygan("audit", run, "-n", 50, "--others", tmp_path / "colour.npy", code=2)
    assert "images of shape (3, 28, 28)" in refused


def test_audit_refuses_points(tmp_path: Path) -> None:
    train(tmp_path / "run", "--data", "ring", "--steps", 1)
    assert "trained on points" in tinygan("audit", tmp_path / "run", code=2)
