"""Sums over windows and their adjoint, what means and upsampling are made of."""

from __future__ import annotations

from typing import Any

from tinygan.autograd import primitive
from tinygan.ops.windows import Pair, frame, reach, taps_along

__all__: list[str] = []


@primitive
def _window_sum(xp: Any, x: Any, *, count: Pair, kernel: Pair, stride: Pair, start: Pair) -> Any:
    """(N, C, H, W) -> (N, C, H', W'), `count` = (H', W'): what each window sees, summed.

    Pixels outside of the image count as zero; the first window stands `start` outside of it.
    """
    x = x.transpose(0, 2, 3, 1)
    x = frame(xp, x, reach(count, kernel, stride), start)
    rows = _sum([x[:, tap] for tap in taps_along(count[0], kernel[0], stride[0])])
    y = _sum([rows[:, :, tap] for tap in taps_along(count[1], kernel[1], stride[1])])
    return y.transpose(0, 3, 1, 2)


@primitive
def _window_spread(xp: Any, g: Any, *, size: Pair, kernel: Pair, stride: Pair, start: Pair) -> Any:
    """(N, C, H', W') -> (N, C, H, W), `size` = (H, W): each number to all that its window sees."""
    g = g.transpose(0, 2, 3, 1)
    n, height, width, c = g.shape
    framed = reach((height, width), kernel, stride)
    rows = xp.zeros((n, height, framed[1], c), dtype=g.dtype)
    for tap in taps_along(width, kernel[1], stride[1]):
        rows[:, :, tap] += g
    x = xp.zeros((n, *framed, c), dtype=g.dtype)
    for tap in taps_along(height, kernel[0], stride[0]):
        x[:, tap] += rows
    x = frame(xp, x, size, (-start[0], -start[1]))
    return xp.ascontiguousarray(x).transpose(0, 3, 1, 2)


_window_sum.vjp(
    x=lambda g, x_shape, kernel, stride, start: _window_spread(
        g, x_shape[2:], kernel, stride, start
    )
)
_window_spread.vjp(
    g=lambda v, g_shape, kernel, stride, start: _window_sum(v, g_shape[2:], kernel, stride, start)
)


for _op in (_window_sum, _window_spread):
    _op.kernel("cpu", f"tinygan.backend.cpu.windows:{_op.name}")
    _op.kernel("cuda", f"tinygan.backend.cuda.windows:{_op.name}")


def _sum(parts: list[Any]) -> Any:
    total = parts[0] + parts[1] if len(parts) > 1 else parts[0].copy()
    for part in parts[2:]:
        total += part
    return total
