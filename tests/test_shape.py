"""Views share memory, rearrangements do not; joins undo splits; errors say what was expected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygan as tg
from tinygan.autograd import REGISTRY, grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.ops import pad


def on(device, array, **keywords):
    return wrap(backend_for(device).from_host(np.asarray(array)), **keywords)


def values(x):
    return host_array(x.array)


VIEWS = {
    "reshape": lambda x: x.reshape(6, 4),
    "view": lambda x: x.view(-1),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, 1),
    "movedim": lambda x: x.movedim(0, 2),
    "expand": lambda x: x.expand(5, 2, 3, 4),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(1, 0),
    "split": lambda x: x.split(2, 2)[1],
    "chunk": lambda x: x.chunk(2)[0],
    "unbind": lambda x: x.unbind(1)[2],
    "getitem": lambda x: x[0, 1, 2],
    "getitem with None": lambda x: x[..., None],
    "getitem of one number": lambda x: x[0, ..., 1, 2],
    "diagonal": lambda x: x[0].diagonal(),
    "diagonal of a transpose": lambda x: x.diagonal(-1, 2, 0),
    "view of a view": lambda x: x[1:].transpose(0, 2)[1],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_look_into_the_same_memory(name, device):
    x = on(device, np.arange(24.0).reshape(2, 3, 4))
    y = VIEWS[name](x)
    assert y.version is x.version
    x += 100.0
    assert (values(y) >= 100).all()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_memory_that_numpy_does_not_own_is_a_view(name):
    x = wrap(np.frombuffer(bytearray(24 * 8)).reshape(2, 3, 4))
    assert VIEWS[name](x).version is x.version


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.flip(0),
        lambda x: x.roll(1, 0),
        lambda x: x.repeat(1, 1, 1),
        lambda x: x[:1, :1].repeat(3, 2, 1),
        lambda x: x[:, :1].repeat_interleave(4, 1),
        lambda x: pad(x, (0, 0)),
        lambda x: pad(x, (-1, 0)),
        lambda x: x[[0, 1]],
        lambda x: tg.cat([x]),
        lambda x: x.tril(),
        lambda x: x[0].diag(),
        lambda x: x[:1].prod(0),
        lambda x: x[:1].prod(0, keepdim=True),
        lambda x: x[0, 0, 0].prod(),
        lambda x: x[0, 0, 0].prod(0),
        lambda x: x[0, 0, 0].sort().values,
        lambda x: x[0, 0, 0].topk(1).values,
        lambda x: x[0, 0, 0].gather(0, on(x.device, 0)),
        lambda x: tg.nn.functional.unfold(x, 1),
        lambda x: tg.nn.functional.pixel_shuffle(x, 1),
        lambda x: tg.nn.functional.pixel_unshuffle(x, 1),
    ],
)
def test_copies_do_not_look_into_the_same_memory(f, device):
    x = on(device, np.zeros((2, 3, 4)))
    y = f(x)
    x += 1.0
    assert not values(y).any()
    y += 1.0
    assert (values(y) == 1).all()


def test_flattening_channels_last_memory_gives_logical_order(device):
    images = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    stored = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    x = on(device, stored).permute(0, 3, 1, 2)
    assert np.array_equal(values(x), images)
    assert np.array_equal(values(x.flatten(1)), images.reshape(2, -1))
    assert np.array_equal(values(x.reshape(-1, 5)), images.reshape(-1, 5))


@pytest.mark.parametrize("f", [lambda x: x.flip(2), lambda x: x.roll((1, 1), (2, 3)),
                               lambda x: tg.cat([x, x], 1), lambda x: x[:, :, 1:]])  # fmt: skip
def test_channels_last_memory_stays_channels_last(f):
    x = wrap(np.zeros((2, 4, 5, 3), np.float32)).permute(0, 3, 1, 2).requires_grad_()
    y = f(x)
    assert np.argsort(y.array.strides)[0] == 1
    (g,) = grad(y, x, y)
    assert np.argsort(g.array.strides)[0] == 1


shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@st.composite
def broadcasts(draw):
    """A shape, and one that it sums to."""
    shape = draw(shapes)
    small = tuple(draw(st.sampled_from([n, 1])) for n in shape)
    return shape, small[draw(st.integers(0, len(shape))) :]


@given(broadcasts())
def test_sum_to_size_is_the_adjoint_of_expand(pair):
    shape, small = pair
    x, y = np.random.default_rng(0).random(shape), np.random.default_rng(1).random(small)
    summed = wrap(x).sum_to_size(small)
    assert summed.shape == small
    expanded = wrap(y).expand(shape)
    assert np.array_equal(expanded.array, np.broadcast_to(y, shape))
    assert np.allclose((x * expanded.array).sum(), (summed.array * y).sum())


@given(st.permutations(range(4)))
def test_permute_is_undone_by_its_gradient(order):
    x = wrap(np.random.default_rng(0).random((2, 3, 4, 5))).requires_grad_()
    y = x.permute(order)
    assert np.array_equal(y.detach().numpy(), x.array.transpose(order))
    assert np.array_equal(grad(y, x, y.detach())[0].array, x.array)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 2))
def test_cat_undoes_split(parts, dim):
    shape = [2, 3, 2]
    shape[dim] = sum(parts)
    x = np.random.default_rng(0).random(shape)
    pieces = wrap(x).split(parts, dim)
    assert [piece.shape[dim] for piece in pieces] == parts
    assert np.array_equal(tg.cat(pieces, dim).array, x)


@given(st.data())
@settings(max_examples=50)
def test_repeat_and_roll_are_numpys(data):
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(shape), max_size=4))
    assert np.array_equal(wrap(x).repeat(counts).array, np.tile(x, counts))
    shifts = tuple(
        data.draw(st.lists(st.integers(-7, 7), min_size=len(shape), max_size=len(shape)))
    )
    dims = tuple(range(len(shape)))
    assert np.array_equal(wrap(x).roll(shifts, dims).array, np.roll(x, shifts, dims))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(-5, 5))
def test_triangles_and_diagonals_are_numpys(rows, columns, k):
    x = np.random.default_rng(0).random((2, rows, columns))
    assert np.array_equal(wrap(x).tril(k).array, np.tril(x, k))
    assert np.array_equal(wrap(x).triu(k).array, np.triu(x, k))
    assert np.array_equal(wrap(x).diagonal(k, 1, 2).array, np.diagonal(x, k, 1, 2))
    assert np.array_equal(wrap(x[0]).diag(k).array, np.diag(x[0], k))
    assert np.array_equal(wrap(x[0, 0]).diag(k).array, np.diag(x[0, 0], k))


ERRORS = [
    (lambda x: x.reshape(5), r"reshape: 6 elements of shape \(2, 3\) do not fit into \(5,\)"),
    (lambda x: x.view(4, -1), r"view: 6 elements of shape \(2, 3\) do not fit into \(4, -1\)"),
    (lambda x: x.reshape(-1, -1), "reshape: only one dimension of .* can be -1"),
    (lambda x: x.permute(0), r"permute: 1 dimensions given for a tensor of shape \(2, 3\)"),
    (lambda x: x.permute(1, 1), r"permute: a dimension appears twice in \(1, 1\)"),
    (lambda x: x.transpose(0, 2), "transpose: dim 2 is out of range .* expected -2 to 1"),
    (lambda x: x.expand(4, 3), r"expand: .* \(2, 3\) cannot be expanded to \(4, 3\)"),
    (lambda x: tg.cat([x, x.T]), r"cat: tensor 1 has shape \(3, 2\), the first \(2, 3\)"),
    (lambda x: tg.cat([]), "cat: expected at least one tensor"),
    (lambda x: tg.stack([x, x[0]]), r"stack: tensor 1 has shape \(3,\), the first \(2, 3\)"),
    (lambda x: x.split([1, 2]), r"split: the sizes \[1, 2\] do not add up to dimension 0's 2"),
    (lambda x: x.narrow(1, 1, 3), "narrow: 3 elements from 1 on exceed dimension 1 of size 3"),
    (lambda x: x.repeat(2), r"repeat: expected a count >= 0 for each dimension of \(2, 3\)"),
    (lambda x: x.repeat_interleave([1, 2]), "repeat_interleave: expected one count"),
    (lambda x: x[0].tril(), r"tril: expected at least 2 dimensions, got shape \(3,\)"),
    (lambda x: tg.trace(x[0]), r"trace: expected a matrix, got shape \(3,\)"),
    (lambda x: tg.broadcast_tensors(x, x.T), r"\(2, 3\), \(3, 2\) do not broadcast together"),
    (lambda x: x.sum_to_size(3, 3), r"sum_to_size: \(3, 3\) does not broadcast to \(2, 3\)"),
    (lambda x: tg.meshgrid(x), "meshgrid: expected 1-D tensors"),
    (lambda x: x.roll((1, 1), (0,)), "roll: 2 shifts for 1 dimensions"),
]


@pytest.mark.parametrize(("f", "message"), ERRORS)
def test_errors_say_what_was_given_and_expected(f, message):
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        f(tg.zeros(2, 3))


def test_joins_refuse_to_mix_devices():
    x, y = on("cpu", np.zeros(2)), on("cuda", np.zeros(2))
    with pytest.raises(RuntimeError, match="cat: arguments on two devices, cpu and cuda"):
        tg.cat([x, y])


def test_shape_ops_keep_nothing_alive_for_their_gradients():
    for name in ("reshape", "permute", "expand", "sum_to_size", "slice", "cat", "flip", "roll"):
        assert not REGISTRY[name].saves
        assert not REGISTRY[name].saves_output


@pytest.mark.parametrize("n", [3, 40_000])  # the second is copied by a kernel
def test_copies_of_what_was_expanded_are_in_the_order_of_its_dimensions(n, device):
    x = on(device, np.arange(float(n)))
    for y in (x.expand(2, 4, n), x.expand(2, n).t()[:, None].expand(n, 4, 2)):
        for copy in (y.clone(), y.float(), y.bool(), y.to(y.dtype, copy=True)):
            assert copy.array.flags.c_contiguous
            assert np.array_equal(values(copy), values(y).astype(copy.dtype))
