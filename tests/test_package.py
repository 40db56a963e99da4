"""The house: which package may import which, and what `import tinygan` costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinygan

ROOT = Path(tinygan.__file__).parent
HEAVY = ["numba", "llvmlite", "cupy", "matplotlib"]

# a package imports from itself and from lower levels
LEVELS = {
    "backend": 0,
    "autograd": 1,
    "distributed": 2,
    "ops": 3,
    "distributions": 4,
    "losses": 4,
    "nn": 5,
    "optim": 5,
    "amp": 6,
    "baselines": 6,
    "data": 6,
    "models": 6,
    "train": 7,
    "metrics": 7,
    "keras": 7,
    "utils": 7,
    "backends": 7,
    "reproduce": 8,
    "cli": 9,
}


def imports(path):
    """The packages of tinygan that a file imports, also inside functions, but not for types."""
    tree = ast.parse(path.read_text())
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    for_types = [n for n in blocks if ast.unparse(n.test) == "TYPE_CHECKING"]
    skipped = {inner for block in for_types for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names]
            names = names if node.module == "tinygan" else [node.module]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "tinygan" and len(name.split(".")) > 1:
                yield name.split(".")[1]


@pytest.mark.parametrize("package", LEVELS)
def test_imports_point_one_way(package):
    below = {package} | {name for name, level in LEVELS.items() if level < LEVELS[package]}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imports(path)
        if name in LEVELS and name not in below
    ]
    assert not wrong


def test_every_package_has_its_place_in_the_order():
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    assert packages <= set(LEVELS)


def test_pictures_are_written_in_one_place():
    """tinygan.data.pictures gives every file its origin; what wrote one itself would not."""
    house = ROOT.parent
    own = ROOT / "data" / "pictures.py"
    files = [
        f for part in ("tinygan", "examples", "benchmarks") for f in (house / part).rglob("*.py")
    ]
    writes = re.compile(r"savefig\(|imsave\(|imwrite\(|(?<!self)(?<!np)(?<!model)\.save\(")
    wrong = [str(f.relative_to(house)) for f in files if f != own and writes.search(f.read_text())]
    assert wrong == ["tinygan/data/mark.py"], "use save_picture, save_gif or save_figure"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("tinygan", [*HEAVY, "PIL", "rich", "typer", "safetensors"]),
        ("tinygan.cli.training", HEAVY),
    ],
)
def test_importing_is_light(module, heavy):
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
