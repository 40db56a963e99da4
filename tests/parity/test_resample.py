"""Interpolation, pixel shuffle, unfold and fold beside PyTorch's: values and gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tinygan.autograd import grad, wrap
from tinygan.nn import functional as F
from tinygan.ops import columns, resample

torch = pytest.importorskip("torch")

random = np.random.default_rng(0)
DTYPES = [np.float32, np.float64]
FUNCTIONS = {**vars(resample), **vars(columns)}


def both(name: str, shape: tuple[int, ...], dtype: Any, *arguments: Any, **options: Any) -> None:
    array = random.standard_normal(shape).astype(dtype)
    theirs = torch.tensor(array, requires_grad=True)
    ours = wrap(array).requires_grad_()
    expected = getattr(torch.nn.functional, name)(theirs, *arguments, **options)
    y = FUNCTIONS[name](ours, *arguments, **options)
    tolerance = 1e-11 if dtype == np.float64 else 5e-5
    assert y.dtype == dtype and y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.array, expected.detach(), atol=tolerance)
    if options.get("mode", "").startswith("nearest"):
        np.testing.assert_array_equal(y.array, expected.detach())
    g = random.standard_normal(y.shape).astype(dtype)
    (dx,) = grad(y, ours, wrap(g))
    (expected_dx,) = torch.autograd.grad(expected, theirs, torch.tensor(g))
    assert dx is not None
    np.testing.assert_allclose(dx.array, expected_dx, atol=tolerance)


TARGETS: list[dict[str, Any]] = [
    dict(size=3),
    dict(size=(5, 14)),
    dict(size=(16, 15)),
    dict(scale_factor=2),
    dict(scale_factor=7.0),
    dict(scale_factor=(1.3, 2.7)),
    dict(scale_factor=(1.3, 2.7), recompute_scale_factor=True),
    dict(scale_factor=(0.6, 1.0)),
]


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_the_old_names_of_interpolate(name: str) -> None:
    x = random.standard_normal((2, 3, 4, 5)).astype("f4")
    calls: list[Any] = [{"scale_factor": 2}, {"size": (7, 3)}, {"size": 6}]
    if name == "upsample":
        calls += [{"scale_factor": 3, "mode": "bilinear"},
                  {"size": 8, "mode": "bilinear", "align_corners": True}]  # fmt: skip
    for options in calls:
        with pytest.warns(UserWarning, match="deprecated"):
            expected = getattr(torch.nn.functional, name)(torch.tensor(x), **options)
        with pytest.warns(UserWarning, match=f"F.{name} is the old name of F.interpolate"):
            y = getattr(F, name)(wrap(x), **options)
        np.testing.assert_allclose(y.numpy(), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_interpolate_images(mode: str, dtype: Any) -> None:
    for size, target in product([(7, 7), (8, 5), (2, 9), (4, 2)], TARGETS):
        both("interpolate", (2, 3, *size), dtype, mode=mode, **target)
        if mode.startswith("bi"):
            both("interpolate", (2, 1, *size), dtype, mode=mode, align_corners=True, **target)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_picks_the_same_pixel_over_many_sizes(mode: str, dtype: Any) -> None:
    for source, target in product(range(1, 24), range(1, 40, 3)):
        x = np.arange(source, dtype=dtype)[None, None]
        expected = torch.nn.functional.interpolate(torch.tensor(x), size=target, mode=mode)
        y = resample.interpolate(wrap(x), size=target, mode=mode)
        np.testing.assert_array_equal(y.array, expected)


@pytest.mark.parametrize("mode", ["nearest", "linear", "area"])
@pytest.mark.parametrize("length", [1, 5, 12])
def test_interpolate_sequences(mode: str, length: int) -> None:
    for size in (3, 14):
        both("interpolate", (2, 3, length), np.float64, mode=mode, size=size)
    both("interpolate", (2, 3, length), np.float64, mode=mode, scale_factor=1.6)


@pytest.mark.parametrize("shape", [(2, 12, 3, 4), (12, 2, 3), (2, 3, 8, 1, 2)])
def test_pixel_shuffle(shape: tuple[int, ...]) -> None:
    both("pixel_shuffle", shape, np.float64, 2)


@pytest.mark.parametrize("shape", [(2, 2, 6, 9), (2, 6, 3), (2, 3, 1, 3, 6)])
def test_pixel_unshuffle(shape: tuple[int, ...]) -> None:
    both("pixel_unshuffle", shape, np.float32, 3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unfold_and_fold(dtype: Any) -> None:
    for kernel, dilation, padding, stride in product(
        [1, 2, (3, 2)], [1, (2, 1)], [0, 1, (2, 1)], [1, 2, (1, 3)]
    ):
        options = dict(kernel_size=kernel, dilation=dilation, padding=padding, stride=stride)
        both("unfold", (2, 3, 7, 8), dtype, **options)
        shape = torch.nn.functional.unfold(torch.zeros(2, 3, 7, 8), **options).shape
        both("fold", tuple(shape), dtype, (7, 8), **options)
        both("fold", tuple(shape[1:]), dtype, output_size=(7, 8), **options)
