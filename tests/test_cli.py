"""The commands, end to end, as processes."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from command import tinygan, train
from PIL import Image
from rich.console import Console

from tinygan import tensor
from tinygan.cli.halfblock import can_show
from tinygan.data import load
from tinygan.data.origin import read_picture
from tinygan.train import Config, picture
from tinygan.train.pictures import draw_curves
from tinygan.train.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of twelve steps."""
    path = tmp_path_factory.mktemp("runs") / "run"
    train(path, "--steps", 12, "--sample-every", 6, "--checkpoint-every", 5)
    return path


def test_a_run_directory_is_complete(run: Path) -> None:
    notes = json.loads((run / "config.json").read_text())
    assert notes["config"]["steps"] == 12
    assert {"numpy", "tinygan", "python"} <= set(notes["versions"])
    assert len(notes["data"]) == 64
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == list(range(1, 13))
    assert all(np.isfinite(list(record.values())).all() for record in records)
    pictures = sorted(p.name for p in (run / "samples").iterdir())
    assert pictures == ["step-000000.png", "step-000006.png", "step-000012.png"]
    checkpoints = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert checkpoints == ["step-000010.safetensors", "step-000012.safetensors"]


def test_the_pictures_show_samples(run: Path) -> None:
    with Image.open(run / "samples" / "step-000012.png") as image:
        assert image.size == (8 * 30 + 2, 8 * 30 + 2)
        assert np.asarray(image).std() > 1
    with Image.open(run / "samples.gif") as animation:
        assert animation.n_frames >= 3
    with Image.open(run / "curves.png") as curves:
        assert curves.size[0] > 500


def test_sample_is_a_function_of_the_seed(run: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tinygan("sample", run, "-n", 9, "--seed", seed, "--out", tmp_path / f"{name}.png")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (3 * 30 + 2, 3 * 30 + 2)


def test_interpolate_writes_a_closed_walk(run: Path, tmp_path: Path) -> None:
    tinygan("sample", run, "--out", tmp_path / "s.png", "--interpolate", tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as animation:
        assert animation.n_frames > 20


def test_points_of_the_plane_are_trained_and_drawn(tmp_path: Path) -> None:
    train(tmp_path / "ring", "--data", "ring", "--steps", 4)
    with Image.open(tmp_path / "ring" / "samples" / "step-000004.png") as image:
        assert image.size == (256, 256)
    tinygan("sample", tmp_path / "ring")
    real = np.abs(load("ring").content).max()
    reach = json.loads((tmp_path / "ring" / "config.json").read_text())["reach"]
    assert reach == pytest.approx(1.2 * real)


def test_points_of_a_walk_are_drawn_to_one_scale() -> None:
    near, far = ([[0.1, 0.1]], [[0.4, 0.4]])
    pictures = [picture(tensor(points), reach=1.0) for points in (near, far)]
    rows = [np.argwhere((pixels != 255).any(2)).mean(0) for pixels in pictures]
    assert np.abs(rows[1] - rows[0]) == pytest.approx([38, 38], abs=1)  # 0.3 of 128 pixels


def test_a_terminal_without_colours_shows_no_picture() -> None:
    options = {"force_terminal": True, "color_system": "truecolor"}
    assert can_show(Console(**options)) and not can_show(Console(**options, no_color=True))


def test_a_single_step_shows_in_the_curves(tmp_path: Path) -> None:
    train(tmp_path / "run", "--steps", 1)
    draw_curves(Run.open(tmp_path / "run").history(), tmp_path / "x.png")
    blue = read_picture(tmp_path / "x.png")[0][0].astype(int) - [31, 119, 180]
    assert (np.abs(blue).sum(2) < 60).sum() > 300  # dots, not only the lines of the legend


def test_brackets_in_names_are_no_markup(tmp_path: Path) -> None:
    path = tmp_path / "[" / "old] [v2]"
    text = train(path, "--data", "ring", "--steps", 1)
    assert f"tinygan sample '{path}'" in text.replace("\n  ", " ")


@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1", "r2", "dragan"])
def test_every_penalty_trains(tmp_path: Path, penalty: str) -> None:
    train(tmp_path / "run", "--steps", 3, "--penalty", penalty, "--game", "wasserstein")


def test_a_conditional_run_is_sampled(tmp_path: Path) -> None:
    options = ("--data", "ring", "--model", "mlp", "--steps", 3, "--conditional", "projection")
    train(tmp_path / "run", *options)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["classes"] == 8
    tinygan("sample", tmp_path / "run", "-n", 5)
    for label, name in ((None, "all"), (7, "last"), (0, "first")):
        chosen = () if label is None else ("--class", label)
        tinygan("sample", tmp_path / "run", "-n", 200, *chosen, "--out", tmp_path / f"{name}.png")
    a, b, c = (read_picture(tmp_path / f"{name}.png")[0][0] for name in ("all", "last", "first"))
    assert (a != b).any() and (b != c).any()
    assert "has the classes 0 to 7" in tinygan("sample", tmp_path / "run", "--class", 8, code=2)


def test_compiling_is_announced_once_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYGAN_KERNELS", raising=False)
    first, second = (
        train(tmp_path / name, "--data", "ring", "--steps", 1) for name in ("first", "second")
    )
    assert first.count("compiling kernels") == 1
    assert "compiling kernels" not in second


def test_options_come_from_toml_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('game = "hinge"\nsteps = 2\nlr-g = 0.001\n')
    train(tmp_path / "run", "--config", tmp_path / "run.toml", "--steps", 3)
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (config["game"], config["steps"], config["lr_g"]) == ("hinge", 3, 0.001)


def test_gradcheck_prints_a_table_and_json() -> None:
    assert "tanh" in tinygan("gradcheck", "--op", "tanh")
    rows = json.loads(tinygan("gradcheck", "--op", "tanh", "--json"))
    assert rows and all(row["passed"] for row in rows)


def test_info_names_the_versions_and_the_devices() -> None:
    text = tinygan("info")
    assert all(word in text for word in ("numpy", "numba", "blas", "cuda", "cores"))


def test_data_describes_and_draws_a_contact_sheet(tmp_path: Path) -> None:
    text = tinygan("data", "glyphs", "--out", tmp_path / "sheet.png")
    assert "20000" in text
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size[0] > 200


@pytest.mark.parametrize(
    "command", ["", "train", "sample", "evaluate", "diagnose", "gradcheck", "info", "data"]
)
def test_help_says_what_it_does_with_an_example(command: str) -> None:
    text = tinygan(*command.split(), "--help")
    assert "Example: tinygan" in text


def test_the_help_of_train_states_every_default() -> None:
    rows = re.split(r"\n│ --", tinygan("train", "--help"))[1:]
    options = {row.split()[0]: " ".join(re.sub("[│╰─╯]", " ", row).split()) for row in rows}
    for field in fields(Config):
        if isinstance(field.default, int | float | str) and field.type != "bool":
            option = options[field.name.replace("_", "-")]
            stated = option.rpartition("[")[2].removesuffix("]")
            assert type(field.default)(stated) == field.default, option
