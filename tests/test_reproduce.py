"""Published experiments made again: the framework, and what of each experiment is exact."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import re
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import told_trials
from command import tinygan
from PIL import Image

from tinygan.backend.errors import UserError
from tinygan.data.toys import Grid
from tinygan.ops import manual_seed, ones, randn
from tinygan.reproduce import EXPERIMENTS, Trial, dirac, experiment, pacgan, plane
from tinygan.reproduce.chart import draw_figures, draw_samples
from tinygan.reproduce.results import Results, described, summary
from tinygan.reproduce.runner import TrialError, trials
from tinygan.reproduce.table import headings, rows

MACHINE = {"cpu": "a test", "cores": 1, "system": "any", "versions": {"tinygan": "0"}}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_complete(name):
    found = experiment(name)
    assert found.name == name
    assert all(len(text) > 20 for text in (found.criterion, found.setup, found.differences))
    quantities = {quantity.name for quantity in found.quantities}
    if name != "mnist-quality":  # which compares games with each other, and has a floor
        assert any(variant.published for variant in found.variants.values())
    for row, variant in found.variants.items():
        assert set(variant.published) <= quantities, row
        assert bool(variant.table) == bool(variant.published), row
        assert set(variant.quick) <= set(variant.settings), row
        assert variant.quick, row
        assert json.loads(json.dumps(variant.settings)) == variant.settings, row


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'dirac'"):
        experiment("dirca")


# -- results ----------------------------------------------------------------------------------


def results(directory, experiment=told_trials.EXPERIMENT, quick=False, machine=MACHINE):
    return Results(experiment, quick, directory, machine)


def trial(value, seed=0):
    return Trial({"score": value, "never": math.nan}, np.full((50, 2), seed, np.float32), 2.0, 4)


def test_trials_are_kept_one_by_one_and_not_run_again(tmp_path):
    first = results(tmp_path)
    wanted = {"good": 2, "other": 1}
    assert first.missing(wanted) == [("good", 0), ("other", 0), ("good", 1)]
    first.add("good", 0, trial(1.0), "cpu")
    again = results(tmp_path)
    assert again.missing(wanted) == [("other", 0), ("good", 1)]
    again.add("other", 0, trial(5.0), "cpu")
    last = results(tmp_path)
    assert last.missing(wanted) == [("good", 1)]
    assert set(last.samples) == {"good", "other"}
    assert len(results(tmp_path, quick=True).missing(wanted)) == 3


def test_a_changed_setting_is_not_taken_for_the_old_one(tmp_path):
    results(tmp_path).add("good", 0, trial(1.0), "cpu")
    changed = told_trials.variant(value=7.0)
    variants = {**told_trials.EXPERIMENT.variants, "good": changed}
    other = dataclasses.replace(told_trials.EXPERIMENT, variants=variants)
    new = results(tmp_path, other)
    assert new.missing({"good": 1}) == [("good", 0)]
    assert new.samples == {}
    new.add("good", 0, trial(7.0), "cpu")
    document = json.loads(new.path.read_text())
    assert [t["figures"]["score"] for t in document["trials"]] == [7.0]
    assert [t["figures"]["score"] for t in document["earlier"]] == [1.0]
    back = results(tmp_path)
    assert back.missing({"good": 1}) == []


def test_mean_and_standard_error_over_the_seeds(tmp_path):
    found = results(tmp_path)
    for seed, value in enumerate((1.0, 2.0, 6.0)):
        found.add("good", seed, trial(value, seed), "cpu")
    found.add("other", 0, trial(4.0), "cpu")
    mean, error, count = summary(found.document, "good", "score")
    assert (mean, count) == (3.0, 3)
    assert error == pytest.approx(math.sqrt((4 + 1 + 9) / 2 / 3))
    assert summary(found.document, "other", "score") == (4.0, None, 1)
    assert math.isnan(summary(found.document, "good", "never")[0])
    assert json.loads(found.path.read_text())["trials"][0]["figures"]["never"] is None
    lines = rows(found.document)
    assert len(lines[0]) == len(headings(found.document))
    assert lines[0][:4] == ["good", "table 7", "1.5 ± 0.5", "-"]
    assert lines[1] == ["", "ours", "3.0 ± 1.5", "-", "3", "4", "2 s"]
    assert lines[-1][:3] == ["perfect sampler", "", "3.0"]
    found.add("other", 1, trial(math.nan, 1), "cpu")  # a seed that failed does not hide
    assert rows(found.document)[3][2] == "4.0 (1 of 2)"


def test_machines_are_told_apart(tmp_path):
    results(tmp_path).add("good", 0, trial(1.0), "cpu")
    other = results(tmp_path, machine={**MACHINE, "cpu": "another"})
    other.add("good", 1, trial(1.0), "cpu")
    document = json.loads(other.path.read_text())
    assert [t["environment"] for t in document["trials"]] == [0, 1]
    assert [m["cpu"] for m in document["environments"]] == ["a test", "another"]


def test_what_is_no_result_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected \['never', 'score'\]"):
        results(tmp_path).add("good", 0, Trial({"score": 1.0}, np.ones((2, 2)), 1.0, 1), "cpu")
    (tmp_path / "planted.json").write_text("{")
    with pytest.raises(UserError, match="cannot read"):
        results(tmp_path)
    (tmp_path / "planted.json").write_text('{"experiment": "ring"}')
    with pytest.raises(UserError, match="no results of planted"):
        results(tmp_path)


def test_the_pictures(tmp_path):
    found = results(tmp_path)
    for seed in range(2):
        found.add("good", seed, trial(1.0 + seed, seed), "cpu")
    draw_figures(found.document, tmp_path / "a.png")
    found.samples["other"] = np.zeros((9, 1, 8, 8), np.float32)
    draw_samples(found.document, found.samples, None, tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as image:
            assert image.size[0] > 300 and np.asarray(image).std() > 10


# -- processes --------------------------------------------------------------------------------


def events(*todo, jobs=2, quick=False):
    return trials("told_trials", todo, quick, "cpu", None, jobs)


def test_trials_run_in_processes_and_tell_how_far_they_are():
    found = list(events(("good", 0), ("other", 1), ("good", 1)))
    done = {event.trial: event.value for event in found if event.kind == "done"}
    assert {key: t.figures["score"] for key, t in done.items()} == {
        ("good", 0): 1.0,
        ("good", 1): 2.0,
        ("other", 1): 3.0,
    }
    assert [e.value for e in found if e.kind == "progress" and e.trial == ("good", 1)] == [
        (i, 4) for i in range(4)
    ]
    (quick,) = [e for e in events(("good", 0), quick=True) if e.kind == "done"]
    assert quick.value.steps == 2


@pytest.mark.parametrize(
    ("variant", "message"),
    [("refused", "no data for this"), ("broken", "planted"), ("killed", "code 9")],
)
def test_a_trial_that_fails_is_named(variant, message):
    with pytest.raises(TrialError, match=message) as error:
        list(events((variant, 3)))
    assert f"{variant}, seed 3" in str(error.value)


def test_closing_stops_those_that_run():
    with closing(events(("slow", 0), ("slow", 1))) as running:
        assert next(running).kind == "progress"
        began = time.monotonic()
    assert time.monotonic() - began < 10  # each would take a minute


# -- the Dirac-GAN ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", dirac.EXPERIMENT.variants)
def test_the_engine_follows_the_formulas_of_the_dirac_gan(name):
    variant = dirac.EXPERIMENT.variants[name]
    found = dirac.run(variant, 0, False, "cpu", None)
    assert found.figures["off the formula"] < 1e-11
    for quantity, (theory, _) in variant.published.items():
        assert found.figures[quantity] == pytest.approx(theory, rel=1e-9), quantity
    assert found.samples.shape == (501, 6)


# -- points in the plane ----------------------------------------------------------------------


def test_a_maxout_layer_is_the_largest_of_its_linear_maps():
    manual_seed(0)
    layer = pacgan.Maxout(3, 4, 5)
    x = randn(6, 3)
    weight, bias = (p.detach().numpy() for p in layer.parameters())
    maps = x.numpy() @ weight.reshape(5, 4, 3).transpose(0, 2, 1) + bias.reshape(5, 1, 4)
    np.testing.assert_allclose(layer(x).detach().numpy(), maps.max(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("packing", [1, 2, 3, 4])
def test_the_networks_of_pacgan_are_as_large_as_theirs(packing):
    def size(network):
        return sum(p.numel() for p in network.parameters())

    generator, discriminator = pacgan.make_generator(packing), pacgan.make_discriminator(packing)
    assert size(generator) == 2 * 400 + 3 * 400**2 + 4 * 2 * 400 + 400 * 2 + 2
    assert size(discriminator) == 1000 * (2 * packing + 1) + 2 * 1000 * 201 + 201
    assert discriminator(randn(6 * packing, 2)).shape == (6,)
    before = generator[1].running_mean.numpy().copy()
    for _ in range(packing):
        generator(ones(10, 2))
    batch = (generator[0](ones(1, 2))).detach().numpy()[0]
    np.testing.assert_allclose(
        generator[1].running_mean.numpy(), 0.95 * before + 0.05 * batch, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("name", ["ring", "grid", "grid25"])
@pytest.mark.parametrize("place", [0, -1])
def test_points_are_trained_the_same_way_twice(name, place):
    found = experiment(name)
    variant = list(found.variants.values())[place]
    short = dataclasses.replace(variant, settings={**variant.settings, "steps": 5})
    first, again, other = (found.run(short, seed, False, "cpu", None) for seed in (0, 0, 1))
    assert set(first.figures) == {quantity.name for quantity in found.quantities}
    assert first.steps == 5
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_the_figures_of_a_perfect_sampler_and_of_a_broken_one():
    toy = Grid()
    found = plane.mode_figures(toy.sample(100_000), toy)
    for quantity in plane.quantities(25):
        near = 0.2 if quantity.name == "on a mode, %" else 1e-3
        assert found[quantity.name] == pytest.approx(quantity.perfect, abs=near), quantity.name
    broken = plane.mode_figures(np.full((100, 2), np.nan), toy)
    assert broken["modes"] == broken["on a mode, %"] == 0
    assert math.isnan(broken["reverse KL"])


# -- the command ------------------------------------------------------------------------------


def test_reproduce_prints_a_table_and_leaves_its_files(tmp_path):
    text = tinygan("reproduce", "dirac", "--quick", "--out", tmp_path, "--variant", "WGAN")
    words = " ".join(text.split())
    for word in ("theory", "ours", "criterion", "set-up", "differences", "1.004988", "quick"):
        assert word in words
    names = {path.name for path in tmp_path.iterdir()}
    assert {"dirac-quick.json", "dirac-quick.png", "dirac-quick-samples.png"} <= names
    document = json.loads((tmp_path / "dirac-quick.json").read_text())
    assert [t["variant"] for t in document["trials"]] == ["WGAN"]
    assert str(tmp_path) not in json.dumps(document)
    written = (tmp_path / "dirac-quick.json").read_bytes()
    again = tinygan("reproduce", "dirac", "--quick", "--out", tmp_path, "--variant", "WGAN")
    assert "WGAN, seed 0" not in again
    assert (tmp_path / "dirac-quick.json").read_bytes() == written


def test_reproduce_refuses_what_it_does_not_know(tmp_path):
    assert "did you mean 'dirac'" in tinygan("reproduce", "dirca", code=2)
    text = tinygan("reproduce", "dirac", "--variant", "R3", "--out", tmp_path, code=2)
    assert "variant of dirac" in text and "consensus" in text


# -- the page ---------------------------------------------------------------------------------


def test_the_page_of_results_is_made_from_the_results():
    path = Path(__file__).parent.parent / "benchmarks" / "results_page.py"
    spec = importlib.util.spec_from_file_location("results_page", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = script.PAGE.read_text()
    assert text == script.page()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert len(links) > 2
    assert [link for link in links if not (script.PAGE.parent / link).exists()] == []


def test_kept_results_are_of_the_experiments_as_they_are():
    """No trial of other settings counts, none is quick, and the texts are those of today."""
    kept = sorted((Path(__file__).parent.parent / "benchmarks/results/reproduce").glob("*.json"))
    assert kept
    for path in kept:
        document = json.loads(path.read_text())
        found = experiment(document["experiment"])
        texts = json.loads(json.dumps(described(found)))
        assert {name: document[name] for name in texts} == texts, path
        variants = found.variants
        assert not document["quick"]
        for trial in document["trials"]:
            assert trial["settings"] == variants[trial["variant"]].chosen(False), trial["variant"]
