"""The CUDA kernels that draw, against the reference: the same stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moved import host, needs_kernels

from tinygan.backend import backend_for, philox, progress
from tinygan.backend.cuda import source
from tinygan.backend.cuda.philox import (
    _integers,
    dropout_mask,
    random_integers,
    random_normal,
    random_uniform,
)
from tinygan.ops.dropout import dropout_mask as dropout_op

pytestmark = needs_kernels

STARTS = [(7, 0), (2**64 - 1, 2**32 - 3), (0x0123456789ABCDEF, 2**40 + 5)]
SIZES = [(), (1,), (3,), (0,), (7, 11), (4097,)]


def state_of(start: tuple[int, int]) -> tuple[np.ndarray, Any]:
    state = np.array(start, np.uint64)
    return state, backend_for("cuda").from_host(state)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_stream_is_that_of_the_reference(start: Any, shape: Any, dtype: Any) -> None:
    state, own = state_of(start)
    with np.errstate(all="ignore"):
        for _ in range(2):
            expected = philox.uniform(np, state, shape, dtype)
            y = random_uniform(own, shape=shape, dtype=dtype)
            np.testing.assert_array_equal(host(y), expected, strict=True)
            state[1:] += philox.count_blocks(y.size, y.itemsize)
            assert host(own).tolist() == state.tolist()

            expected = philox.normal(np, state, shape, dtype)
            y = random_normal(own, shape=shape, dtype=dtype)
            tolerance = 2e-6 if dtype == np.float32 else 1e-14
            np.testing.assert_allclose(host(y), expected, rtol=tolerance, atol=tolerance)
            state[1:] += philox.count_blocks(y.size, y.itemsize)
            assert host(own).tolist() == state.tolist()


@pytest.mark.parametrize(
    ("low", "count"), [(0, 10), (-5, 3), (-(2**63), 2**64), (7, 1), (-(2**62), 2**63 + 1)]
)
def test_integers(low: int, count: int) -> None:
    state, own = state_of((3, 2**32 - 1))
    expected = philox.integers(np, state, (5, 7), low, count)
    np.testing.assert_array_equal(host(random_integers(own, shape=(5, 7), low=low, count=count)),
                                  expected, strict=True)  # fmt: skip
    assert host(own).tolist() == [3, 2**32 - 1 + 18]


def test_into_memory_that_is_not_aligned() -> None:
    to = backend_for("cuda").from_host
    state, own = state_of((1, 2))
    whole = to(np.full(23, 9, np.float32))
    y = random_uniform(own, shape=(21,), dtype=np.float32, out=whole[1:22])
    np.testing.assert_array_equal(host(y), philox.uniform(np, state, (21,), np.float32))
    assert host(whole)[[0, 22]].tolist() == [9, 9]
    for out in (to(np.zeros((4, 8), np.float32))[:, ::2], to(np.zeros((4, 4)))):
        refused = random_uniform(own, shape=(4, 4), dtype=np.float32, out=out)
        assert refused is NotImplemented
    assert random_normal(own, shape=(2,), dtype=np.float16) is NotImplemented


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_masks(dtype: Any, p: float) -> None:
    to = backend_for("cuda").from_host
    images = np.zeros((3, 5, 7, 2), dtype).transpose(0, 3, 1, 2)
    for like in (
        images,
        np.zeros((3, 7), dtype),
        np.zeros((2, 3, 5), dtype),
        images[:0],
        images[0],
    ):
        for dims in (like.ndim, 1):
            state, own = state_of((11, 4))
            expected = dropout_op.reference(np, state, like, p=p, dims=dims)
            y = dropout_mask(own, to(like), p=p, dims=dims)
            if y is NotImplemented:
                assert like.ndim == 3 and not like.flags.c_contiguous
                continue
            np.testing.assert_array_equal(host(y), expected, strict=True)
            assert host(own).tolist() == state.tolist()
            if dims == like.ndim and like.size:
                assert y.strides == expected.strides
                again = to(np.full_like(like, np.nan))
                dropout_mask(to(np.array([11, 4], np.uint64)), to(like), p=p, dims=dims, out=again)
                np.testing.assert_array_equal(host(again), expected)


def test_the_compiling_of_a_kernel_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, float | None]] = []
    monkeypatch.setattr(progress, "_listeners", [lambda *news: heard.append(news)])
    for cached, expected in ((-1.0, ["integers"]), (1e9, [])):
        monkeypatch.setattr(source, "CACHED", cached)
        monkeypatch.setattr(_integers, "_launches", {})
        assert _integers[()] is _integers[()]
        assert [name for name, _ in heard] == expected
        heard.clear()
