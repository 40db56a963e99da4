"""What lies in a folder of pictures: sizes, formats, broken files, pictures that look alike."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.data.errors import DataError
from tinygan.data.folder import Background, colour, opened, pictures_in, read_picture
from tinygan.data.perceptual import alike, look, looks

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Survey:
    """`paths` can be read, `broken` cannot, with the reason why; `groups` of paths look alike."""

    paths: list[Path]
    broken: list[tuple[Path, str]]
    sizes: Counter[tuple[int, int]]  # width, height
    formats: Counter[str]
    groups: list[list[Path]]

    @property
    def distinct(self) -> list[Path]:
        """The paths without those that look like an earlier one."""
        repeated = {path for group in self.groups for path in group[1:]}
        return [path for path in self.paths if path not in repeated]


def survey(
    folder: str | os.PathLike[str],
    *,
    background: Background = "black",
    progress: Progress | None = None,
) -> Survey:
    """Look at every picture in a folder and the folders in it, however broken it may be.

    In a group of pictures that look alike the largest comes first.
    """
    paths = pictures_in(Path(folder))
    work = partial(_seen, background=colour(background))
    seen: list[Any] = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        try:
            for result in pool.map(work, paths):
                seen.append(result)
                if progress is not None:
                    progress("looking at pictures", len(seen), len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    good = [(path, x) for path, x in zip(paths, seen, strict=True) if not isinstance(x, str)]
    broken = [(path, x) for path, x in zip(paths, seen, strict=True) if isinstance(x, str)]
    groups = alike(looks([x[2] for _, x in good])) if good else []
    area = [np.prod(x[0]) for _, x in good]
    return Survey(
        [path for path, _ in good],
        broken,
        Counter(x[0] for _, x in good),
        Counter(x[1] for _, x in good),
        [[good[i][0] for i in sorted(group, key=lambda i: -area[i])] for group in groups],
    )


def _seen(path: Path, background: tuple[int, int, int]) -> Any:
    """Size, format and looks of a picture, or why it is broken."""
    try:
        with opened(path) as picture:
            size, what = picture.size, f"{picture.format} {picture.mode}"
        return size, what, look(read_picture(path, background))
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
