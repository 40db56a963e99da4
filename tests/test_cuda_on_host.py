"""Kernels whose blocks meet, run with several blocks at a time; and that this finds faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cuda_on_host
import numpy as np
import pytest
from moved import DEVICE, on_host_only

from tinygan.backend.cuda import normalization, philox, product, reductions, source

pytestmark = on_host_only


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called, it has kernels compiled anew, to run several blocks at a time."""

    def change() -> None:
        monkeypatch.setattr(cuda_on_host, "FLAGS", [*cuda_on_host.FLAGS, *cuda_on_host.TOGETHER])
        for kernel in source.declared:
            monkeypatch.setattr(kernel, "_launches", {})

    return change


def test_blocks_that_do_not_wait_for_each_other_are_found(
    together: Callable[[], None],
) -> None:
    code = """
    __global__ void count(int* total, int atomic) {
        if (atomic) { atomicAdd(total, 1); return; }
        int before = *(volatile int*)total;
        __threadfence();
        *(volatile int*)total = before + 1;
    }
    """
    together()
    count = cuda_on_host.RawModule(code=code, name_expressions=("count",)).get_function("count")
    for atomic in (0, 1):
        total = DEVICE.from_host(np.zeros((), np.int32))
        count((400,), (1,), (total, np.int32(atomic)))
        assert (int(DEVICE.to_host(total)) == 400) == bool(atomic)


def test_sums_that_are_left_too_late_are_found(
    together: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of the depth of a product, which another block adds before they are there."""
    leaving = "            copy<step>(sums + place * size + i * blockDim.x, own.numbers + i);\n"
    ending = "        if (!last) return false;\n"
    text = source.text("product.cu")
    assert leaving in text and ending in text
    late = f"for (int i = 0; i < Sums::count; i += step)\n{leaving}"
    text = text.replace(leaving, "            ;\n")
    pause = "for (long long from = clock64(); !threadIdx.x && clock64() - from < 5000000;) {}\n"
    text = text.replace(ending, f"if (!last) {{ {pause} __syncthreads(); {late} return false; }}\n")
    monkeypatch.setattr(source, "text", lambda name: text)
    monkeypatch.setattr(product, "tiling", lambda *sizes: (2, 5))
    product._plan.cache_clear()
    random = np.random.default_rng(0)

    def right() -> bool:  # on other numbers each time: memory may hold the sums of the last
        x = random.standard_normal((300, 300)).astype(np.float32)
        y = DEVICE.to_host(parts_of_the_depth(DEVICE.from_host(x)))
        return np.allclose(y, x[:70] @ x[:, :40], atol=1e-3)

    together()
    assert not all(right() for _ in range(40))
    product._plan.cache_clear()


def parts_of_the_depth(x: Any) -> Any:
    return product.matmul(x[:70], x[:, :40])


def pieces_of_sets(x: Any) -> Any:
    return reductions.sum(x, dim=(0, 1))


def pieces_of_moments(x: Any) -> Any:
    return normalization.moments_over(x, dims=(0, 1))


def numbers_drawn(x: Any) -> Any:
    state = DEVICE.from_host(np.array([3, 5], np.uint64))
    first, second = (philox.random_normal(state, shape=(9000,), dtype=np.float32) for _ in "12")
    return DEVICE.xp.concatenate([first, second])


@pytest.mark.parametrize(
    "compute", [parts_of_the_depth, pieces_of_sets, pieces_of_moments, numbers_drawn]
)
def test_the_bits_do_not_depend_on_which_blocks_run_together(
    compute: Callable[[Any], Any],
    together: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(product, "tiling", lambda *sizes: (2, 19))
    product._plan.cache_clear()
    x = DEVICE.from_host(np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32))
    expected = DEVICE.to_host(compute(x))
    together()
    for _ in range(8):
        np.testing.assert_array_equal(DEVICE.to_host(compute(x)), expected)
    product._plan.cache_clear()
