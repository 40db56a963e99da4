"""Normalisation compared with PyTorch: values, gradients, gradients of gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan.nn import functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional

random = np.random.default_rng(0)
SHAPES = [(7, 4), (3, 4, 5), (3, 4, 3, 2)]


def same(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: np.ndarray | None,
    dtype: type = np.float64,
) -> None:
    """Equal outputs, gradients of every array, and gradients of a function of those."""
    cast = [None if a is None else a.astype(dtype) for a in arrays]
    xs = [None if a is None else tinygan.tensor(a, requires_grad=True) for a in cast]
    ts = [None if a is None else torch.tensor(a, requires_grad=True) for a in cast]
    y, t = ours(*xs), theirs(*ts)
    exact = dtype is np.float64
    tolerance = {"rtol": 1e-9, "atol": 1e-10} if exact else {"rtol": 1e-4, "atol": 1e-5}
    assert np.allclose(y.detach().numpy(), t.detach().numpy(), **tolerance)
    xs, ts = [x for x in xs if x is not None], [t for t in ts if t is not None]
    g = random.standard_normal(y.shape).astype(dtype)
    fused = tinygan.autograd.grad(y, xs, tinygan.tensor(g), retain_graph=True)
    gx, tg = tinygan.tensor(g, requires_grad=True), torch.tensor(g, requires_grad=True)
    first = tinygan.autograd.grad(y, xs, gx, create_graph=True)
    expected = torch.autograd.grad(t, ts, tg, create_graph=True)
    for f, a, b in zip(fused, first, expected, strict=True):
        assert np.allclose(f.numpy(), b.detach().numpy(), **tolerance)
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), **tolerance)
    if not exact:
        return
    weights = [random.standard_normal(a.shape) for a in first]
    s = sum((a * tinygan.tensor(w)).sum() for a, w in zip(first, weights, strict=True))
    u = sum((b * torch.tensor(w)).sum() for b, w in zip(expected, weights, strict=True))
    second = tinygan.autograd.grad(s, [*xs, gx], allow_unused=True)
    wanted = torch.autograd.grad(u, [*ts, tg], allow_unused=True)
    for a, b in zip(second, wanted, strict=True):
        if b is None or a is None:
            assert (a is None or not a.numpy().any()) and (b is None or not b.any())
        else:
            assert np.allclose(a.numpy(), b.numpy(), **tolerance)


def affine(shape: tuple[int, ...], which: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    weight, bias = random.random(shape) + 0.5, random.standard_normal(shape)
    return weight if "w" in which else None, bias if "b" in which else None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("which", ["", "w", "b", "wb"])
@pytest.mark.parametrize(("training", "running"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_batch_norm(
    shape: tuple[int, ...], which: str, training: bool, running: bool, dtype: type
) -> None:
    exact = dtype is np.float64
    ones = torch.ones(4, dtype=torch.float64 if exact else torch.float32)  # it fails without
    x = random.standard_normal(shape) * 2 + 1
    moments = [random.standard_normal(4).astype(dtype), (random.random(4) + 0.5).astype(dtype)]
    a = [tinygan.tensor(m) if running else None for m in moments]
    b = [torch.tensor(m.copy()) if running else None for m in moments]
    same(
        lambda x, w, c: F.batch_norm(x, *a, w, c, training, 0.3, 1e-3),
        lambda x, w, c: TF.batch_norm(x, *b, ones if w is None else w, c, training, 0.3, 1e-3),
        x,
        *affine((4,), which),
        dtype=dtype,
    )
    for v, t in zip(a, b, strict=True):
        assert v is None or np.allclose(
            v.numpy(), t.numpy(), rtol=1e-5 if dtype != np.float64 else 1e-12
        )


@pytest.mark.parametrize("over", [(5,), (4, 5), (3, 4, 5)])
@pytest.mark.parametrize("which", ["", "w", "wb"])
def test_layer_norm(over: tuple[int, ...], which: str) -> None:
    same(
        lambda x, w, b: F.layer_norm(x, over, w, b, 1e-3),
        lambda x, w, b: TF.layer_norm(x, over, w, b, 1e-3),
        random.standard_normal((2, 3, 4, 5)),
        *affine(over, which),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("which", ["", "wb"])
def test_group_norm(shape: tuple[int, ...], groups: int, which: str) -> None:
    same(
        lambda x, w, b: F.group_norm(x, groups, w, b),
        lambda x, w, b: TF.group_norm(x, groups, w, b),
        random.standard_normal(shape),
        *affine((4,), which),
    )


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("which", ["", "wb"])
@pytest.mark.parametrize(
    ("use_input_stats", "running"), [(True, True), (True, False), (False, True)]
)
def test_instance_norm(
    shape: tuple[int, ...], which: str, use_input_stats: bool, running: bool
) -> None:
    moments = [random.standard_normal(4), random.random(4) + 0.5]
    a = [tinygan.tensor(m) if running else None for m in moments]
    b = [torch.tensor(m.copy()) if running else None for m in moments]
    same(
        lambda x, w, c: F.instance_norm(x, *a, w, c, use_input_stats, 0.3),
        lambda x, w, c: TF.instance_norm(x, *b, w, c, use_input_stats, 0.3),
        random.standard_normal(shape),
        *affine((4,), which),
    )
    for v, t in zip(a, b, strict=True):
        assert v is None or np.allclose(v.numpy(), t.numpy(), rtol=1e-12)


def test_the_same_inputs_are_refused() -> None:
    x = random.standard_normal((1, 4, 1, 1))
    for f, t in ((F, tinygan.tensor(x)), (TF, torch.tensor(x))):
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            f.batch_norm(t, None, None, training=True)
        with pytest.raises(ValueError, match="more than 1 spatial element"):
            f.instance_norm(t)
        with pytest.raises(ValueError, match="more than 1 value per"):
            f.group_norm(t, 4)
        with pytest.raises(RuntimeError, match="groups"):
            f.group_norm(t.expand(2, 4, 5, 5), 3)
        with pytest.raises(RuntimeError, match="normalized_shape"):
            f.layer_norm(t, (4,))
        with pytest.raises(RuntimeError, match="running_mean"):
            f.batch_norm(t, None, None)


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0), (0, 3, 2, 2)])
def test_an_empty_batch_leaves_the_running_moments(shape: tuple[int, ...]) -> None:
    results = []
    for lib in (tinygan, torch):
        layer = (lib.nn.BatchNorm2d if len(shape) == 4 else lib.nn.BatchNorm1d)(3)
        x = lib.zeros(*shape, requires_grad=True)
        y = layer(x)
        y.sum().backward()
        state = [v.numpy() for v in layer.state_dict().values()]
        results.append([y.detach().numpy(), layer.weight.grad.numpy(), *state])
    for mine, yours in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, yours)
