"""Padding against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402

import tinygan  # noqa: E402
from tinygan.ops import pad as our_pad  # noqa: E402


def pad(lib: Any, *args: Any, **kwargs: Any) -> Any:
    return (our_pad if lib is tinygan else torch.nn.functional.pad)(*args, **kwargs)


def real(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("value", [None, 0, 2.0, -1])
@pytest.mark.parametrize("widths", [(1, 2), (0, 0, 3, 0), (-1, 2, 1, -1), (0,) * 6, (2, -2), ()])
def test_constant(widths: tuple[int, ...], value: float | None, dtype: str) -> None:
    x = (real(2, 3, 4) * 5).astype(dtype)
    compare(lambda lib, x: pad(lib, x, widths, "constant", value), x)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((2, 3, 4), (1, 2)),
        ((2, 3, 4), (3, 3)),
        ((2, 3), (0, 2)),
        ((2, 3, 4, 5), (1, 0, 3, 2)),
        ((2, 3, 4, 5), (0, 4, 0, 0)),
        ((2, 4, 3), (2, 1, 3, 3)),
        ((1, 2, 3, 4, 5), (1, 2, 3, 0, 1, 2)),
        ((1, 1, 6, 6), (5, 5, 5, 5)),
    ],
)
def test_repeating_what_is_there(mode: str, shape: tuple[int, ...], widths: Any) -> None:
    compare(lambda lib, x: pad(lib, x, widths, mode=mode), real(*shape))


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("widths", [(-1, 2, 0, 1), (-2, -1, 1, 1), (2, -1, -1, 0)])
def test_negative_widths_crop(mode: str, widths: tuple[int, ...]) -> None:
    compare(lambda lib, x: pad(lib, x, widths, mode=mode), real(2, 3, 5, 6))


def test_replicate_goes_beyond_the_size() -> None:
    compare(lambda lib, x: pad(lib, x, (5, 7), mode="replicate"), real(2, 2, 1))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_of_an_empty_batch(mode: str) -> None:
    compare(lambda lib, x: pad(lib, x, (1, 1, 2, 0), mode=mode), real(0, 3, 4, 4))
    layers = [
        lib.nn.Conv2d(3, 2, 3, padding=1, padding_mode=mode if mode != "constant" else "zeros")
        for lib in (tinygan, torch)
    ]
    assert layers[0](tinygan.zeros(0, 3, 4, 4)).shape == (0, 2, 4, 4)
    assert layers[1](torch.zeros(0, 3, 4, 4)).shape == (0, 2, 4, 4)
