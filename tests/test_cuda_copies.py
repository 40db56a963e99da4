"""Copies, changes in place and arrays put into others by CUDA kernels, against NumPy's."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from moved import host, needs_kernels, to
from recorded import from_python, with_gradients
from strict_cupy import no_synchronization

import tinygan
from tinygan.autograd import REGISTRY
from tinygan.autograd.trace import add_to, assign
from tinygan.backend import backend_for
from tinygan.backend.cuda import changes, copy, edges, rearrange
from tinygan.backend.cuda.mapping import in_memory_order
from tinygan.nn import functional as F

pytestmark = needs_kernels

random = np.random.default_rng(0)
TYPES = [np.float32, np.float64, np.bool_, np.float16]


def lying(values: np.ndarray, order: tuple[int, ...]) -> Any:
    """The values on the device, their dimensions in memory in this order."""
    back = [order.index(d) for d in range(len(order))]
    return to(np.asarray(values.transpose(order).copy())).transpose(back)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "shape", [(), (1,), (0,), (7,), (3, 0, 2), (5, 33), (64, 48), (2, 1, 17), (2, 3, 5, 7)]
)
def test_every_order_to_every_order(shape: tuple[int, ...], dtype: Any) -> None:
    values = np.asarray(random.standard_normal(shape) * 100).astype(dtype)
    for order in permutations(range(len(shape))):
        x = lying(values, order)
        for other in permutations(range(len(shape))):
            out = lying(np.zeros_like(values), other)
            assert copy.copy(x, out)
            np.testing.assert_array_equal(host(out), values)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_tiles(dtype: Any) -> None:
    values = (random.standard_normal((2, 37, 5, 7)) * 100).astype(dtype)
    for x in (to(values), lying(values, (0, 2, 3, 1))):
        last = copy.channels_last(x)
        assert last.transpose(0, 2, 3, 1).flags.c_contiguous
        back = copy.contiguous(last)
        assert back.flags.c_contiguous
        same = copy.clone(last)
        assert same.strides == last.strides and same.data.ptr != last.data.ptr
        for y in (last, back, same):
            np.testing.assert_array_equal(host(y), values)
    whole = np.ascontiguousarray(values.transpose(3, 2, 0, 1))[::-1, :, :, 1::2]
    np.testing.assert_array_equal(host(copy.contiguous(to(values)[..., ::-1])), values[..., ::-1])
    np.testing.assert_array_equal(
        host(copy.reshape(to(whole), shape=(-1,), out=to(np.zeros(whole.size, dtype)))),
        whole.reshape(-1),
    )


def test_slices_steps_and_broadcast_arrays() -> None:
    whole = to(random.standard_normal((6, 8, 10, 12)).astype(np.float32))
    xp = backend_for("cuda").xp
    for x in (
        whole[1:4, ::2, 3:, ::-1],
        whole[::-1, 2:3, :, 5],
        whole[:, :, 4:8, 4:8],
        xp.broadcast_to(whole[:, :1, :1], (6, 4, 5, 12)),
        xp.broadcast_to(whole[0, 0, 0, :1], (3, 100)),
        whole.transpose(2, 0, 3, 1)[::3],
    ):
        out = to(np.full((2, *x.shape), np.nan, np.float32))
        assert copy.copy(x, out[1])
        np.testing.assert_array_equal(host(out[1]), host(x))
        assert np.isnan(host(out[0])).all()
        apart = to(np.full((*x.shape, 2), np.nan, np.float32))
        assert copy.copy(x, apart[..., 1])
        np.testing.assert_array_equal(host(apart[..., 1]), host(x))
        assert np.isnan(host(apart[..., 0])).all()


def test_what_is_not_copied() -> None:
    apart = to(np.zeros((2, 4) * 7, np.uint8))[(slice(None), slice(None, None, 2)) * 7]
    assert copy.clone(apart) is NotImplemented
    assert not copy.copy(to(np.zeros(3)), to(np.zeros(3, np.float32)))
    assert not copy.copy(to(np.zeros(3)), to(np.zeros((3, 1))))
    assert not copy.copy(to(np.zeros(3, np.complex128)), to(np.zeros(3, np.complex128)))


def test_filled_and_converted() -> None:
    xs = [np.array([[1.5, 0.0], [-2.7, 3.0]]), np.array([[True, False]]), np.array([[3], [-4]])]
    for x in xs:
        for dtype in (np.float32, np.float64, np.int64, np.int32, np.bool_):
            y = changes.cast(to(x), dtype=dtype)
            np.testing.assert_array_equal(host(y), x.astype(dtype), strict=True)
            into = to(np.zeros((3, *np.broadcast_shapes(x.shape, (2, 2))), dtype)[:, ::-1])
            done = changes.copy(into, to(x))
            expected = np.broadcast_to(x, done.shape).astype(dtype)
            np.testing.assert_array_equal(host(done), expected, strict=True)
            assert changes.copy(into, to(x), out=into) is into
            np.testing.assert_array_equal(host(into), expected)
    for dtype, values in ((np.float32, (1.5, np.nan, -np.inf)), (np.int64, (-7,)), (bool, (1, 0))):
        for value in values:
            x = to(np.zeros((3, 4, 5), dtype))[:, 1:, ::2]
            np.testing.assert_array_equal(host(changes.fill(x, value)), np.full(x.shape, value))
            whole = to(np.zeros((3, 4, 5), dtype))
            assert changes.fill(x, value, out=whole[:, 1:, ::2]) is not NotImplemented
            expected = np.zeros((3, 4, 5), dtype)
            expected[:, 1:, ::2] = value
            np.testing.assert_array_equal(host(whole), expected)
    np.testing.assert_array_equal(host(changes.fill(to(np.zeros(3)), to(np.array(2.0)))), [2, 2, 2])


def test_changes() -> None:
    count = to(np.array(5))
    add_to(count, 3)
    x = to(np.arange(6.0).reshape(2, 3))
    add_to(x, to(np.ones((2, 3))))
    assert int(host(count)) == 8 and host(x).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert changes.assign(x, x) is x and changes.assign(x, x[:, ::-1]) is x
    assert host(x).tolist() == [[3, 2, 1], [6, 5, 4]]
    assign(x[0], to(np.array([7.0, 8, 9])))
    assign(x[1], 2)
    assert host(x).tolist() == [[7, 8, 9], [2, 2, 2]]
    assign(x, to(np.array([[1], [2]], np.float32)))
    assert host(x).tolist() == [[1, 1, 1], [2, 2, 2]]


def test_arrays_of_different_owners_may_overlap() -> None:
    backend = backend_for("cuda")
    whole = to(np.arange(1000, dtype=np.float32))  # more than one block

    def part(first: int, size: int, step: int = 1) -> Any:  # as a record finds its arrays
        address = backend.address(whole) + 4 * first
        return backend.at(address, (size,), (4 * step,), np.dtype(np.float32), [whole])

    assert changes.may_overlap(part(0, 3), part(2, 9)) and changes.may_overlap(
        part(9, 7, -1), part(3, 1)
    )
    assert not changes.may_overlap(part(0, 3), part(3, 9))
    assert not changes.may_overlap(part(9, 7, -1), part(2, 1))
    assert not changes.may_overlap(part(4, 0), part(0, 9))
    changes.assign(part(0, 1000), part(999, 1000, -1))
    np.testing.assert_array_equal(host(whole), np.arange(1000, dtype=np.float32)[::-1])


@pytest.mark.parametrize("dtype", TYPES)
def test_joined(dtype: Any) -> None:
    orders: list[Any] = [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)]
    for dim in range(4):
        for order in orders:
            parts = []
            for n in (4, 0, 1, 8):
                shape = tuple(n if d == dim else s for d, s in enumerate((2, 4, 3, 4)))
                parts.append((random.standard_normal(shape) * 9).astype(dtype))
            xs = [lying(x, order) for x in parts]
            expected = np.concatenate(parts, dim)
            for given in (xs, [*xs[:3], lying(parts[3], (2, 3, 1, 0))], [x[::-1] for x in xs]):
                wanted = np.concatenate([host(x) for x in given], dim)
                y = rearrange.cat(*given, dim=dim)
                np.testing.assert_array_equal(host(y), wanted, strict=True)
                out = to(np.zeros_like(expected))
                assert rearrange.cat(*given, dim=dim, out=out) is out
                np.testing.assert_array_equal(host(out), wanted)
            assert rearrange.cat(*xs, dim=dim).transpose(order).flags.c_contiguous
    many = [to(np.full((2, k), k, dtype)) for k in range(1, 20)]
    wanted = np.concatenate([host(x) for x in many], 1)
    np.testing.assert_array_equal(host(rearrange.cat(*many, dim=1)), wanted)
    assert rearrange.cat(to(np.zeros(2)), to(np.zeros(2, np.float32)), dim=0) is NotImplemented


KEYS: list[Any] = [
    (slice(1, 3),),
    (slice(None), slice(0, 5, 2), ...),
    (..., 2),
    (-1, None, slice(None), 2, None),
    (slice(2, 2),),
    (slice(1, 4, 2), ..., slice(-3, None)),
    (0, 1, 2, 3),
    (),
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slices_in_zeros_and_in_others(key: Any, dtype: Any) -> None:
    shape = (4, 5, 3, 6)
    whole = (random.standard_normal(shape) * 9).astype(dtype)
    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        x = lying(whole, order)
        part = x[(*key, ...)] if ... not in key else x[key]
        y = rearrange.slice_grad(part, key=key, shape=shape)
        expected = REGISTRY["slice_grad"].reference(np, host(part), key=key, shape=shape)
        np.testing.assert_array_equal(host(y), expected, strict=True)
        out = lying(np.full(shape, 5, dtype), (3, 0, 2, 1))
        assert rearrange.slice_grad(part, key=key, shape=shape, out=out) is out
        np.testing.assert_array_equal(host(out), expected)
        for value in (2, to(host(part)), to(np.ones(host(part).shape[-1:], dtype))):
            y = rearrange.slice_set(x, value, key=key)
            given = value if value is not None and isinstance(value, int) else host(value)
            expected = REGISTRY["slice_set"].reference(np, whole, given, key=key)
            np.testing.assert_array_equal(host(y), expected, strict=True)
            assert y.strides == x.strides
    assert (
        rearrange.slice_grad(x[::-1], key=(slice(None, None, -1),), shape=shape) is NotImplemented
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_padding(dtype: Any) -> None:
    for shape in ((2, 3, 4, 5), (3, 1), (0, 2), (4,), ()):
        x = random.standard_normal(shape).astype(dtype)
        widths = tuple([(1, 0), (0, 0), (2, 3), (0, 1)][: len(shape)])
        for value in (0, 1.5, np.nan):
            expected = REGISTRY["pad_constant"].reference(np, x, widths=widths, value=value)
            for order in (
                ((0, 1, 2, 3), (0, 2, 3, 1)) if len(shape) == 4 else [tuple(range(x.ndim))]
            ):
                y = rearrange.pad_constant(lying(x, order), widths=widths, value=value)
                np.testing.assert_array_equal(host(y), expected, strict=True)
                assert y.transpose(order).flags.c_contiguous


def test_a_model_s_copies_wait_for_nothing() -> None:
    with no_synchronization():
        x = tinygan.ones(2, 3, 4, 4, device="cuda", requires_grad=True)
        y = tinygan.cat([x, x * 2], 1)[:, 1:5, ::2]
        z = tinygan.nn.functional.pad(y, (1, 1, 0, 2)).reshape(2, -1).contiguous().double()
        z.sum().backward()
    assert x.grad is not None and x.grad.cpu().numpy().sum() == 2 * 2 * 4 * (2 + 2 * 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_edges_and_their_adjoint(mode: str, dtype: Any) -> None:
    for shape, widths in (
        ((5,), ((4, 2),)),
        ((1, 3), ((0, 0), (2, 1))),
        ((2, 3, 4, 5), ((0, 0), (0, 0), (3, 2), (1, 4))),
        ((2, 3, 4, 5), ((1, 0), (0, 2), (1, 1), (2, 2))),
        ((0, 4), ((0, 0), (1, 1))),
    ):
        padded = tuple(b + n + a for (b, a), n in zip(widths, shape, strict=True))
        x = random.standard_normal(shape).astype(dtype)
        g = random.standard_normal(padded).astype(dtype)
        orders = ((0, 1, 2, 3), (0, 2, 3, 1)) if len(shape) == 4 else [tuple(range(len(shape)))]
        for order in orders:
            for name, given, exact in (("pad_edges", x, True), ("fold_edges", g, False)):
                expected = REGISTRY[name].reference(np, given, widths=widths, mode=mode)
                own, out = lying(given, order), to(np.full(expected.shape, 99, dtype))
                y = getattr(edges, name)(own, widths=widths, mode=mode)
                assert y.transpose(order).flags.c_contiguous
                assert getattr(edges, name)(own, widths=widths, mode=mode, out=out) is out
                for result in (y, out):
                    tolerance = 0 if exact else np.finfo(dtype).eps * 32
                    np.testing.assert_allclose(host(result), expected, tolerance, tolerance)


def test_flipped_and_rolled() -> None:
    for dtype in (np.float32, np.int64):
        x = (random.standard_normal((3, 4, 5, 2)) * 9).astype(dtype)
        for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
            own = lying(x, order)
            for dims in ((), (1,), (0, 3), (0, 1, 2, 3)):
                y = rearrange.flip(own, dims=dims)
                np.testing.assert_array_equal(host(y), np.flip(x, dims))
                assert y.strides == own.strides
            for shifts, dims in (((2,), (1,)), ((-7, 1), (0, 2)), ((2, 3), (3, 3)), ((0,), (0,))):
                y = edges.roll(own, shifts=shifts, dims=dims)
                np.testing.assert_array_equal(host(y), np.roll(x, shifts, dims))
                assert y.strides == own.strides
    assert edges.roll(to(np.zeros((2, 0))), shifts=(1,), dims=(1,)).shape == (2, 0)


def test_recorded_steps_launch() -> None:
    def changed(x: Any) -> Any:
        y = x.clone()
        y[0] = x[1]
        y[1:, ::2] = 2.0
        y[..., 0] = x[..., 1] * 3
        return y

    x = tinygan.tensor(random.standard_normal((2, 3, 6, 6)).astype(np.float32)).to("cuda")
    steps: list[Any] = [
        changed,
        lambda x: tinygan.cat([x, x * 2], 1),
        lambda x: F.pad(x, (1, 2, 0, 1)),
        lambda x: F.pad(x, (1, 2, 0, 1), mode="reflect"),
        lambda x: x[:, 1:, ::2] * 2,
        lambda x: x.flip(3).roll(1, 2),
        lambda x: x.permute(0, 2, 3, 1).reshape(2, -1) * x.sum(),
        lambda x: x.transpose(1, 2).contiguous(),
        lambda x: x.double() * 2,
        lambda x: (x > 0).float() * x,
    ]
    for step in steps:
        assert not from_python(with_gradients(step, 2), x)


def test_elementwise_kernels_are_given_dimensions_in_memory_order() -> None:
    x = lying(random.standard_normal((2, 3, 4, 5)).astype(np.float32), (0, 2, 3, 1))
    row = to(random.standard_normal((1, 3, 1, 1)).astype(np.float32))
    last = to(random.standard_normal(5).astype(np.float32))
    for operands in ([x, x], [x, row], [last, x], [x, 2.0], [row, x, last]):
        *given, y = in_memory_order(operands, copy.clone(x))
        assert y.flags.c_contiguous
        raw = [host(a) if hasattr(a, "shape") else a for a in operands]
        turned = [host(a) if hasattr(a, "shape") else a for a in given]
        for f in (np.add, np.subtract):
            expected = f(raw[0], raw[-1]) * np.ones(x.shape, np.float32)
            found = f(turned[0], turned[-1]) * np.ones(y.shape, np.float32)
            np.testing.assert_array_equal(found.transpose(0, 3, 1, 2), expected)


def test_a_reshape_is_a_view_where_numpy_s_is() -> None:
    values = np.arange(4 * 1 * 6 * 10.0).reshape(4, 1, 6, 10)
    host_arrays = [values, values[:, :, ::2], values.transpose(0, 2, 3, 1), values[..., 2:4],
                   values.transpose(1, 3, 0, 2), np.broadcast_to(values[:1], (4, 1, 6, 10)),
                   values[:, :, :0], values[..., ::-1]]  # fmt: skip
    shapes = [(-1,), (4, -1), (2, 2, -1), (2, -1, 2), (4, 2, -1), (-1, 1, 2), (2, 1, 2, -1, 1)]
    for x in host_arrays:
        for shape in shapes:
            wanted = tuple(x.size // -int(np.prod(shape)) if n == -1 else n for n in shape)
            if int(np.prod(wanted)) != x.size:
                continue
            own = to(x)
            y = copy.reshape(own, shape=shape if x.size else wanted)
            np.testing.assert_array_equal(host(y), x.reshape(wanted), strict=True)
            shared = y.data.ptr == own.data.ptr or not x.size
            assert shared == (np.may_share_memory(x.reshape(wanted), x) or not x.size)
