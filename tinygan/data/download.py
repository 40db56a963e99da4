"""Downloads that are whole and right, or not there."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tinygan.backend.files import replacing
from tinygan.data.errors import DataError

PIECE = 1 << 16
TIMEOUT = 30  # seconds without a byte

Progress = Callable[[str, int, int], None]


class Refused(Exception):
    """Why a mirror did not give the file."""


@dataclass(frozen=True)
class Remote:
    """A published file: its name, and what it must be. `size` None where it is not known."""

    name: str
    digest: str  # "sha256:..." or "md5:..."
    size: int | None = None


def fetch(
    remote: Remote, mirrors: Sequence[str], folder: Path, progress: Progress | None = None
) -> Path:
    """The file in `folder`, from the first mirror that gives it with the right digest.

    `progress(name, done, total)` is called as bytes arrive, `total` 0 where it is not known.
    """
    target = folder / remote.name
    failures = []
    for mirror in mirrors:
        try:
            with (
                _opened(mirror + remote.name) as response,
                _place(folder),
                replacing(target) as temporary,
                open(temporary, "wb") as file,
            ):
                _copy(response, remote, file, progress)
            return target
        except Refused as reason:
            failures.append(f"{mirror.split('/')[2]}: {reason}")
        except OSError as error:
            raise DataError(
                f"cannot write {target}: {error.strerror or error}; free some space, or choose "
                "another place with --data-dir"
            ) from error
    raise DataError(
        f"cannot download {remote.name} ({'; '.join(failures)}). Try again, or put the file into "
        f"{folder} yourself; --data glyphs needs no download"
    )


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[None]:
    """The folder, made if need be; what was made is gone again if nothing came into it."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # another program put something there
            for place in made:
                place.rmdir()
        raise


def _opened(url: str) -> Any:
    import http.client
    import urllib.error
    import urllib.request  # the three take 50 ms to load, and are needed once in a data set's life

    request = urllib.request.Request(url, headers={"User-Agent": "tinygan"})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise Refused(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Refused(getattr(reason, "strerror", None) or str(reason)) from error


def _copy(response: Any, remote: Remote, file: BinaryIO, progress: Progress | None) -> None:
    """Response to file; Refused where it is not the published content."""
    from http.client import HTTPException

    kind, _, expected = remote.digest.partition(":")
    digest = hashlib.new(kind, usedforsecurity=False)
    done = 0
    total = remote.size or int(response.headers.get("Content-Length") or 0)
    while True:
        try:
            piece = response.read(PIECE)
        except (OSError, HTTPException) as error:
            raise Refused(f"broke off after {done} bytes") from error
        if not piece:
            break
        file.write(piece)
        digest.update(piece)
        done += len(piece)
        if remote.size is not None and done > remote.size:
            raise Refused(f"not the published file (more than {remote.size} bytes)")
        if progress is not None:
            progress(remote.name, done, total)
    if done < total:
        raise Refused(f"broke off after {done} of {total} bytes")
    if digest.hexdigest() != expected:
        raise Refused(f"not the published file ({kind} {digest.hexdigest()[:12]}...)")
