"""Windows of images as columns, and their sum back into images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygan.autograd import Tensor, primitive
from tinygan.ops.images import as_images
from tinygan.ops.windows import Pair, columns, columns_to_image, pair, two, window_count

__all__ = ["fold", "unfold"]

Size = int | Sequence[int]


@primitive
def _unfold(
    xp: Any, x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair, dilation: Pair
) -> Any:
    """(N, C, H, W) -> (N, C kh kw, H' W'): each column is what one window sees."""
    n, c = x.shape[:2]
    seen = columns(xp, x.transpose(0, 2, 3, 1), count, kernel, stride, start, dilation, 1)[0]
    area, places = kernel[0] * kernel[1], count[0] * count[1]
    y = seen.transpose(0, 5, 3, 4, 1, 2).reshape(n, c * area, places)
    return y.copy() if xp.may_share_memory(x, y) else y  # windows of one pixel


@primitive
def _fold(
    xp: Any,
    values: Any,
    *,
    size: Pair,
    count: Pair,
    kernel: Pair,
    stride: Pair,
    start: Pair,
    dilation: Pair,
) -> Any:
    """The adjoint of `_unfold`: each number is added to the pixel that it stands for."""
    n, c = values.shape[0], values.shape[1] // (kernel[0] * kernel[1])
    seen = values.reshape(1, n, c, *kernel, *count).transpose(0, 1, 5, 6, 3, 4, 2)
    x = columns_to_image(xp, seen, size, stride, start, dilation)
    return x.transpose(0, 3, 1, 2)


_unfold.vjp(
    x=lambda g, x_shape, count, kernel, stride, start, dilation: _fold(
        g, x_shape[2:], count, kernel, stride, start, dilation
    )
)
_fold.vjp(
    values=lambda v, count, kernel, stride, start, dilation: _unfold(
        v, count, kernel, stride, start, dilation
    )
)


def unfold(
    input: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """(N, C, H, W) -> (N, C kh kw, L): column l is what window l of L = H' W' sees."""
    x = as_images("unfold", input, 2)
    geometry = _geometry("unfold", x.shape[2:], kernel_size, dilation, padding, stride)
    y = _unfold(x, *geometry)
    return y if input.ndim == 4 else y.squeeze(0)


def fold(
    input: Tensor,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Tensor:
    """(N, C kh kw, L) -> (N, C, H, W), `output_size` = (H, W): the adjoint of `unfold`.

    Where windows overlap the numbers are added, so fold(unfold(x)) counts a pixel once for every
    window that sees it.
    """
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"fold: expected an input (N, C kh kw, L) or (C kh kw, L), got {tuple(input.shape)}"
        )
    size = two(pair("fold", "output_size", output_size, least=1))
    geometry = _geometry("fold", size, kernel_size, dilation, padding, stride)
    count, kernel, *_ = geometry
    rows, places = input.shape[-2:]
    if rows % (kernel[0] * kernel[1]) or places != count[0] * count[1]:
        raise RuntimeError(
            f"fold: an input of shape {tuple(input.shape)} does not fit: output_size {size} and "
            f"kernel_size {kernel} need a multiple of {kernel[0] * kernel[1]} rows and "
            f"{count[0]} * {count[1]} = {count[0] * count[1]} columns"
        )
    y = _fold(input if input.ndim == 3 else input.unsqueeze(0), size, *geometry)
    return y if input.ndim == 3 else y.squeeze(0)


def _geometry(
    op: str, size: Sequence[int], kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> tuple[Pair, Pair, Pair, Pair, Pair]:
    """count, kernel, stride, start, dilation."""
    kernel = two(pair(op, "kernel_size", kernel_size, least=1))
    spread = two(pair(op, "dilation", dilation, least=1))
    start = two(pair(op, "padding", padding))
    steps = two(pair(op, "stride", stride, least=1))
    axes = zip(size, kernel, steps, [(p, p) for p in start], spread, strict=True)
    count = two([window_count(*axis) for axis in axes])
    if min(count) < 1:
        raise RuntimeError(
            f"{op}: the kernel {kernel} with dilation {spread} is larger than the image "
            f"{tuple(size)} with padding {start}"
        )
    return count, kernel, steps, start, spread
