"""Decoded data kept between runs. A cache that cannot be read or written is done without."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend.files import FileError, cache_directory, load_arrays, save_arrays

KEPT = 8  # files of each kind: those used last


def key_of(what: Any) -> str:
    """A name for everything that decides the content of a cached array."""
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def recall(kind: str, key: str) -> dict[str, np.ndarray] | None:
    """Cached arrays, or None where there are none or their file is broken."""
    path = _path(kind, key)
    try:
        arrays, _ = load_arrays(path)
    except FileError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used just now
    return arrays


def remember(kind: str, key: str, arrays: dict[str, np.ndarray]) -> None:
    """Keep arrays for the next run, if the disk lets us."""
    with contextlib.suppress(OSError):
        path = _path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(arrays, path, {})
        files = sorted(path.parent.glob(f"{kind}-*"), key=lambda file: file.stat().st_mtime)
        for old in files[:-KEPT]:
            old.unlink()


def _path(kind: str, key: str) -> Path:
    return cache_directory() / "decoded" / f"{kind}-{key}.safetensors"
