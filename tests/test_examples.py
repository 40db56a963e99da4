"""The examples of the first lessons run, and what they print about themselves is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


def run(name: str, folder: Path) -> str:
    """What an example prints with --quick."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), "--quick"],
        capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    return out.stdout


def picture(path: Path) -> None:
    with Image.open(path) as image:
        assert len(image.convert("L").histogram()) == 256
        assert image.convert("L").getextrema() != (255, 255)


def test_the_classifier(tmp_path: Path) -> None:
    printed = run("05_mlp_classifier.py", tmp_path)
    assert "101,770 (397.54 KB)" in printed
    found = re.search(r"([\d.]+)% of 20000 images", printed)
    assert found is not None and float(found[1]) > 97.5
    assert (tmp_path / "mlp_classifier.safetensors").exists()


def test_the_program_of_the_classifier_names_keras_in_its_imports_alone() -> None:
    lines = (ROOT / "examples" / "05_mlp_classifier.py").read_text().splitlines()
    program = lines[lines.index("from tinygan.keras import Input, Model") :]
    named = [line for line in program if "tinygan" in line and "TINYGAN_DATA" not in line]
    assert all("import" in line for line in named)


def test_the_sum(tmp_path: Path) -> None:
    printed = run("06_mlp_is_a_sum.py", tmp_path)
    found = re.search(r"differ by at most ([\d.e-]+), of values up to (\d+)", printed)
    assert found is not None and float(found[1]) < 1e-5 * float(found[2])
    last = re.findall(r"([+-]\d+\.\d{3})$", printed, re.MULTILINE)
    assert float(last[-2]) == pytest.approx(float(last[-1]), abs=2e-3)  # the sum, the network
    picture(tmp_path / "mlp_is_a_sum.png")


def test_the_value_function(tmp_path: Path) -> None:
    printed = run("07_value_function.py", tmp_path)
    rows = [line.split() for line in printed.splitlines() if re.match(r" +-?\d\.\d\d ", line)]
    assert len(rows) == 5
    for row in rows:
        _, jsd, exact, best, trained, of_samples = map(float, row)
        assert exact == pytest.approx(2 * jsd - 1.386294, abs=2e-4) and best == exact
        assert best - 0.01 < trained <= best
        assert of_samples == pytest.approx(trained, abs=0.02)
    picture(tmp_path / "value_function.png")


def test_the_context_encoder(tmp_path: Path) -> None:
    printed = run("11_context_encoder.py", tmp_path)
    found = {
        name: [float(x) for x in (error, distance, grey)]
        for name, error, distance, grey in re.findall(
            r"^  (.*?) +([\d.]+) +([\d.]+) +([\d.]+)%$", printed, re.MULTILINE
        )
    }
    assert len(found) == 5
    assert found["L2"][0] < 0.6 * found["smoothest"][0]
    assert found["L2 and D"][0] < 0.6 * found["smoothest"][0]
    assert found["L2 and D"][1] < found["L2"][1]  # nearer to real holes, and less grey
    assert found["the digits themselves"][2] < found["L2 and D"][2] < found["L2"][2]
    picture(tmp_path / "context_encoder.png")


def test_the_segmentation(tmp_path: Path) -> None:
    printed = run("10_segmentation.py", tmp_path)
    rows = re.findall(r"^(.*?) +" + r" +".join([r"(\d\.\d+)"] * 5) + "$", printed, re.MULTILINE)
    scores = {name: [float(x) for x in row] for name, *row in rows}
    assert list(scores) == ["U-Net", "one convolution", "background everywhere"]
    assert scores["background everywhere"][1:4] == [0, 0, 0]
    assert scores["U-Net"][0] > 0.9 and min(scores["U-Net"][1:4]) > 0.2
    assert scores["U-Net"][4] > 0.25 + max(scores[name][4] for name in list(scores)[1:])
    picture(tmp_path / "segmentation.png")
