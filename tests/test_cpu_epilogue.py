"""Activations that kernels apply to what they have written: the same bits as two launches."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import from_python, with_gradients

import tinygan

pytest.importorskip("numba")


@pytest.mark.parametrize("dtype", [tinygan.float32, tinygan.float64])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_recorded_steps_join_functions_to_what_is_before(name: str, dtype: Any) -> None:
    """The bits are those of two launches: `from_python` compares them."""
    function = getattr(tinygan, name)
    tinygan.manual_seed(0)
    layers: list[tuple[tinygan.nn.Module, tuple[int, ...]]] = [
        (tinygan.nn.Linear(30, 17), (64, 30)),
        (tinygan.nn.Linear(70, 1), (40, 70)),
        (tinygan.nn.Conv2d(6, 3, 3, padding=1), (2, 6, 23, 9)),
        (tinygan.nn.Conv2d(3, 70, 3, padding=1), (2, 3, 9, 9)),
        (tinygan.nn.Conv2d(20, 20, 3, groups=20), (2, 20, 19, 19)),
        (tinygan.nn.ConvTranspose2d(40, 3, 4, 2, 1), (2, 40, 7, 7)),
        (tinygan.nn.ConvTranspose2d(64, 64, 4, 2, 1), (8, 64, 8, 8)),
        (tinygan.nn.BatchNorm2d(13), (3, 13, 40, 11)),
    ]
    for layer, shape in layers:
        layer.to(dtype)
        x = tinygan.randn(shape, dtype=dtype)
        assert not from_python(lambda x, f=layer: function(f(x)), x), layer
        step = with_gradients(lambda x, f=layer: function(f(x)), 1)
        assert not from_python(step, x), layer
