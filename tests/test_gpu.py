"""The GPU against the CPU: whole runs, every op, recorded steps, and a step without waiting.

Each test is there twice: on a GPU, and with fewer steps on the stand-in, which shows that the test
itself works. The CPU computes by NumPy's references, which are the truth for both.
"""

from __future__ import annotations

import platform
from typing import Any, NamedTuple

import cuda_on_host
import numpy as np
import pytest
import strict_cupy
from moved import ON_GPU

import tinygan
from tinygan.autograd import Tensor, grad, wrap
from tinygan.backend import backend_for, host_array
from tinygan.backend.cuda import get_device_name
from tinygan.backend.cuda import precision as precisions
from tinygan.backend.kernels import Kernels
from tinygan.cli.bench import with_tinygan
from tinygan.cli.bench.measure import AGREEMENTS, furthest
from tinygan.cli.bench.workloads import DOUBLE, EXACT, WORKLOADS, Place
from tinygan.cli.gradients import TABLE, Row


class Extent(NamedTuple):
    """How much of a run is made: steps, and the batch if it is not the workload's."""

    steps: int
    batch: int | None


HERE = "runs on the GPU" if ON_GPU else "needs a C++ compiler"
A_FEW = Extent(3, 4)
BY_SOFTWARE = ON_GPU and get_device_name() == "software GPU"
EXTENTS = [
    pytest.param(A_FEW if BY_SOFTWARE else Extent(50, None), id="gpu", marks=pytest.mark.gpu),
    pytest.param(
        A_FEW,
        id="stand-in",
        marks=pytest.mark.skipif(ON_GPU or not cuda_on_host.COMPILER, reason=HERE),
    ),
]
everywhere = pytest.mark.parametrize("extent", EXTENTS)
workloads = pytest.mark.parametrize("name", ["toy", "mlp", "dcgan28"])


@pytest.fixture(autouse=True)
def by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU without its kernels, which take long to compile where nothing has been yet."""
    find = Kernels.find
    monkeypatch.setattr(
        Kernels, "find", lambda self, backend: None if backend == "cpu" else find(self, backend)
    )


def step_of(
    name: str, variant: str, device: str, extent: Extent, monkeypatch: Any, precision: str = EXACT
) -> Any:
    """A workload's step: batch number -> losses."""
    workload = WORKLOADS[name]
    if extent.batch is not None:
        monkeypatch.setitem(WORKLOADS, name, workload._replace(batch=extent.batch))
    return with_tinygan.build(name, variant, Place(device, 1, precision))


def losses(
    name: str, variant: str, device: str, extent: Extent, monkeypatch: Any, precision: str = EXACT
) -> Any:
    step = step_of(name, variant, device, extent, monkeypatch, precision)
    return np.array([[float(x) for x in step(i)] for i in range(extent.steps)])


@everywhere
@workloads
def test_the_first_losses_agree(name: str, extent: Extent, monkeypatch: Any) -> None:
    """The whole of training: products, normalisation, losses, gradients, updates.

    To 1e-3 in float32 as long as float32 determines them so well: two players magnify what is
    rounded, in all frameworks (benchmarks/first_losses.py). Where the CPU's losses are off, the
    GPU's may be ten times as far.
    """
    (cpu, cuda), (exact, exact_cuda) = (
        [
            losses(name, variant, device, extent, monkeypatch, precision)
            for variant, device in (("tinygan eager", "cpu"), ("tinygan", "cuda"))
        ]
        for precision in (EXACT, DOUBLE)
    )
    np.testing.assert_allclose(exact_cuda, exact, rtol=1e-8)
    assert (furthest(cuda, cpu) <= np.maximum(1e-3, 10 * furthest(cpu, exact))).all()
    assert len(np.unique(cpu)) == cpu.size  # it moves


@everywhere
@pytest.mark.parametrize("precision", ["tf32", "tf32x3", "bfloat16"])
@workloads
def test_rounded_products_stay_close(
    name: str, precision: str, extent: Extent, monkeypatch: Any
) -> None:
    monkeypatch.setattr(precisions, "_allowed", False)  # as it is to be afterwards
    first = [
        [float(x) for x in step_of(name, "tinygan", "cuda", extent, monkeypatch, way)(0)]
        for way in ("float32", precision)
    ]
    assert first[0] != first[1] or precision == "tf32x3"  # which is as exact as float32
    np.testing.assert_allclose(*first, rtol=AGREEMENTS[precision])


@everywhere
@workloads
def test_a_recorded_step_is_the_eager_one(name: str, extent: Extent, monkeypatch: Any) -> None:
    eager, recorded = (
        losses(name, variant, "cuda", extent, monkeypatch)
        for variant in ("tinygan eager", "tinygan")
    )
    np.testing.assert_array_equal(recorded, eager)


@everywhere
@pytest.mark.parametrize("variant", ["tinygan eager", "tinygan"])
@workloads
def test_a_step_never_waits(name: str, variant: str, extent: Extent, monkeypatch: Any) -> None:
    step = step_of(name, variant, "cuda", extent, monkeypatch)
    for i in range(3):  # what is made at first use is made, recorded, and replayed
        step(i)
    with strict_cupy.no_synchronization():
        found = step(3)
        with pytest.raises(RuntimeError):
            float(found[0])
    assert np.isfinite([float(x) for x in found]).all()


@everywhere
@workloads
def test_a_recorded_step_is_one_graph(name: str, extent: Extent, monkeypatch: Any) -> None:
    """Nothing of it is left to Python, between whose calls the GPU would have nothing to do."""
    step = step_of(name, "tinygan", "cuda", extent, monkeypatch)
    for i in range(3):
        step(i)
    found = with_tinygan.launches(step)
    assert found is not None and found["kernels"] > 10
    assert (found["graphs"], found["from_python"]) == (1, 0)


@everywhere
@pytest.mark.skipif(
    not ON_GPU and platform.machine() not in ("x86_64", "AMD64"), reason="the host keeps them"
)
def test_ops_take_the_smallest_numbers_as_zeros(extent: Extent) -> None:
    """CuPy has float32 below 1.2e-38 left out, in kernels of ours and its own; NumPy keeps it."""
    x = wrap(backend_for("cuda").from_host(np.full(3, 1e-39, np.float32)))
    assert not (x * 2).cpu().numpy().any()
    assert not x.sum().cpu().numpy().any()
    assert (x.cpu() * 2).numpy().all()


@pytest.mark.gpu
def test_an_op_rounds_a_product_with_its_sum_once() -> None:
    near = 1 + 2**-12
    x, y = (tinygan.tensor(row, device="cuda") for row in ([[-(1 + 2**-11), near]], [[1.0, near]]))
    assert (x @ y.T).item() == 2**-24  # the square of what near is above 1; rounded before: 0


ROWS = [pytest.param(row, id=row.name) for row in TABLE]


def results(row: Row, dtype: Any, device: str) -> list[np.ndarray]:
    """Values and first gradients."""
    random = np.random.default_rng(0)
    backend = backend_for(device)
    tinygan.manual_seed(0)
    arrays = [domain(random) for domain in row.domains]
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    inputs = [wrap(backend.from_host(a)) for a in arrays]
    varied = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    y = row.function(*inputs)
    outputs = [y] if isinstance(y, Tensor) else list(y)
    real = [t for t in outputs if t.requires_grad]
    gradients = grad([t.sum() for t in real], varied, allow_unused=True) if real else []
    return [host_array(x.array) for x in (*outputs, *gradients) if x is not None]


@everywhere
@pytest.mark.parametrize("row", ROWS)
def test_every_op_computes_the_same(row: Row, extent: Extent) -> None:
    # on the stand-in float64 is compared by test_device.py
    for dtype, tolerance in ((np.float32, 2e-4), (np.float64, 1e-9)):
        if dtype == np.float32 or ON_GPU:
            for a, b in zip(results(row, dtype, "cpu"), results(row, dtype, "cuda"), strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(b, a, tolerance, tolerance)
