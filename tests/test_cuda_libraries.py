"""What benchmarks/tilings.py has NVIDIA's libraries compute is what our kernels compute."""

from __future__ import annotations

import sys
from typing import Any

import cudnn_stand_in
import numpy as np
import pytest
from moved import DEVICE, ON_GPU, host, needs_kernels
from test_cuda_convolution import CASES, computed, problem
from test_gpu_report import script

import tinygan
from tinygan.backend.cuda import product

libraries, products = script("libraries"), script("products")

pytestmark = needs_kernels
CONVOLUTIONS = [case for case in CASES if case[9] == 1]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_by_im2col(case: Any, kind: Any) -> None:
    with products.planned() as found:
        for name, (arguments, static) in problem(kind, case).items():
            computed(name, arguments, static)
    assert {p.what for p in found} == {"forward", "transposed", "weights"}
    for asked in found:
        expected, result = products.call(asked)(), libraries.calls(asked)["cublas"]()
        assert result.shape == expected.shape and result.dtype == expected.dtype == kind
        agree(result, expected)


def test_groups_are_no_products() -> None:
    with products.planned() as found:
        for name, (arguments, static) in problem(np.float32, CASES[14]).items():
            computed(name, arguments, static)
    assert len(found) == 3 and not any(libraries.calls(asked) for asked in found)


def test_matrices_by_cublas() -> None:
    random = np.random.default_rng(0)
    x, w, batch = (
        DEVICE.from_host(random.standard_normal(shape).astype(np.float32))
        for shape in ((20, 30), (40, 30), (5, 30, 7))
    )
    with products.planned() as found:
        product.linear(x, w)
        product.matmul(x, batch)
        product.matmul(x, w.T, precision="float16")
    *exact, rounded = found
    assert not libraries.calls(rounded) and not libraries.seconds(rounded)
    for asked in exact:
        agree(libraries.calls(asked)["cublas"](), products.call(asked)())


@pytest.mark.skipif(ON_GPU, reason="for cuDNN's stand-in")
def test_convolutions_by_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    with products.planned() as found:
        for name, (arguments, static) in problem(np.float32, CONVOLUTIONS[2]).items():
            computed(name, arguments, static)
    assert not any("cudnn" in libraries.calls(asked) for asked in found)
    monkeypatch.setitem(sys.modules, "cudnn", cudnn_stand_in)
    assert all("cudnn" in libraries.seconds(asked) for asked in found)
    assert not tinygan.allow_cudnn()
    for asked in found:
        by_cudnn = libraries.calls(asked)["cudnn"]
        tinygan.allow_cudnn(True)
        try:
            agree(by_cudnn(), products.call(asked)())
        finally:
            tinygan.allow_cudnn(False)


def agree(result: Any, expected: Any) -> None:
    bound = 5e-6 if expected.dtype == np.float32 else 1e-13
    a, b = host(result), host(expected)
    scale = np.abs(b).max()
    np.testing.assert_allclose(a / scale, b / scale, atol=bound, rtol=0)
