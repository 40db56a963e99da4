"""Run the `tinygan` command as a user would: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SMALL = ["--model", "mlp", "--width", "8", "--latent", "8", "--batch-size", "16"]  # quick to train
PATIENCE = 300  # seconds: a process with an empty cache compiles all that it needs


def environment() -> dict[str, str]:
    """The user's, with one thread, so that tests side by side do not fight for cores."""
    return {**os.environ, "TINYGAN_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "120"}


def start(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tinygan", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        **options,
    )


def tinygan(*arguments: Any, code: int = 0, **options: Any) -> str:
    """What the command prints on both streams; its exit code must be `code`."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    return out + err


def train(out: Path, *arguments: Any, code: int = 0) -> str:
    """A tiny training run into `out`."""
    return tinygan("train", *SMALL, "--out", out, *arguments, code=code)
