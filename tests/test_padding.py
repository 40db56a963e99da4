"""Padding against NumPy's, its adjoints, its errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygan as tg
from tinygan.autograd import grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.ops import pad

NUMPYS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@given(st.data(), st.sampled_from(sorted(NUMPYS)), st.sampled_from(["cpu", "cuda"]))
def test_padding_is_numpys_and_its_gradient_the_adjoint(data, mode, device):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    widest = [{"reflect": n - 1, "circular": n}.get(mode, 5) for n in shape]
    widths = [data.draw(st.tuples(*[st.integers(0, w)] * 2)) for w in widest]
    random = np.random.default_rng(0)
    x = random.standard_normal(shape)
    expected = np.pad(x, widths, NUMPYS[mode])
    t = wrap(backend_for(device).from_host(x)).requires_grad_()
    y = pad(t, [n for pair in reversed(widths) for n in pair], mode)
    assert np.array_equal(host_array(y.array), expected)
    g = random.standard_normal(expected.shape)
    (adjoint,) = grad(y, t, wrap(backend_for(device).from_host(g)))
    v = random.standard_normal(shape)
    moved = np.pad(v, widths, NUMPYS[mode])
    np.testing.assert_allclose((host_array(adjoint.array) * v).sum(), (g * moved).sum())


def test_the_last_dimension_comes_first():
    y = pad(tg.zeros(2, 3), (1, 2, 3, 4), value=5.0)
    assert y.shape == (9, 6)
    assert (y.array[:3] == 5).all()
    assert (y.array[3:5, 1:4] == 0).all()


def test_negative_widths_crop():
    x = tg.arange(10)
    assert pad(x, (-2, 1), value=7).tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 7]
    assert pad(x, (2, -7), mode="reflect").tolist() == [2, 1, 0, 1, 2]


@pytest.mark.parametrize("mode", sorted(NUMPYS))
def test_channels_last_memory_stays_channels_last(mode, device):
    array = np.random.default_rng(0).random((2, 4, 5, 3), np.float32)
    x = wrap(backend_for(device).from_host(array)).permute(0, 3, 1, 2).requires_grad_()
    y = pad(x, (1, 2, 2, 1), mode)
    assert y.array.transpose(0, 2, 3, 1).flags.c_contiguous
    (g,) = grad(y, x, y)
    assert np.argsort(g.array.strides)[0] == 1


ERRORS = [
    (lambda x: pad(x, (1,)), r"pad: 1 widths for shape \(2, 3\); expected two for each"),
    (lambda x: pad(x, (1,) * 6), "pad: 6 widths .* at most 4"),
    (lambda x: pad(x, (1, 1), "mirror"), "unknown mode 'mirror'; expected 'constant', 'reflect'"),
    (lambda x: pad(x, (3, 0), "reflect"), "can pad dimension 1, of size 3, by at most 2, got"),
    (lambda x: pad(x, (0, 4), "circular"), "by at most 3"),
    (lambda x: pad(x[:0], (0, 0, 1, 1), "replicate"), "dimension 0, of size 0, by at most 0"),
    (lambda x: pad(x, (-2, -2)), "crop more than there is"),
    (lambda x: pad(x, (1, 1), "reflect", 1.0), "a value goes with mode 'constant'"),
]


@pytest.mark.parametrize(("f", "message"), ERRORS)
def test_errors_say_what_was_given_and_expected(f, message):
    with pytest.raises(ValueError, match=message):
        f(tg.zeros(2, 3))
