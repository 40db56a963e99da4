"""Layers and losses recorded on a GPU: all of a step is in its graphs, which give the same bits.

So do kernels whose threads and blocks run in another order.
"""

from __future__ import annotations

from collections.abc import Callable

import cuda_on_host
import numpy as np
import pytest
from moved import needs_kernels, on_host_only
from recorded import python_steps, with_gradients

import tinygan
from tinygan.autograd import Tensor
from tinygan.nn import functional as F

pytestmark = needs_kernels

random = np.random.default_rng(0)


def normal(*shape: int) -> Tensor:
    return tinygan.tensor(random.standard_normal(shape).astype(np.float32), device="cuda")


CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "batch_norm": lambda x: F.batch_norm(x, None, None, x.sum((0, 2, 3)), x.mean((0, 2, 3)), True),
    "layer_norm": lambda x: F.layer_norm(x, (6, 4, 8)),
    "group_norm": lambda x: F.group_norm(x, 3),
    "instance_norm": lambda x: F.instance_norm(x),
    "max_pool": lambda x: F.max_pool2d(x, 3, 2, 1),
    "adaptive_max_pool": lambda x: F.adaptive_max_pool2d(x, (3, 5)),
    "avg_pool": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
    "softmax": lambda x: F.softmax(x, 1) + F.log_softmax(x, -1),
    "logsumexp": lambda x: x.logsumexp((1, 2)),
    "sums": lambda x: x.sum((1, 3)) + x.mean() + x.norm(dim=(0, 1, 2, 3)),
    "extremes": lambda x: x.amax(1) + x.amin(1) + x.max(1).values,
    "spread": lambda x: x.var((0, 2, 3)) + x.std((0, 2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_left_to_python(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = with_gradients(CASES[name], 2)
    _check(step, normal(3, 6, 4, 8), monkeypatch)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float, reduction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tinygan.tensor(random.integers(0, 10, 9), device="cuda")
    options = {"reduction": reduction, "label_smoothing": smoothing}
    step = with_gradients(lambda x: F.cross_entropy(x, target, **options))
    _check(step, normal(9, 10), monkeypatch)


@on_host_only
def test_graphs_keep_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that finds no more gives back what it has free; then there is no graph."""

    class Scarce(cuda_on_host.MemoryPool):
        def total_bytes(self) -> int:  # it has room for the last array
            return self._kept[-1].nbytes if self._kept else 0

        def free_bytes(self) -> int:  # as the first array is, when the second is asked for
            return self.total_bytes() if len(self._kept) == 1 else 0

    def step(x: Tensor, y: Tensor) -> Tensor:
        return (x @ x.T).sum() + (y @ y.T).sum()  # in parts, whose sums take memory

    given = normal(2, 3000), normal(40, 9000)
    monkeypatch.setattr(cuda_on_host, "MemoryPool", Scarce)
    compiled = tinygan.compile(step)
    compiled(*given)
    with pytest.warns(UserWarning, match="not enough memory.*; the function is called as it is"):
        compiled(*given)
    np.testing.assert_array_equal(compiled(*given).cpu().numpy(), step(*given).cpu().numpy())


@on_host_only
def test_graphs_get_what_eager_calls_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device has no memory but what CuPy's own pool keeps."""
    free = [0]
    monkeypatch.setattr(cuda_on_host.runtime, "memGetInfo", lambda: (free[0], 1 << 31))
    monkeypatch.setattr(
        cuda_on_host.DefaultPool, "free_all_blocks", lambda _: free.__setitem__(0, 1 << 30)
    )

    class Device(cuda_on_host.MemoryPool):
        def malloc(self, size: cuda_on_host.Size) -> None:
            if size > free[0]:
                raise MemoryError("out of memory")
            super().malloc(size)

    monkeypatch.setattr(cuda_on_host, "MemoryPool", Device)
    step = with_gradients(lambda x: (x @ x.T).sum(), 1)  # in parts, whose sums take memory
    _check(step, normal(2, 3000), monkeypatch)
    assert free[0]


@on_host_only
def test_a_missing_barrier_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
        template <int waits> __global__ void turned(int* y) {
            __shared__ int shared[64];
            shared[threadIdx.x] = threadIdx.x;
            if (waits) __syncthreads();
            y[threadIdx.x] = shared[63 - threadIdx.x];
            if (waits) __syncthreads();
            shared[threadIdx.x] = -1;
        }
        """
    names = ["turned<0>", "turned<1>"]
    module = cuda_on_host.RawModule(code=code, name_expressions=names)
    for name, differs in zip(names, (True, False), strict=True):
        results = []
        for order in ("", "backwards"):
            monkeypatch.setenv("TINYGAN_CUDA_ON_HOST", order)
            y = tinygan.zeros(64, dtype=np.int32, device="cuda")
            module.get_function(name)((1,), (64,), (y.array,))
            results.append(y.cpu().numpy())
        assert np.any(results[0] != results[1]) == differs


def _check(
    step: Callable[..., tuple[Tensor, ...]], x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = tinygan.compile(step)
    for _ in range(3):
        found = replayed(x)
    expected = step(x)
    monkeypatch.setenv("TINYGAN_CUDA_ON_HOST", "backwards")
    for a, b, c in zip(found, expected, step(x), strict=True):
        np.testing.assert_array_equal(a.cpu().numpy(), b.cpu().numpy())
        np.testing.assert_array_equal(c.cpu().numpy(), b.cpu().numpy())
    assert not python_steps(replayed)
