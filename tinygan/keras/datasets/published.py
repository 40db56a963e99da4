"""Train and test arrays of a published set, from where `tinygan.data` finds or fetches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygan.data.published import published

Part = tuple[np.ndarray, np.ndarray]


def loader(name: str, finished: Callable[[np.ndarray, Any], Part]) -> Callable[[], Any]:
    """The load_data of a set; `finished` brings images (N, H, W, C) and labels to Keras's form."""

    def load_data() -> tuple[Part, Part]:
        parts = []
        for train in (True, False):
            data = published(name, train=train)
            if data.labels is None:
                raise ValueError(f"{name}: there are images in {data.source} but no labels")
            parts.append(finished(data.images, data.labels))
        return parts[0], parts[1]

    load_data.__doc__ = (
        f"(x_train, y_train), (x_test, y_test) of {name}: uint8 images and labels.\n\n"
        "They are looked for in $TINYGAN_DATA and the user's cache, and downloaded if need be."
    )
    return load_data


def grey(images: np.ndarray, labels: Any) -> Part:
    """(N, H, W) and (N,)."""
    return images[..., 0], labels.astype(np.uint8)


def coloured(images: np.ndarray, labels: Any) -> Part:
    """(N, H, W, 3) and (N, 1)."""
    return images, labels.astype(np.uint8)[:, None]
