"""Initial weights against PyTorch's: the same distributions, and the exact ones exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygan
from tinygan import nn

torch = pytest.importorskip("torch")

RANDOM: dict[str, Callable[[Any, Any], Any]] = {
    "uniform": lambda init, w: init.uniform_(w, -0.5, 2),
    "normal": lambda init, w: init.normal_(w, 1, 3),
    "trunc_normal": lambda init, w: init.trunc_normal_(w, 0.2, 0.7, -1, 1.5),
    "xavier_uniform": lambda init, w: init.xavier_uniform_(w, 1.5),
    "xavier_normal": lambda init, w: init.xavier_normal_(w),
    "kaiming_uniform": lambda init, w: init.kaiming_uniform_(w, 0.3, "fan_out"),
    "kaiming_normal": lambda init, w: init.kaiming_normal_(w, nonlinearity="relu"),
    "orthogonal": lambda init, w: init.orthogonal_(w, 2.0),
}


def assert_same_distribution(x: np.ndarray, y: np.ndarray) -> None:
    """Kolmogorov and Smirnov's distance of two large samples, within what chance explains."""
    x, y = np.sort(x.ravel()), np.sort(y.ravel())
    everything = np.concatenate([x, y])
    distance = abs(
        np.searchsorted(x, everything, "right") / x.size
        - np.searchsorted(y, everything, "right") / y.size
    ).max()
    assert distance < 2.2 * np.sqrt(1 / x.size + 1 / y.size)  # one in 10^4 by chance


@pytest.mark.parametrize("name", RANDOM)
def test_distributions(name: str) -> None:
    tinygan.manual_seed(1)
    torch.manual_seed(1)
    ours = RANDOM[name](nn.init, tinygan.empty(64, 20, 4, 4))
    theirs = RANDOM[name](torch.nn.init, torch.empty(64, 20, 4, 4))
    assert_same_distribution(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    "text",
    [
        "Linear(300, 200)",
        "Bilinear(60, 30, 20)",
        "Conv1d(40, 60, 5)",
        "Conv2d(30, 60, (3, 4), groups=2)",
        "ConvTranspose2d(60, 30, 4)",
        "Embedding(400, 50)",
    ],
)
def test_default_weights(text: str) -> None:
    tinygan.manual_seed(2)
    torch.manual_seed(2)
    ours, theirs = eval(f"nn.{text}", {"nn": nn}), eval(f"nn.{text}", {"nn": torch.nn})
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_same_distribution(p.detach().numpy(), q.detach().numpy())


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_eye(shape: tuple[int, int]) -> None:
    ours, theirs = nn.init.eye_(tinygan.empty(*shape)), torch.nn.init.eye_(torch.empty(*shape))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 5, 3), 1), ((6, 2, 3, 4), 3), ((4, 8, 2, 2), 2)]
)
def test_dirac(shape: tuple[int, ...], groups: int) -> None:
    ours = nn.init.dirac_(tinygan.ones(shape), groups)
    theirs = torch.nn.init.dirac_(torch.ones(shape), groups)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


OLD = [
    "uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal",
    "kaiming_uniform", "kaiming_normal", "orthogonal",
]  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_names_without_an_underscore_warn_and_are_the_same(name: str) -> None:
    results = []
    for lib in (tinygan, torch):
        lib.manual_seed(0)
        w = lib.empty((4, 3, 3) if name == "dirac" else (4, 3))
        arguments = {"constant": (0.5,), "xavier_uniform": (2.0,)}.get(name, ())
        with pytest.warns(FutureWarning, match=f"nn.init.{name}"):
            assert getattr(lib.nn.init, name)(w, *arguments) is w
        expected = lib.empty(*w.shape)
        lib.manual_seed(0)
        getattr(lib.nn.init, f"{name}_")(expected, *arguments)
        results.append((w.numpy() == expected.numpy()).all())
    assert all(results)
