"""Padding of images at their borders."""

from __future__ import annotations

from collections.abc import Sequence

from tinygan.autograd import Tensor
from tinygan.nn import functional as F
from tinygan.nn.module import Module


class _Pad2d(Module):
    """(N, C, H, W) -> (N, C, H + top + bottom, W + left + right)."""

    mode: str
    value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = tuple(padding) if isinstance(padding, Sequence) else (int(padding),) * 4
        if len(self.padding) != 4:
            raise ValueError(
                f"{type(self).__name__}: expected one number or (left, right, top, bottom), got "
                f"{padding!r}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad2d):
    """Zeros around the image; padding is one number or (left, right, top, bottom)."""

    mode = "constant"
    value = 0.0


class ConstantPad2d(_Pad2d):
    """`value` around the image; padding is one number or (left, right, top, bottom)."""

    mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ReflectionPad2d(_Pad2d):
    """The image mirrored at its border pixels, which are not repeated."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """The border pixels repeated outwards."""

    mode = "replicate"
