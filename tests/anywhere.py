"""The stand-in for CuPy in processes that a test starts: they find it as if it were a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygan.backend import backend_for

HERE = Path(__file__).parent
SITE = """import strict_cupy
from tinygan.backend import register
register(strict_cupy.backend())
"""


def provide(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every Python process that is started from now on import the stand-in first."""
    if backend_for("cuda").xp.__name__ != "cupy":
        (folder / "sitecustomize.py").write_text(SITE)
        paths = [str(folder), str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in paths if p))
