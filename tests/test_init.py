"""Initial weights: the distributions, and the structures that are exact."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygan as torch
from tinygan.nn import functional as F
from tinygan.nn import init


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def empty(*shape, device="cpu", dtype=torch.float32):
    return torch.empty(*shape, device=device, dtype=dtype)


CASES = [
    (lambda w: init.uniform_(w, -2, 3), 0.5, 5 / math.sqrt(12), 3),
    (lambda w: init.normal_(w, 1, 0.5), 1, 0.5, math.inf),
    (lambda w: init.xavier_uniform_(w, 2.0), 0, 2 * math.sqrt(2 / 300), 2 * math.sqrt(6 / 300)),
    (lambda w: init.xavier_normal_(w), 0, math.sqrt(2 / 300), math.inf),
    (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), 0, math.sqrt(2 / 200), 0.1733),
    (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 0, math.sqrt(1 / 600), 0.0708),
    (lambda w: init.kaiming_normal_(w, mode="fan_out"), 0, math.sqrt(2 / 1.0001 / 100), math.inf),
    (lambda w: init.trunc_normal_(w, 0, 1, -1, 1), 0, 0.5396, 1),
]


@pytest.mark.parametrize(("fill", "mean", "std", "bound"), CASES)
def test_moments(fill, mean, std, bound, device):
    w = empty(100, 200, device=device)
    assert fill(w) is w
    values = w.cpu().numpy()
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(values.size))
    assert values.std() == pytest.approx(std, rel=0.02)
    assert abs(values).max() <= bound
    if bound < math.inf:
        assert abs(values).max() > 0.99 * bound


def test_fans_count_the_kernel():
    assert init.fans(empty(6, 4)) == (4, 6)
    assert init.fans(empty(6, 4, 3, 2)) == (24, 36)
    assert init._calculate_fan_in_and_fan_out is init.fans
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_normal_(empty(3))


def test_trunc_normal_has_the_shape_of_the_normal_density():
    w = init.trunc_normal_(empty(200_000, dtype=torch.float64), 1.0, 2.0, -1.0, 5.0).numpy()
    assert w.min() >= -1
    assert w.max() <= 5

    def cdf(x):
        return math.erf((x - 1) / 2 / math.sqrt(2))

    for x in (-0.5, 1.0, 3.0, 4.5):
        expected = (cdf(x) - cdf(-1)) / (cdf(5) - cdf(-1))
        assert (w < x).mean() == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("end", [-1, 1])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_trunc_normal_at_the_ends_of_the_distribution(end, dtype, device, monkeypatch):
    """Of ends far away erf rounds to -1 and 1, and a draw may be one of the two."""
    fill = lambda x, low, high, generator: x.fill_(low if end < 0 else high)  # noqa: E731
    monkeypatch.setattr(init, "_fill_uniform", fill)
    w = init.trunc_normal_(empty(3, device=device, dtype=dtype), std=0.02)
    assert w.dtype == dtype
    assert all(3 * 0.02 < end * x < 9 * 0.02 for x in w.tolist())


def test_what_a_recorded_function_initializes():
    w = empty(4, 3, 3, 3)
    fill = torch.compile(lambda: init.dirac_(w))
    for _ in range(3):
        init.normal_(w)
        fill()
        np.testing.assert_array_equal(w.numpy(), init.dirac_(empty(4, 3, 3, 3)).numpy())
    turn = torch.compile(lambda: init.orthogonal_(w))
    turn()
    with pytest.raises(RuntimeError, match="same in every replay"):
        turn()  # is recorded


def test_the_inverse_of_erf():
    x = np.concatenate([np.linspace(-0.9999, 0.9999, 201), [1 - 1e-9, -1 + 1e-9]])
    y = init._erfinv(torch.tensor(x)).numpy()
    np.testing.assert_allclose([math.erf(v) for v in y], x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 2, 3, 3), (2, 1, 1, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonal(shape, dtype, device):
    w = init.orthogonal_(empty(*shape, device=device, dtype=dtype), gain=2.0)
    m = w.cpu().numpy().reshape(shape[0], -1) / 2
    product = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)
    assert w.dtype == dtype


def test_constants(device):
    w = empty(2, 3, device=device)
    assert init.constant_(w, 0.3).tolist() == [[pytest.approx(0.3)] * 3] * 2
    assert init.ones_(w).tolist() == [[1] * 3] * 2
    assert init.zeros_(w).tolist() == [[0] * 3] * 2
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="eye_: expected 2 dimensions"):
        init.eye_(empty(2))


def test_dirac_keeps_the_input(device):
    x = torch.randn(1, 4, 5, 5, device=device)
    w = init.dirac_(empty(4, 4, 3, 3, device=device))
    np.testing.assert_allclose(F.conv2d(x, w, padding=1).cpu().numpy(), x.cpu().numpy())
    w = init.dirac_(empty(4, 2, 3, 3, device=device), groups=2)
    y = F.conv2d(x, w, padding=1, groups=2)
    np.testing.assert_allclose(y.cpu().numpy(), x.cpu().numpy())
    with pytest.raises(ValueError, match="3 groups do not divide 4"):
        init.dirac_(w, groups=3)
    with pytest.raises(ValueError, match="expected 3 or 4 dimensions"):
        init.dirac_(empty(2, 2))


def test_parameters_are_filled_without_a_record_and_their_version_counts():
    w = torch.nn.Parameter(torch.zeros(3, 3))
    version = w.version[0]
    for fill in (init.uniform_, init.orthogonal_, init.eye_, init.ones_, init.trunc_normal_):
        fill(w)
        assert w.is_leaf
        assert w.requires_grad
        assert w.version[0] > version
        version = w.version[0]


def test_a_generator_of_ones_own():
    def draw(fill):
        return fill(empty(4, 5), generator=torch.Generator().manual_seed(7))

    for fill in (init.uniform_, init.kaiming_normal_, init.orthogonal_, init.trunc_normal_):
        first = draw(fill)
        torch.manual_seed(99)
        assert torch.equal(first, draw(fill))


@pytest.mark.parametrize(
    ("arguments", "gain"),
    [
        (("linear",), 1),
        (("conv2d",), 1),
        (("sigmoid",), 1),
        (("tanh",), 5 / 3),
        (("relu",), math.sqrt(2)),
        (("leaky_relu", 0.2), math.sqrt(2 / 1.04)),
        (("leaky_relu",), math.sqrt(2 / 1.0001)),
        (("selu",), 0.75),
    ],
)
def test_gains(arguments, gain):
    assert init.calculate_gain(*arguments) == pytest.approx(gain)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="Unsupported nonlinearity 'softsign'"):
        init.calculate_gain("softsign")
    with pytest.raises(ValueError, match="Mode 'fan' not supported"):
        init.kaiming_normal_(empty(2, 2), mode="fan")
