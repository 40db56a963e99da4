"""x[index] and its relatives against NumPy, on the device, and under the version counter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moved import ON_GPU
from strict_cupy import no_synchronization

import tinygan as tg
from tinygan.autograd import grad, no_grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.backend.cpu import indexing
from tinygan.ops.indexing import _take_grad


def on(device, array, requires_grad=False):
    return wrap(backend_for(device).from_host(np.asarray(array))).requires_grad_(requires_grad)


def values(x):
    return host_array(x.array)


# -- against NumPy -----------------------------------------------------------------------------

devices = st.sampled_from(["cpu", "cuda"])


@st.composite
def slices(draw, size):
    bound = st.none() | st.integers(-size - 1, size + 1)
    return slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3)))


@st.composite
def basic_keys(draw):
    """A shape and a key of integers, slices, None and an ellipsis for it."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    hidden = draw(st.none() | st.integers(0, len(shape)))
    used = len(shape) - hidden if hidden is not None else draw(st.integers(0, len(shape)))
    front = draw(st.integers(0, used))
    dims = (
        [*range(front), *range(front + hidden, len(shape))] if hidden is not None else range(used)
    )
    key = [draw(st.integers(-shape[d], shape[d] - 1) | slices(shape[d])) for d in dims]
    if hidden is not None:
        key.insert(front, ...)
    for _ in range(draw(st.integers(0, 2))):
        key.insert(draw(st.integers(0, len(key))), None)
    return shape, tuple(key) if len(key) != 1 else key[0]


@st.composite
def array_keys(draw):
    """A shape and a key with index arrays or a mask among slices: no integers, which differ."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    common = draw(st.lists(st.integers(1, 3), max_size=2))
    key, dim = [], 0
    while dim < len(shape):
        kind = draw(st.sampled_from(["slice", "array", "mask", "new", "list"]))
        if kind == "slice":
            key.append(draw(slices(shape[dim])))
            dim += 1
        elif kind == "new":
            key.append(None)
            if len(key) > 6:
                break
        elif kind == "mask":
            if any(isinstance(k, np.ndarray) and k.dtype.kind == "b" for k in key):
                continue
            width = draw(st.integers(1, len(shape) - dim))
            mask = np.zeros(shape[dim : dim + width], bool)
            # as many places as the other arrays' last dimension, so that they broadcast
            mask.flat[: common[-1] if common else 1] = True
            if mask.sum() != (common[-1] if common else 1):
                continue
            key.append(mask)
            dim += width
        else:
            own = [draw(st.sampled_from([n, 1])) for n in common]
            own = own[draw(st.integers(0, len(own))) :] or [1]
            size = int(np.prod(own))
            index = draw(st.lists(st.integers(-shape[dim], shape[dim] - 1), min_size=size,
                                  max_size=size))  # fmt: skip
            index = np.array(index, draw(st.sampled_from([np.int64, np.int32, np.int8])))
            key.append(index.reshape(own) if kind == "array" else index.reshape(own).tolist())
            dim += 1
    return shape, tuple(key[: draw(st.integers(1, len(key)))])


def on_device(device, key):
    """The key with its arrays as tensors on the device."""
    items = key if isinstance(key, tuple) else (key,)
    return tuple(on(device, k) if isinstance(k, np.ndarray) else k for k in items)


@given(basic_keys() | array_keys(), devices)
@settings(max_examples=300)
def test_reading_is_numpys_and_its_gradient_the_adjoint(case, device):
    shape, key = case
    random = np.random.default_rng(0)
    x = random.standard_normal(shape)
    expected = x[key]
    t = on(device, x, requires_grad=True)
    y = t[on_device(device, key)]
    assert y.shape == expected.shape
    assert np.array_equal(values(y), expected)
    g = random.standard_normal(expected.shape)
    (adjoint,) = grad(y, t, on(device, g))
    accumulated = np.zeros(shape)
    np.add.at(accumulated, key, g)
    np.testing.assert_allclose(values(adjoint), accumulated, atol=1e-14)


@given(basic_keys() | array_keys(), devices, st.booleans(), st.data())
@settings(max_examples=300)
def test_writing_is_numpys(case, device, recorded, data):
    shape, key = case
    random = np.random.default_rng(0)
    x = random.standard_normal(shape)
    numbers = np.arange(float(x.size)).reshape(shape)[key]
    if len(np.unique(numbers)) == numbers.size:
        small = tuple(data.draw(st.sampled_from([n, 1])) for n in numbers.shape)
        value = random.standard_normal(small[data.draw(st.integers(0, len(small))) :])
    else:  # which value stays where a place is named twice is not said
        value = np.array(3.0)
    expected = x.copy()
    expected[key] = value
    t = on(device, x, requires_grad=recorded)
    v = on(device, value, requires_grad=recorded)
    y = t * 1
    y[on_device(device, key)] = v
    assert np.array_equal(values(y), expected)
    assert y.requires_grad == recorded
    if recorded:
        g = random.standard_normal(shape)
        by_x, by_v = grad(y, (t, v), on(device, g))
        kept = g.copy()
        kept[key] = 0
        assert np.array_equal(values(by_x), kept)
        np.testing.assert_allclose(
            values(by_v), values(wrap(np.asarray(g[key])).sum_to_size(value.shape)), atol=1e-12
        )


@given(st.data(), devices)
def test_gather_and_scatter_add_are_adjoint(data, device):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = [data.draw(st.integers(1, n)) for n in shape]
    size[dim] = data.draw(st.integers(1, 5))
    random = np.random.default_rng(0)
    index = random.integers(0, shape[dim], size)
    x, g = random.standard_normal(shape), random.standard_normal(size)
    cut = x[tuple(slice(n if d != dim % len(shape) else None) for d, n in enumerate(size))]
    t, i = on(device, x), on(device, index)
    y = t.gather(dim, i)
    assert np.array_equal(values(y), np.take_along_axis(cut, index, dim))
    back = on(device, np.zeros(shape)).scatter_add(dim, i, on(device, g))
    np.testing.assert_allclose((values(y) * g).sum(), (x * values(back)).sum())


@given(st.lists(st.integers(-3, 3), min_size=1), st.booleans(), devices)
def test_sorting_is_stable_and_gathers(numbers, descending, device):
    x = np.array(numbers, float)
    expected = sorted(range(len(x)), key=lambda i: -x[i] if descending else x[i])
    found, indices = on(device, x).sort(descending=descending)
    assert indices.tolist() == expected
    assert np.array_equal(values(found), x[expected])
    assert on(device, x).topk(1, largest=descending).indices.tolist() == expected[:1]


# -- where it differs from NumPy ----------------------------------------------------------------


def test_integers_do_not_count_among_arrays():
    x = tg.zeros(2, 3, 4)
    assert x[0, :, [1, 2, 3, 0, 1]].shape == (3, 5)  # NumPy's: (5, 3)
    assert x[tg.tensor(0), :, [1, 2, 3, 0, 1]].shape == (3, 5)


def test_the_result_is_a_view_or_not(device):
    x = on(device, np.zeros((3, 4)))
    for key in (0, slice(1), (..., None), (1, 2)):
        assert x[key].version is x.version
    for key in ([0], on(device, [1, 0]), on(device, [True, False, True])):
        assert x[key].version is not x.version


def test_a_one_element_result_can_be_written_into(device):
    x = on(device, np.zeros(3))
    x[1] += 5.0
    x[2].fill_(7.0)
    assert x.tolist() == [0, 5, 7]


def test_indices_of_a_small_type_reach_all_of_a_large_dimension(device):
    x = on(device, np.arange(600.0).reshape(300, 2))
    i = on(device, np.array([-1, 100, -128], np.int8))
    assert x[i, i * 0].tolist() == [598, 200, 344]
    assert x[i].tolist() == [[598, 599], [200, 201], [344, 345]]
    assert x.gather(0, i[1:2, None]).tolist() == [[200]]


def test_a_part_can_be_written_over_another_that_it_overlaps(device):
    x = on(device, np.arange(5.0))
    x[1:] = x[:-1]
    x[:2] = x[[3, 4]]
    assert x.tolist() == [2, 3, 1, 2, 3]


# -- the version counter ------------------------------------------------------------------------


def test_writing_counts_as_a_change(device):
    x = on(device, np.ones(3), requires_grad=True)
    y = x * 2
    z = y * y
    y[0] = 1.0
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


def test_writing_into_what_needs_no_gradient_counts_too(device):
    x, w = on(device, np.ones(3), requires_grad=True), on(device, np.ones(3))
    for key in (0, [0, 1], slice(2)):
        z = x * w
        w[key] = 2.0
        with pytest.raises(RuntimeError, match="changed in place"):
            z.sum().backward()


def test_a_slice_read_before_does_not_mind_a_later_change():
    x = wrap(np.arange(4.0)).requires_grad_()
    y = x * 1
    first, rest = y[:2].clone(), y[[2, 3]]
    y[0] = 9.0
    (first.sum() + rest.sum()).backward()
    assert x.grad.tolist() == [1, 1, 1, 1]


def test_a_leaf_that_requires_a_gradient_is_not_written_into():
    x = tg.zeros(3, requires_grad=True)
    for key in (0, [0, 1], tg.tensor([True, False, True])):
        with pytest.raises(RuntimeError, match="leaf tensor"):
            x[key] = 1.0
    with no_grad():
        x[0] = 1.0
    assert x.tolist() == [1, 0, 0]


def test_a_view_sees_what_is_written_into_its_owner():
    x = tg.zeros(3)
    view, other = x[:2], x[2:]
    value = tg.ones(1, requires_grad=True)
    x[0] = value.sum() * 2
    (view.sum() + other.sum()).backward()
    assert view.tolist() == [2, 0] and value.grad.tolist() == [2]


# -- the device ---------------------------------------------------------------------------------


def test_nothing_is_read_back_from_the_device():
    x = on("cuda", np.arange(12.0).reshape(3, 4), requires_grad=True)
    i, k = on("cuda", np.array([2, -1, 0])), on("cuda", np.array(1))
    column = on("cuda", np.array([[1], [0], [3]]))
    with no_synchronization():
        y = x * 1
        y[i, 1:3] = y[k, :2]
        y[k] = 0.0
        y[:, [0, 1]] = y[:, i[:2]]
        y[y > 3] = -1.0
        y[y < 0] = y[0, 0] * 2
        z = y.gather(1, column).sum() + y[i].sum() + y[k, 1:].sum() + y.sort(1).values[:, 0].sum()
        z = z + y.scatter_add(1, column, x[:, :1]).sum() + y.index_select(1, i.abs()).sum()
        z.backward()
    assert x.grad.shape == (3, 4)


def test_a_number_is_cast_by_masks_as_by_other_keys(device: str) -> None:
    for dtype, value, expected in (
        (np.int64, 2.7, [2, 5]),
        (np.bool_, 2.5, [True, True]),
        (np.bool_, 0, [False, True]),
        (np.float32, 3, [3.0, 5.0]),
    ):
        for key in (0, tg.tensor([True, False], device=device)):
            x = tg.tensor([4, 5], device=device).to(dtype)
            x[key] = value
            assert x.tolist() == expected


def test_how_many_places_a_mask_picks_is_read_back():
    x = on("cuda", np.arange(4.0))
    with no_synchronization(), pytest.raises(RuntimeError):
        x[x > 1]


OUT_OF_RANGE = [
    (lambda x, i: x[i], r"x\[index\] expects indices from -3 to 2"),
    (lambda x, i: x[:, i + 1], r"x\[index\] expects indices from -4 to 3"),
    (lambda x, i: x[i * 0, i + 1], r"x\[index\] expects indices from -4 to 3"),
    (lambda x, i: x[-i - 1], r"x\[index\] expects"),
    (lambda x, i: x[i[0]], r"x\[index\] expects"),
    (lambda x, i: x.__setitem__(i, 0.0), r"x\[index\] expects"),
    (lambda x, i: x.gather(0, i[:, None]), "gather expects indices from 0 to 2"),
    (lambda x, i: x.gather(0, -i[:, None]), "gather expects indices from 0 to 2"),
    (lambda x, i: x.scatter(0, i[:, None], 1.0), "scatter expects"),
    (lambda x, i: x.scatter_add(0, i[:, None], x), "scatter_add expects"),
    (lambda x, i: x.index_select(0, i), "index_select expects indices from 0 to 2"),
    (lambda x, i: x.index_select(0, -i), "index_select expects"),
    (lambda x, i: x.index_add(0, i, x[:2]), "index_add expects"),
    (lambda x, i: x[3], "index: 3 is out of range for dimension 0 of size 3"),
    (lambda x, i: x[:0][0], "of size 0"),
    (lambda x, i: x[:0][i * 0], "expects indices"),
]


@pytest.mark.parametrize(("f", "message"), OUT_OF_RANGE)
def test_indices_out_of_range_are_errors_on_every_device(f, message, device):
    if device == "cuda" and ON_GPU:
        pytest.skip("a GPU is stopped for good; the kernel is run on the host instead")
    with pytest.raises(IndexError, match=message):
        f(on(device, np.zeros((3, 4))), on(device, np.array([3, 1])))


def test_devices_do_not_mix():
    x, y = on("cpu", np.zeros(3)), on("cuda", np.zeros(3))
    index = on("cuda", np.array([0, 1]))
    for f in (
        lambda: x[index],
        lambda: x.gather(0, index),
        lambda: x.__setitem__(slice(2), y[:2]),
        lambda: y.__setitem__(slice(2), x[:2]),
        lambda: y.__setitem__(index, x[:2]),
        lambda: x.__setitem__(index, x[:2]),
    ):
        with pytest.raises(RuntimeError, match=r"cpu.*cuda|cuda.*cpu"):
            f()


def test_what_comes_from_the_host_indexes_any_device(device):
    x = on(device, np.arange(4.0))
    assert x[[0, -1]].tolist() == [0, 3]
    assert x[np.array([1, 2])].tolist() == [1, 2]
    assert x[[True, False, False, True]].tolist() == [0, 3]


# -- errors ------------------------------------------------------------------------------------

ERRORS = [
    (lambda x: x[::-1], ValueError, r"the step of a slice must be positive, got -1; use flip\(\)"),
    (lambda x: x[0, 0, 0], IndexError, r"index: 3 indices for a tensor of shape \(3, 4\)$"),
    (lambda x: x.sum().data[0], IndexError, r"of shape \(\); x\.item\(\) is its number"),
    (lambda x: x[..., ...], IndexError, "only one ellipsis"),
    (lambda x: x[0.5], TypeError, "expected integers, slices, .* got float"),
    (lambda x: x[[0.5]], TypeError, "expected integers or booleans, got a tensor of float64"),
    (lambda x: x[tg.tensor([1], dtype=tg.uint8)], TypeError, "uint8; cast it, to bool for a mask"),
    (lambda x: x[[True, False]], IndexError, r"mask of shape \(2,\) for .* \(3,\)"),
    (lambda x: x[[0, 1], [0, 1, 2]], IndexError, r"shapes \(2,\), \(3,\) do not broadcast"),
    (lambda x: x.__setitem__(0, tg.zeros(3)), ValueError, r"\(3,\) cannot .* of shape \(4,\)"),
    (lambda x: x.__setitem__([0], tg.zeros(2, 4)), ValueError, r"\(2, 4\) cannot .* \(1, 4\)"),
    (lambda x: x.__setitem__(0, [1, 2]), TypeError, "a list cannot be assigned"),
    (lambda x: x.gather(0, tg.zeros(3, 4)), TypeError, "expected an index of integers"),
    (lambda x: x.gather(0, tg.tensor([0])), ValueError, r"gather: an index of shape \(1,\)"),
    (lambda x: x.topk(5), ValueError, "topk: k is 5, expected 0 to 4"),
    (lambda x: tg.masked_select(x, x), TypeError, "expected a mask of booleans, got float32"),
]


@pytest.mark.parametrize(("f", "kind", "message"), ERRORS)
def test_errors_say_what_was_given_and_expected(f, kind, message):
    with pytest.raises(kind, match=message):
        f(tg.zeros(3, 4))


@pytest.mark.parametrize(("shape", "dim", "index", "size"), [
    ((300, 16), 0, (300,), 10),
    ((4, 40, 30), 1, (40,), 3),
    ((2, 30, 7, 30), 1, (30, 7), 50),
    ((1, 1, 5000), 0, (1, 1), 2),
    ((5000,), 0, (), 3),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_that_adds_by_index_is_the_reference(shape, dim, index, size, dtype):
    random = np.random.default_rng(0)
    x = random.standard_normal(shape).astype(dtype)
    i = random.integers(0, size, index)
    expected = _take_grad.reference(np, x, i, dim=dim, size=size)
    y = indexing.take_grad(x, i, dim=dim, size=size)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    out = np.full_like(expected, np.nan)
    assert indexing.take_grad(x, i, dim=dim, size=size, out=out) is out
    assert np.array_equal(out, y)
