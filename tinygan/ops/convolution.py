"""Convolutions and transposed convolutions in one and two dimensions, with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor
from tinygan.ops.conv_trio import _conv2d, _conv2d_input_grad
from tinygan.ops.images import as_images, of_images
from tinygan.ops.windows import Pair, pair, window_count

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """y[n,o] = bias[o] + sum_c input[n,c] * weight[o,c]: (N, C, H, W) -> (N, O, H', W').

    * is cross-correlation in the plane, weight is (O, C/groups, kh, kw), and
    H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. `padding` may be "valid"
    (none) or "same" (H' = H, at stride 1; the odd pixel goes to the end). Input without a batch,
    (C, H, W), gives (O, H', W').
    """
    return _convolve("conv2d", input, weight, bias, stride, padding, dilation, groups)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """y[n,o] = bias[o] + sum_c input[n,c] * weight[o,c]: (N, C, L) -> (N, O, L'), as conv2d."""
    return _convolve("conv1d", input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The adjoint of conv2d by its input, plus bias: (N, C, H, W) -> (N, O, H', W').

    weight is (C, O/groups, kh, kw), and
    H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1. `output_padding`
    chooses among the sizes that conv2d maps to H; it is less than the stride or the dilation.
    """
    return _transpose(
        "conv_transpose2d", input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The adjoint of conv1d by its input, plus bias: (N, C, L) -> (N, O, L')."""
    return _transpose(
        "conv_transpose1d", input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _convolve(
    op: str,
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    dims = 1 if op == "conv1d" else 2
    images = _check(op, x, w, bias, groups, dims)
    channels, kernel = x.shape[-dims - 1], w.shape[2:]
    if channels != w.shape[1] * groups:
        raise RuntimeError(
            f"{op}: with groups={groups}, a weight of shape {tuple(w.shape)} expects "
            f"{w.shape[1] * groups} input channels, got an input of shape {tuple(x.shape)}"
        )
    if w.shape[0] % groups:
        raise RuntimeError(
            f"{op}: groups={groups} does not divide the {w.shape[0]} output channels of a weight "
            f"of shape {tuple(w.shape)}"
        )
    _check_bias(op, bias, w.shape[0])
    stride = pair(op, "stride", stride, dims, 1)
    dilation = pair(op, "dilation", dilation, dims, 1)
    pads = _pads(op, padding, kernel, stride, dilation)
    for size, *axis in zip(x.shape[-dims:], kernel, stride, pads, dilation, strict=True):
        if window_count(size, *axis) < 1:
            padded = tuple(n + sum(p) for n, p in zip(x.shape[-dims:], pads, strict=True))
            raise RuntimeError(
                f"{op}: the kernel {tuple(kernel)} with dilation {dilation} is larger than the "
                f"padded input {padded} (input: {tuple(x.shape)})"
            )
    if dims == 1:
        w = w.unsqueeze(2)
        stride, dilation, pads = (1, *stride), (1, *dilation), ((0, 0), *pads)
    y = _conv2d(images, w, bias, stride, pads, dilation, groups)
    return of_images(x, y, dims)


def _transpose(
    op: str,
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    dims = 1 if op == "conv_transpose1d" else 2
    images = _check(op, x, w, bias, groups, dims)
    if x.shape[-dims - 1] != w.shape[0]:
        raise RuntimeError(
            f"{op}: a weight of shape {tuple(w.shape)} expects {w.shape[0]} input channels, got "
            f"an input of shape {tuple(x.shape)}"
        )
    if w.shape[0] % groups:
        raise RuntimeError(
            f"{op}: groups={groups} does not divide the {w.shape[0]} input channels of a weight "
            f"of shape {tuple(w.shape)}"
        )
    _check_bias(op, bias, w.shape[1] * groups)
    stride = pair(op, "stride", stride, dims, 1)
    dilation = pair(op, "dilation", dilation, dims, 1)
    padding = pair(op, "padding", padding, dims)
    extra = pair(op, "output_padding", output_padding, dims)
    size, pads = [], []
    for n, k, s, p, e, d in zip(
        x.shape[-dims:], w.shape[2:], stride, padding, extra, dilation, strict=True
    ):
        if e >= max(s, d):
            raise RuntimeError(
                f"{op}: output_padding {extra} must be less than the stride {stride} or the "
                f"dilation {dilation}"
            )
        size.append((n - 1) * s - 2 * p + d * (k - 1) + e + 1)
        pads.append((p, p - e if e >= s else p))  # so that conv2d maps the size back to n
    if any(n < 1 for n in size):
        raise RuntimeError(
            f"{op}: an input of shape {tuple(x.shape)} gives an output of size {tuple(size)}, "
            "which is too small"
        )
    if dims == 1:
        w = w.unsqueeze(2)
        stride, dilation, pads, size = (1, *stride), (1, *dilation), [(0, 0), *pads], [1, *size]
    y = _conv2d_input_grad(images, w, bias, tuple(size), stride, tuple(pads), dilation, groups)
    return of_images(x, y, dims)


def _check(op: str, x: Tensor, w: Tensor, bias: Tensor | None, groups: int, dims: int) -> Tensor:
    """Refuse what no convolution takes; x as (N, C, H, W)."""
    for name, tensor in (("input", x), ("weight", w), ("bias", bias)):
        if tensor is None and name == "bias":
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{op}: {name} must be a Tensor, got {type(tensor).__name__}")
        if tensor.dtype != x.dtype:
            raise RuntimeError(
                f"{op}: {name} is {tensor.dtype} and the input {x.dtype}; they must have one type"
            )
    if w.ndim != dims + 2:
        raise RuntimeError(
            f"{op}: expected a weight with {dims + 2} dimensions, got shape {tuple(w.shape)}"
        )
    if groups < 1:
        raise RuntimeError(f"{op}: groups is {groups}, expected at least 1")
    return as_images(op, x, dims)


def _check_bias(op: str, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(f"{op}: expected a bias of shape ({channels},), got {tuple(bias.shape)}")


def _pads(
    op: str, padding: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[Pair, ...]:
    """The padding before and after, per axis."""
    if not isinstance(padding, str):
        return tuple([(p, p) for p in pair(op, "padding", padding, len(kernel))])
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        raise RuntimeError(f"{op}: padding is {padding!r}, expected numbers, 'valid' or 'same'")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"{op}: padding='same' needs stride 1, got {tuple(stride)}")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple([(t // 2, t - t // 2) for t in totals])
