"""Convolution by cuDNN: on a GPU where it is installed, else on a stand-in for its frontend.

Where cuDNN is installed without a GPU, it is asked for its ways on one that is described to it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import cudnn_stand_in
import numpy as np
import pytest
from cudnn_stand_in import numerical_note, pygraph
from moved import DEVICE, ON_GPU, needs_kernels, on_host_only
from recorded import python_steps
from test_cuda_convolution import CASES, CUT_OFF, agree, computed, problem, trio

import tinygan
import tinygan.nn.functional as F
from tinygan.backend import DeviceError
from tinygan.backend.cuda import convolution, cudnn

INSTALLED = importlib.util.find_spec("cudnn") is not None

random = np.random.default_rng(0)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not ON_GPU:
        monkeypatch.setitem(sys.modules, "cudnn", cudnn_stand_in)
    elif not INSTALLED:
        pytest.skip("needs cuDNN's frontend")
    forget()
    assert tinygan.allow_cudnn(True) and tinygan.allow_cudnn()
    yield
    tinygan.allow_tf32(False)
    assert not tinygan.allow_cudnn(False)
    forget()


def forget() -> None:
    for cached in (cudnn._plan, cudnn._handle):
        cached.cache_clear()
    pygraph.executed, pygraph.refused = 0, []


def by_cudnn() -> int | None:
    """How many convolutions the stand-in has done; None on a GPU, where nobody counts."""
    return None if ON_GPU else pygraph.executed


@needs_kernels
@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("case", [case for case in CASES if case[8] == 1])
def test_results_are_the_references(case: Any) -> None:
    for name, (arguments, static) in problem(np.float32, case).items():
        agree(name, arguments, static)
        order = (0, 2, 3, 1)  # weights with their channels last too
        last = [a.transpose(order).copy().transpose(0, 3, 1, 2) for a in arguments[:2]]
        agree(name, [*last, *arguments[2:]], static)
        wide = np.zeros(computed(name, arguments, static).shape, np.float32)  # N C H W in memory
        result = computed(name, arguments, static, out=DEVICE.from_host(wide))
        agree(name, arguments, static, result)
    assert by_cudnn() in (None, 12)


@needs_kernels
@pytest.mark.usefixtures("allowed")
def test_bias_and_activation_follow() -> None:
    found = problem(np.float32, CASES[1])
    for name in ("conv2d", "conv2d_input_grad"):
        (x, w, bias), static = found[name]
        plain = DEVICE.to_host(computed(name, (x, w), static))
        biased = plain + bias[:, None, None]
        for activation, expected in (
            (("relu", 0.0), np.maximum(biased, 0)),
            (("leaky_relu", 0.2), np.where(biased > 0, biased, biased * np.float32(0.2))),
            (("tanh", 0.0), np.tanh(biased)),
            (("sigmoid", 0.0), 1 / (1 + np.exp(-biased))),
        ):
            y = DEVICE.to_host(computed(name, (x, w, bias), static, activation=activation))
            np.testing.assert_allclose(y, expected, rtol=5e-6, atol=1e-6)
        y = computed(name, (x, w), static, activation=("relu", 0.0))
        np.testing.assert_array_equal(DEVICE.to_host(y), np.maximum(plain, 0))
        gaps = DEVICE.from_host(np.repeat(bias, 2))[::2]
        y = getattr(convolution, name)(DEVICE.from_host(x), DEVICE.from_host(w), gaps, **static)
        np.testing.assert_array_equal(DEVICE.to_host(y), biased)


@needs_kernels
@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    "windows",
    [
        ((5, 3), (2, 1), ((2, 0), (1, 3)), (1, 1)),
        ((2, 2), (3, 3), ((0, 0), (0, 0)), (1, 1)),  # rows at the end meet no window
        ((4, 4), (2, 2), ((1, 2), (1, 2)), (1, 1)),  # a size that is not the least
        ((3, 3), (1, 1), ((-1, 0), (0, -2)), (1, 1)),  # cropped: ours
    ],
)
def test_every_padding(windows: Any) -> None:
    for name, (arguments, static) in trio(np.float32, (3, 4, 11, 9), 6, *windows, 1).items():
        agree(name, arguments, static)
    assert by_cudnn() in (None, 0 if windows[2][0][0] < 0 else 3)


@needs_kernels
@pytest.mark.usefixtures("allowed")
def test_what_is_not_cudnns_stays_ours() -> None:
    for kind, more in ((np.float64, {}), (np.float32, {"precision": "bfloat16"})):
        for name, (arguments, static) in problem(kind, CASES[2]).items():
            agree(name, arguments, {**static, **more}, None, CUT_OFF)
    tinygan.allow_tf32("x3")
    found = problem(np.float32, CASES[2])
    for name, (arguments, static) in found.items():
        agree(name, arguments, static, None, CUT_OFF)
    tinygan.allow_tf32(False)
    (x, w, _), static = found["conv2d"]
    wide = DEVICE.from_host(np.repeat(x, 2, 1))[:, ::2]
    y = convolution.conv2d(wide, DEVICE.from_host(w), **static)
    agree("conv2d", (x, w), static, y)
    more = np.concatenate([x[:1], x])  # an image has 1980 bytes, no multiple of 16
    y = convolution.conv2d(DEVICE.from_host(more)[1:], DEVICE.from_host(w), **static)
    agree("conv2d", (x, w), static, y)
    assert by_cudnn() in (None, 0)


@on_host_only
@pytest.mark.usefixtures("allowed")
def test_where_cudnn_has_no_way_or_fails_our_kernels_are_there() -> None:
    """As the stand-in does for dilations of 3, and of 2, and for strides of 5."""
    for name, (arguments, static) in trio(
        np.float32, (2, 4, 11, 11), 4, (3, 3), (1, 1), ((0, 0),) * 2, (3, 3), 1
    ).items():
        agree(name, arguments, static)
    for name, (arguments, static) in problem(np.float32, CASES[5]).items():
        with pytest.warns(UserWarning, match="cuDNN failed, our kernel takes .*INTERNAL_ERROR"):
            agree(name, arguments, static)
        agree(name, arguments, static)  # once
    (x, w, _), static = trio(
        np.float32, (2, 4, 11, 11), 4, (3, 3), (5, 5), ((0, 0),) * 2, (1, 1), 1
    )["conv2d"]
    with pytest.warns(UserWarning, match="no shape can be found"):
        agree("conv2d", (x, w), static)
    assert pygraph.executed == 0


@on_host_only
@pytest.mark.usefixtures("allowed")
def test_exact_numbers_meet_no_tensor_cores() -> None:
    (x, w, _), static = problem(np.float32, CASES[0])["conv2d"]
    for way in (False, True):
        tinygan.allow_tf32(way)
        computed("conv2d", (x, w), static)
    exact, rounded = pygraph.refused
    assert {*numerical_note} - {*exact} == {numerical_note.STRICT_NAN_PROP}
    assert numerical_note.TENSOR_CORE not in rounded
    for notes in (exact, rounded):
        assert numerical_note.NONDETERMINISTIC in notes
        assert numerical_note.DOWN_CONVERT_INPUTS in notes


def test_both_sides_are_padded_alike_where_they_can_be() -> None:
    image, weights = (2, 3, 7, 7), (4, 3, 4, 4)
    for start, count, end in ((1, 3, 1), (0, 2, 0), (2, 4, 2), (0, 3, 1), (1, 2, None)):
        static = cudnn.Static((2, 2), (start, start), (1, 1), 1)
        assert cudnn._end(static, 0, image, weights, (2, 4, count, count)) == end


@on_host_only
@pytest.mark.usefixtures("allowed")
def test_threads_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    both, set_stream = threading.Barrier(2), cudnn_stand_in.set_stream

    def slowly(handle: int, stream: int) -> None:
        set_stream(handle, stream)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # until another thread has set its stream, which it must not

    monkeypatch.setattr(cudnn_stand_in, "set_stream", slowly)
    (x, w, _), static = problem(np.float32, CASES[0])["conv2d"]
    with ThreadPoolExecutor(2) as threads:
        for result in threads.map(lambda _: computed("conv2d", (x, w), static), range(2)):
            agree("conv2d", (x, w), static, result)
    assert both.broken and pygraph.executed == 2


@needs_kernels
@pytest.mark.usefixtures("allowed")
def test_a_recorded_step_has_it_in_its_graph() -> None:
    w = tinygan.tensor(random.standard_normal((8, 3, 4, 4)), device="cuda").float()
    bias = tinygan.tensor(random.standard_normal(8), device="cuda").float()
    for p in (w, bias):
        p.requires_grad_()

    def step(x: tinygan.Tensor) -> Any:
        y = F.leaky_relu(F.conv2d(x, w, bias, 2, 1), 0.2)
        return tinygan.autograd.grad(F.conv_transpose2d(y, w, None, 2, 1).square().sum(), [w, bias])

    recorded = tinygan.compile(step)
    counts = []
    for _ in range(4):
        x = tinygan.tensor(random.standard_normal((2, 3, 10, 10)), device="cuda").float()
        before = pygraph.executed
        own = [g.cpu().numpy() for g in recorded(x)]
        counts.append(pygraph.executed - before)
        for a, b in zip(own, step(x), strict=True):
            np.testing.assert_array_equal(a, b.cpu().numpy())
    assert ON_GPU or counts == [5] * 4  # of the loss two, of the gradients three
    assert not python_steps(recorded)


def test_it_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygan.backend.cuda.precision.find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"pip install 'tinygan\[cudnn12\]'"):
        tinygan.allow_cudnn(True)
    assert not tinygan.allow_cudnn()


@pytest.mark.parametrize("kind", [RuntimeError, OSError])
def test_the_frontend_alone_is_not_enough(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def backend_version() -> int:
        raise kind("Unable to find symbol cudnnGetVersion")

    monkeypatch.setitem(sys.modules, "cudnn", cudnn_stand_in)
    monkeypatch.setattr(cudnn_stand_in, "backend_version", backend_version)
    with pytest.raises(DeviceError, match=r"cuDNN itself not found .*; install it with"):
        tinygan.allow_cudnn(True)
    assert not tinygan.allow_cudnn()


# -- cuDNN itself, for a GPU that is not there ----------------------------------------------------

# An H100 as cuDNN describes it to itself.
H100 = {
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
    "regsPerBlock": 65536, "multiProcessorCount": 132, "smCountOrigin": 0, "warpSize": 32,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
    "reservedSharedMemoryPerBlock": 1024, "oversizedSharedMemoryPerBlock": 0,
    "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 2048, "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1,
    "totalGlobalMem": 85000000000, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000,
    "memoryBusWidth": 5120, "l2CacheSize": 52428800, "deviceName": "NVIDIA H100 80GB HBM3",
    "deviceVer": 900, "driverVer": 12090, "cudaDeviceId": 0,
}  # fmt: skip
# What its libraries want of a driver before they can be loaded.
DRIVER = """
int cuTensorMapEncodeTiled() { return 999; }
int cuTensorMapEncodeIm2col() { return 999; }
int cuModuleUnload() { return 999; }
int cuModuleLoadData() { return 999; }
int cuModuleGetFunction() { return 999; }
int cuGetErrorString(int error, const char** text) { *text = "no driver"; return 0; }
"""
ASK = """
import json, sys
import cudnn as library
from tinygan.backend.cuda import convolution
from tinygan.backend.cuda import cudnn
from tinygan.backend.cuda.geometry import Static

device = library.create_device_properties(sys.argv[1])
place = {"device_property": device, "sm_count": 132, "sm_version": 90}
for what, shapes, strides, stride, padding, tf32 in json.load(sys.stdin):
    wheres = [cudnn._packed(tuple(a), tuple(b)) for a, b in zip(shapes, strides)]
    static = Static((stride,) * 2, (padding,) * 2, (1, 1), 1)
    ends = [cudnn._end(static, d, *shapes) for d in (0, 1)]
    try:
        found = cudnn.described(what, wheres, static, ends, tf32, **place)
        print("workspace", found.workspace)
    except Exception as error:
        print(type(error).__name__, error)
"""
CONVOLUTIONS = [  # n, c, size, o, kernel, stride, padding: those of dcgan28, wgan-gp and dcgan64
    (64, 1, 28, 64, 4, 2, 1),
    (64, 64, 14, 128, 4, 2, 1),
    (64, 128, 7, 1, 7, 1, 0),
    (64, 3, 64, 64, 4, 2, 1),
    (64, 64, 32, 128, 4, 2, 1),
    (64, 256, 8, 512, 4, 2, 1),
    (64, 512, 4, 1, 4, 1, 0),
    (64, 512, 4, 100, 4, 1, 0),
    (64, 128, 7, 256, 4, 2, 1),  # whose last column meets no window
    (64, 128, 16, 128, 3, 1, 1),
]


@pytest.mark.skipif(
    not INSTALLED or ON_GPU or not shutil.which("cc") or sys.platform != "linux",
    reason="needs cuDNN and its frontend, a C compiler, and no GPU",
)
def test_cudnn_has_a_way_for_the_convolutions_of_the_workloads(tmp_path: Path) -> None:
    (tmp_path / "driver.c").write_text(DRIVER)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", "libcuda.so.1", "driver.c"], cwd=tmp_path, check=True
    )
    questions = []
    for n, c, size, o, kernel, stride, padding in CONVOLUTIONS:
        count = (size + 2 * padding - kernel) // stride + 1
        arrays = [
            np.zeros((n, size, size, c), np.float32).transpose(0, 3, 1, 2),
            np.zeros((o, c, kernel, kernel), np.float32),
            np.zeros((n, count, count, o), np.float32).transpose(0, 3, 1, 2),
        ]
        where = [a.shape for a in arrays], [a.strides for a in arrays]
        for what in cudnn.TRIO:
            questions += [(what, *where, stride, padding, tf32) for tf32 in (False, True)]
    answer = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(H100)],
        input=json.dumps(questions),
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    lines = answer.stdout.splitlines()
    assert len(lines) == len(questions)
    refused = [(q, a) for q, a in zip(questions, lines, strict=True) if "workspace" not in a]
    assert not refused
