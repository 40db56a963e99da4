"""The cache of compiled kernels, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
import tinygan
from tinygan.backend import progress
heard = []
progress.on_compile(lambda name, seconds: heard.append(name))
x = tinygan.tensor(np.linspace(-1, 1, 1 << 15, dtype=np.float32))
assert (tinygan.relu(x).numpy() == np.maximum(x.numpy(), 0)).all()
print("compiled" if heard else "loaded")
"""


def start(cache: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_two_processes_may_compile_at_once(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    for process in both:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0 and output in ("compiled\n", "loaded\n")
    output, _ = start(tmp_path).communicate(timeout=120)
    assert output == "loaded\n"


def test_without_a_place_to_write_kernels_are_compiled_each_time(tmp_path: Path) -> None:
    """As where the home directory is read-only, or full."""
    nowhere = tmp_path / "file"
    nowhere.touch()
    for _ in range(2):
        process = start(nowhere)
        assert process.communicate(timeout=120)[0] == "compiled\n" and not process.returncode


def test_a_damaged_cache_is_compiled_anew(tmp_path: Path) -> None:
    """As after a crash in the middle of writing."""
    assert start(tmp_path).communicate(timeout=120)[0] == "compiled\n"
    files = [path for path in tmp_path.rglob("*.nb*") if "relu" in path.name]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:50])
    process = start(tmp_path)
    assert process.communicate(timeout=120)[0] == "compiled\n" and not process.returncode
