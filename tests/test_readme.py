"""The README says nothing that is not there."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

from tinygan.cli.gradients import TABLE
from tinygan.train import gan_step

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.partition(f"## {title}")[2].partition("\n## ")[0]


def test_what_is_listed_as_differentiable_has_a_row() -> None:
    rows = {row.name.rpartition(".")[2] for row in TABLE}
    lines = [line for line in section("What is differentiable").splitlines() if "| `" in line]
    listed = set(re.findall(r"`(\w+)`", "\n".join(lines)))
    assert len(listed) > 100
    assert listed <= rows, listed - rows


def test_the_gan_step_stands_there_as_it_is() -> None:
    def plain(text: str) -> list[str]:
        return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]

    shown = plain(section("The GAN step").partition("```python")[2].partition("```")[0])
    real = "\n".join(plain(inspect.getsource(gan_step)))
    assert len(shown) > 10
    assert "\n".join(shown) in real


def test_the_files_it_links_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_options_it_names_exist() -> None:
    files = (ROOT / "tinygan" / "cli").glob("app*.py")
    source = "".join(file.read_text() for file in files)
    for name in re.findall(r"tinygan [^`]*?--([a-z-]+)", README):
        assert name.replace("-", "_") in source, name


def test_the_table_of_steps_is_made_from_the_results() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "benchmarks" / "readme.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.rewritten(README) == README


def test_the_table_of_detectors_is_made_from_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = importlib.import_module("detectors")
    results = [json.loads(path.read_text()) for path in (script.RUNS, script.COST)]
    assert script.rewritten(README, *results) == README
    assert script.PAGE.read_text() == script.page(*results)
