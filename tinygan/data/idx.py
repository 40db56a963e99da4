"""IDX files, in which MNIST and its kin are published: a header, then bytes."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from tinygan.data.errors import DataError

UNSIGNED_BYTE = 8  # the type code of the third byte


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The uint8 array of an IDX file, packed by gzip or not.

    Format: two zero bytes, the type, the number of dimensions, each dimension as a big-endian
    32-bit number, the values in C order. Raises DataError for a truncated or corrupt file.
    """
    content = unpacked(path)
    if len(content) < 4 or content[:2] != b"\0\0" or not 1 <= content[3] <= 4:
        raise DataError(f"{path} is no IDX file, or corrupt; {advice(path)}")
    if content[2] != UNSIGNED_BYTE:
        raise DataError(f"{path}: IDX numbers of type {content[2]:#x}; expected bytes (0x8)")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{path} is truncated in its header; {advice(path)}")
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    promised, found = math.prod(shape), len(content) - start
    if promised != found:
        what = "truncated" if found < promised else "corrupt"
        raise DataError(
            f"{path} is {what}: its header promises {promised} bytes, it holds {found}; "
            f"{advice(path)}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def unpacked(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, unpacked if gzip packed them."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except EOFError as error:
        raise DataError(f"{path} is truncated (gzip ends too early); {advice(path)}") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} is corrupt ({error}); {advice(path)}") from error


def advice(path: str | os.PathLike[str]) -> str:
    """What to do about a broken file."""
    return f"delete {os.path.basename(path)} to have it downloaded again"
