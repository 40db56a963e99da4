"""Two devices, kept apart: CUDA, or its strict stand-in, against the CPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from moved import ON_GPU

import tinygan
from tinygan import nn, optim
from tinygan.autograd import Tensor, grad, wrap
from tinygan.backend import Device, DeviceError, backend_for, core, cuda
from tinygan.cli.gradients import TABLE, Row
from tinygan.data import DataLoader, TensorDataset


def test_devices_compare_with_their_names() -> None:
    assert Device("cuda:1") == "cuda:1" != Device("cuda:0")
    assert Device("cuda", 1) == Device("cuda:1")
    assert str(Device("cuda:1")) == "cuda:1"
    assert tinygan.ones(2, device="cuda").device == "cuda"
    with pytest.raises(DeviceError, match="'gpu'"):
        Device("gpu")


def test_arrays_of_two_devices_are_refused_by_name() -> None:
    x, y = tinygan.ones(2), tinygan.ones(2, device="cuda")
    with pytest.raises(DeviceError, match=r"add: .*cpu.*cuda.*\.to\("):
        x + y
    with pytest.raises(DeviceError, match=r"linear: .*cpu.*cuda"):
        nn.Linear(2, 3)(y)
    with pytest.raises(TypeError, match=r"cpu\(\)"):
        y.numpy()


def test_a_move_carries_the_gradient_back() -> None:
    x = tinygan.ones(3).requires_grad_()
    (g,) = grad((x.to("cuda") * 2).sum(), x)
    assert g is not None and g.device == "cpu"
    assert g.tolist() == [2, 2, 2]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_every_row_computes_the_same_on_both(case: Row) -> None:
    """The function and its gradient, from the same numbers."""

    def results(device: str) -> list[np.ndarray]:
        random = np.random.default_rng(0)
        backend = tinygan.backend.backend_for(device)
        tinygan.manual_seed(0)
        inputs = [wrap(backend.from_host(d(random))) for d in case.domains]
        varied = [x.requires_grad_() for x in inputs if x.is_floating_point()]
        y = case.function(*inputs)
        y = y if isinstance(y, Tensor) else next(iter(y))
        gradients = grad(y.sum(), varied, allow_unused=True) if y.requires_grad else []
        return [tinygan.backend.host_array(x.array) for x in (y, *gradients) if x is not None]

    for a, b in zip(results("cpu"), results("cuda"), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


OPTIMIZERS = [
    lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: optim.Adam(p, 0.1, amsgrad=True),
    lambda p: optim.AdamW(p, 0.1),
    lambda p: optim.RMSprop(p, 0.1, centered=True, momentum=0.5),
    lambda p: optim.Adagrad(p, 0.1, lr_decay=0.1),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_optimizers_take_the_same_steps(make: Callable[..., Any]) -> None:
    ends = []
    for device in ("cpu", "cuda"):
        tinygan.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)).to(device)
        optimizer = make(model.parameters())
        x = tinygan.ones(5, 4, device=device)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        ends.append([p.detach().cpu().numpy() for p in model.parameters()])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("draw", ["rand", "randn"])
def test_the_same_seed_gives_the_same_stream(draw: str) -> None:
    streams = []
    for device in ("cpu", "cuda"):
        tinygan.manual_seed(7)
        x = getattr(tinygan, draw)(1001, device=device)
        streams.append(x.cpu().numpy())
    np.testing.assert_allclose(*streams, rtol=1e-6, atol=1e-6)


def test_a_model_moves_with_its_state() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    x = tinygan.randn(2, 1, 5, 5)
    expected = model(x)
    model.load_state_dict(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).state_dict())
    other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to("cuda")
    other.load_state_dict(model.state_dict())
    y = other(x.to("cuda"))
    assert y.device == "cuda" and y.shape == expected.shape
    np.testing.assert_allclose(
        y.detach().cpu().numpy(), model(x).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    assert all(p.device == "cpu" for p in other.cpu().parameters())


def test_a_loader_delivers_to_the_device() -> None:
    loader = DataLoader(TensorDataset(tinygan.arange(10).float()), 4, device="cuda")
    assert [batch[0].device.type for batch in loader] == ["cuda"] * 3


def test_a_process_works_on_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two, on the second, as the second of two ranks does; its threads as well."""
    used: list[int] = []
    found = backend_for("cuda")
    if not ON_GPU:
        monkeypatch.setattr(found.xp.cuda.runtime, "setDevice", used.append, raising=False)
    assert Device("cuda") == Device("cuda:1") and hash(Device("cuda")) == hash(Device("cuda:1"))
    with pytest.raises(DeviceError, match=r"cuda:7 is asked for in a process that works on cuda:0"):
        tinygan.zeros(2, device="cuda:7")
    if ON_GPU:
        return
    monkeypatch.setitem(core._by_device, "cuda", replace(found, device=Device("cuda", 1)))
    generator = tinygan.Generator("cuda:1")
    assert tinygan.randn(2, generator=generator, device="cuda").device == "cuda"
    data = TensorDataset(tinygan.arange(10).float())
    assert len(list(DataLoader(data, 4, device="cuda", num_workers=1))) == 3
    assert used == [1]


def test_a_stream_for_every_thread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two launches that overlap would meet at the same counters."""
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(is_available=lambda: True))
    monkeypatch.setenv("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM", "1")
    with pytest.raises(DeviceError, match=r"in one stream.*PER_THREAD_DEFAULT_STREAM.*unset it"):
        cuda.load()


@pytest.mark.skipif(ON_GPU, reason="about the stand-in")
def test_devices_are_described() -> None:
    from tinygan.cli.information import cuda_devices

    assert cuda_devices() == [
        ("cuda:0", "stand-in, sm_90"),
        ("memory", "1.0 of 2.0 GiB free"),
        ("cuda", "12.8, driver for up to 12.8"),
        ("tf32", "off: float32 is exact"),
    ]
    tinygan.cuda.synchronize()
    tinygan.cuda.empty_cache()
    assert tinygan.cuda.memory_allocated() == tinygan.cuda.memory_reserved() == 0
    assert tinygan.cuda.current_device() == 0
    with pytest.raises(ValueError, match="fraction from 0 to 1"):
        tinygan.cuda.set_per_process_memory_fraction(2)
