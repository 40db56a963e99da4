"""The convolution trio, each one's derivatives being the other two.

With the windows of x as rows of a matrix X and the kernels as columns of a matrix W, convolution
is y = X W. Its gradients g W^T and X^T g are bilinear too, in the same three arguments, so three
ops are closed under differentiation of any order:

    y  = conv2d(x, w)             x: (N, C, H, W)    w: (O, C/groups, kh, kw)
    dx = conv2d_input_grad(g, w)  g: (N, O, H', W')  the transposed convolution
    dw = conv2d_weight_grad(x, g)

The ops take stride (sh, sw), padding ((top, bottom), (left, right)) and dilation (dh, dw); a
padding below zero crops. `tinygan.ops.convolution` has the functions with PyTorch's arguments.
"""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive
from tinygan.backend.rounding import rounded
from tinygan.ops.windows import Pads, Pair, columns, columns_to_image, window_count

__all__: list[str] = []

COLUMNS = 1 << 22  # numbers in the windows of one part: caches want few, GPUs want many


@primitive(product=True)
def _conv2d(
    xp: Any,
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    precision: str | None = None,
) -> Any:
    """y[n,o,i,j] = bias[o] + sum_cab x[n, c, i sh + a dh - top, j sw + b dw - left] w[o,c,a,b]."""
    x, w = rounded(xp, x, precision), rounded(xp, w, precision)
    kernel = w.shape[2:]
    axes = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    height, width = (window_count(*axis) for axis in axes)
    matrix = _matrix(w, groups).transpose(0, 2, 1)
    parts = []
    for part in _parts(x.shape[0], height * width * kernel[0] * kernel[1] * x.shape[1]):
        seen = _columns(xp, x[part], (height, width), kernel, stride, padding, dilation, groups)
        y = xp.matmul(seen, matrix).transpose(1, 0, 2)  # (N H' W', groups, O/groups)
        parts.append(y.reshape(-1, height, width, w.shape[0]))
    y = xp.concatenate(parts) if len(parts) > 1 else xp.ascontiguousarray(parts[0])
    if bias is not None:
        y += bias
    return y.transpose(0, 3, 1, 2)


@primitive(product=True)
def _conv2d_input_grad(
    xp: Any,
    g: Any,
    w: Any,
    bias: Any = None,
    *,
    size: Pair,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    precision: str | None = None,
) -> Any:
    """The gradient of <g, conv2d(x, w)> by x of `size` (H, W), plus bias[c]."""
    g, w = rounded(xp, g, precision), rounded(xp, w, precision)
    (height, width), (c, *kernel) = g.shape[2:], w.shape[1:]
    matrix, start = _matrix(w, groups), (padding[0][0], padding[1][0])
    parts = []
    for part in _parts(g.shape[0], height * width * kernel[0] * kernel[1] * c * groups):
        seen = xp.matmul(_by_group(g[part], groups), matrix)
        seen = seen.reshape(groups, -1, height, width, *kernel, c)
        parts.append(columns_to_image(xp, seen, size, stride, start, dilation))
    x = xp.concatenate(parts) if len(parts) > 1 else parts[0]
    if bias is not None:
        x += bias
    return x.transpose(0, 3, 1, 2)


@primitive(product=True)
def _conv2d_weight_grad(
    xp: Any,
    x: Any,
    g: Any,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    precision: str | None = None,
) -> Any:
    """The gradient of <g, conv2d(x, w)> by w of `kernel` (kh, kw)."""
    x, g = rounded(xp, x, precision), rounded(xp, g, precision)
    o, height, width = g.shape[1:]
    total: Any = 0
    for part in _parts(g.shape[0], height * width * kernel[0] * kernel[1] * x.shape[1]):
        seen = _columns(xp, x[part], (height, width), kernel, stride, padding, dilation, groups)
        total = xp.matmul(_by_group(g[part], groups).transpose(0, 2, 1), seen) + total
    w = total.reshape(o, *kernel, x.shape[1] // groups).transpose(0, 3, 1, 2)
    return xp.ascontiguousarray(w)  # in the order of the weights, which it will be added to


def _parts(images: int, columns: int) -> list[slice]:
    """The batch in parts whose columns, so many numbers per image, are COLUMNS in all."""
    step = max(COLUMNS // max(columns, 1), 1)
    return [slice(i, i + step) for i in range(0, max(images, 1), step)]


def _matrix(w: Any, groups: int) -> Any:
    """(O, C/groups, kh, kw) -> (groups, O/groups, kh kw C/groups)."""
    o, c, height, width = w.shape
    return w.transpose(0, 2, 3, 1).reshape(groups, o // groups, height * width * c)


def _by_group(g: Any, groups: int) -> Any:
    """(N, O, H', W') -> (groups, N H' W', O/groups)."""
    n, o, h, w = g.shape
    return g.transpose(0, 2, 3, 1).reshape(n * h * w, groups, o // groups).transpose(1, 0, 2)


def _columns(
    xp: Any,
    x: Any,
    count: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    precision: str | None = None,
) -> Any:
    """(N, C, H, W) -> (groups, N H' W', kh kw C/groups)."""
    start, channels = (padding[0][0], padding[1][0]), x.shape[1] // groups
    x = x.transpose(0, 2, 3, 1)
    seen = columns(xp, x, count, kernel, stride, start, dilation, groups)
    return seen.reshape(groups, x.shape[0] * count[0] * count[1], kernel[0] * kernel[1] * channels)


_conv2d.vjp(
    x=lambda g, w, x_shape, stride, padding, dilation, groups: _conv2d_input_grad(
        g, w, None, x_shape[2:], stride, padding, dilation, groups
    ),
    w=lambda g, x, w_shape, stride, padding, dilation, groups: _conv2d_weight_grad(
        x, g, w_shape[2:], stride, padding, dilation, groups
    ),
    bias=lambda g: g.sum((0, 2, 3)),
)
_conv2d_input_grad.vjp(  # v is the gradient of the result, g this op's input of that name
    g=lambda v, w, stride, padding, dilation, groups: _conv2d(
        v, w, None, stride, padding, dilation, groups
    ),
    w=lambda v, g, w_shape, stride, padding, dilation, groups: _conv2d_weight_grad(
        v, g, w_shape[2:], stride, padding, dilation, groups
    ),
    bias=lambda v: v.sum((0, 2, 3)),
)
_conv2d_weight_grad.vjp(
    x=lambda v, g, x_shape, stride, padding, dilation, groups: _conv2d_input_grad(
        g, v, None, x_shape[2:], stride, padding, dilation, groups
    ),
    g=lambda v, x, stride, padding, dilation, groups: _conv2d(
        x, v, None, stride, padding, dilation, groups
    ),
)

for _op in (_conv2d, _conv2d_input_grad, _conv2d_weight_grad):
    _op.kernel("cpu", f"tinygan.backend.cpu.convolution:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.convolution:{_op.name}")
