"""Products and convolutions of training steps by cuBLAS and cuDNN; `tilings.py` shows the times.

cuBLAS has no convolutions. im2col writes what each window sees into a row of a matrix, kh kw C
numbers, and leaves the rest to a product; our kernels read the image in its place. Images are
(N, C, H, W), weights (O, C, kh, kw) of one group, outputs (N, O, H', W'); with channels last in
memory nothing is transposed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from products import Problem, images, matrices

from tinygan.backend import DeviceError, backend_for
from tinygan.backend.cuda import cudnn, product
from tinygan.backend.cuda.copy import contiguous, reshape
from tinygan.backend.cuda.geometry import Pair, Static
from tinygan.backend.cuda.precision import allow_cudnn
from tinygan.cli.bench.clocks import measured
from tinygan.cli.bench.cuda_ceilings import tf32
from tinygan.ops.windows import columns_to_image, frame


def seconds(problem: Problem) -> dict[str, float]:
    """How long the libraries take that compute it, rounding as it does."""
    ways, before = calls(problem), allow_cudnn()
    with tf32(True) if problem.tensor == product.TF32 else nullcontext(True) as switched:
        if not switched:
            ways.pop("cublas", None)
        allow_cudnn("cudnn" in ways)
        try:
            return {
                name: min(measured(run, "cuda", 0.0).device)
                for name, run in ways.items()
                if run() is not False
            }
        finally:
            allow_cudnn(before)


def calls(problem: Problem) -> dict[str, Callable[[], Any]]:
    """The same computation by cuBLAS, and by cuDNN, which returns False where it has no way."""
    if problem.tensor not in (product.EXACT, product.TF32):
        return {}
    if problem.what == "product":
        a, b, _ = matrices(problem)
        return {"cublas": lambda: backend_for("cuda").xp.matmul(a, b)}
    *arrays, static = images(problem)
    ways: dict[str, Callable[[], Any]] = {}
    if static.groups == 1:
        ways["cublas"] = lambda: TRIO[problem.what](*arrays, static)
    if _has_cudnn():
        result = arrays[cudnn.TRIO[problem.what] - 1]
        ways["cudnn"] = lambda: cudnn.convolved(problem.what, *arrays, static, None) and result
    return ways


def _has_cudnn() -> bool:
    before = allow_cudnn()
    try:
        return allow_cudnn(True)
    except DeviceError:
        return False
    finally:
        allow_cudnn(before)


# -- im2col -------------------------------------------------------------------------------------


def forward(image: Any, weights: Any, output: Any, static: Static) -> Any:
    """What `output` would be."""
    n, o, height, width = output.shape
    matrix = contiguous(weights.transpose(2, 3, 1, 0)).reshape(-1, o)
    seen = columns(image, weights.shape[2:], (height, width), static)
    y = backend_for("cuda").xp.matmul(seen, matrix)
    return y.reshape(n, height, width, o).transpose(0, 3, 1, 2)


def transposed(image: Any, weights: Any, output: Any, static: Static) -> Any:
    """What `image` would be: the gradient of <output, forward(image, weights)> by it."""
    xp, (o, c, *kernel), (n, _, *count) = backend_for("cuda").xp, weights.shape, output.shape
    matrix = contiguous(weights.transpose(0, 2, 3, 1)).reshape(o, -1)
    seen = xp.matmul(_rows(output), matrix).reshape(1, n, *count, *kernel, c)
    size, (stride, start, dilation, _) = image.shape[2:], static
    return columns_to_image(xp, seen, size, stride, start, dilation).transpose(0, 3, 1, 2)


def weights(image: Any, weights: Any, output: Any, static: Static) -> Any:
    """What `weights` would be: the gradient of <output, forward(image, weights)> by them."""
    o, c, *kernel = weights.shape
    seen = columns(image, (kernel[0], kernel[1]), output.shape[2:], static)
    w = backend_for("cuda").xp.matmul(seen.T, _rows(output))
    return contiguous(w.reshape(*kernel, c, o).transpose(3, 2, 0, 1))


TRIO = {"forward": forward, "transposed": transposed, "weights": weights}


def columns(image: Any, kernel: Pair, count: Pair, static: Static) -> Any:
    """(N, C, H, W) -> (N H' W', kh kw C): what each window sees."""
    backend, x = backend_for("cuda"), image.transpose(0, 2, 3, 1)
    axes = list(zip(count, kernel, static.stride, static.dilation, strict=True))
    height, width = ((m - 1) * stride + apart * (k - 1) + 1 for m, k, stride, apart in axes)
    x = frame(backend.xp, x, (height, width), static.start)
    n, (images, *steps, channels) = x.shape[0], x.strides
    between = [stride * step for stride, step in zip(static.stride, steps, strict=True)]
    within = [apart * step for apart, step in zip(static.dilation, steps, strict=True)]
    shape = (n, *count, *kernel, x.shape[3])
    strides = (images, *between, *within, channels)
    windows = backend.at(backend.address(x), shape, strides, x.dtype, x)
    area = kernel[0] * kernel[1] * x.shape[3]
    return reshape(windows, shape=(n * count[0] * count[1], area))


def _rows(output: Any) -> Any:
    """(N, O, H', W') -> (N H' W', O)."""
    n, o, height, width = output.shape
    return reshape(output.transpose(0, 2, 3, 1), shape=(n * height * width, o))
