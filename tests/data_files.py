"""What the data tests share: the real collections where they are, and small ones of their form."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

_SIBLING = Path(__file__).resolve().parents[2] / "shared" / "data"


def real(name: str) -> Path:
    """The folder of a real collection; skips the test where it is absent."""
    for root in filter(None, [os.environ.get("TINYGAN_TEST_DATA"), str(_SIBLING)]):
        if (folder := Path(root, name)).is_dir():
            return folder
    pytest.skip(f"{name} is not here; TINYGAN_TEST_DATA names the folder that holds it")


def idx(array: np.ndarray) -> bytes:
    """An unpacked IDX file of bytes."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def write_pair(folder: Path, part: str = "train", count: int = 5, packed: bool = True) -> None:
    """A small collection in the form of MNIST: image i is all i, its label is i % 10."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
        content = idx(array)
        if packed:
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{part}-{kind}-ubyte").write_bytes(content)
