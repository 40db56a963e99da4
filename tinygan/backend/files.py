"""Files that are whole or not there; those of arrays are safetensors with a checksum."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.backend.errors import UserError


class FileError(UserError, ValueError):
    """A file that is missing, broken or of another kind; the message names it."""


def cache_directory() -> Path:
    """Where a program may keep what it can make again, by the rules of the platform."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "tinygan"


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` when the block succeeds.

    Flushed to the disk before it is renamed, so that neither a crash nor a full disk leaves half a
    file under the final name. Whatever goes wrong, the temporary file is removed.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.stem[:100]}.{os.getpid()}.part{path.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors makes files that only their owner may read
        with open(temporary, "r+b") as file:  # Windows syncs only what may be written to
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def save_arrays(
    arrays: dict[str, np.ndarray], path: str | os.PathLike[str], metadata: dict[str, Any]
) -> None:
    """Write named arrays and JSON-able notes as one safetensors file.

    The arrays are made C-contiguous first: safetensors writes the raw memory of a transposed view
    under the shape of the view, which loads as wrong values without an error.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    notes = {name: json.dumps(value) for name, value in metadata.items()}
    notes["crc32"] = str(_checksum(arrays))
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, notes)
        except SafetensorError as error:
            raise _as_os_error(error, path) from error


def load_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and notes of a safetensors file; FileError where it is broken."""
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise FileError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            notes = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise FileError(
            f"{path} is truncated, corrupt or no safetensors file ({error}); restore it from a "
            "copy or write it again"
        ) from error
    except KeyError as error:
        raise FileError(
            f"{path} holds numbers of type {error}, which NumPy does not have; save them as float32"
        ) from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error
    checksum = notes.pop("crc32", None)
    if checksum is not None and checksum != str(_checksum(arrays)):
        raise FileError(
            f"{path} is corrupt: its contents do not match its checksum; restore it from a copy "
            "or write it again"
        )
    return arrays, {name: _parsed(value) for name, value in notes.items()}


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    value = 0
    for name in sorted(arrays):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, value)
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a file that another program wrote: its notes are plain text
        return text


def _as_os_error(error: Exception, path: str | os.PathLike[str]) -> OSError:
    """safetensors hides the operating system's error in its text: "... (os error 28)"."""
    _, found, number = str(error).partition("(os error ")
    if found and number.partition(")")[0].isdigit():
        code = int(number.partition(")")[0])
        return OSError(code, os.strerror(code), str(path))
    return OSError(f"{path}: {error}")
