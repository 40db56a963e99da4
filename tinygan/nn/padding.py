"""Padding of signals and images at their borders."""

from __future__ import annotations

from collections.abc import Sequence

from tinygan.autograd import Tensor
from tinygan.nn import functional as F
from tinygan.nn.module import Module


class _Pad(Module):
    """One number for every side, or (left, right) and for images (left, right, top, bottom)."""

    dims: int
    mode: str
    value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self.dims
        self.padding = tuple(padding) if isinstance(padding, Sequence) else (int(padding),) * sides
        if len(self.padding) != sides:
            names = ("left", "right", "top", "bottom")[:sides]
            raise ValueError(
                f"{type(self).__name__}: expected one number or ({', '.join(names)}), got "
                f"{padding!r}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`value` at both ends: (N, C, L) -> (N, C, L + left + right)."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """`value` around the image: (N, C, H, W) -> (N, C, H + top + bottom, W + left + right)."""

    dims = 2


class ZeroPad1d(_Pad):
    """Zeros at both ends: (N, C, L) -> (N, C, L + left + right)."""

    dims, mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Zeros around the image: (N, C, H, W) -> (N, C, H + top + bottom, W + left + right)."""

    dims, mode = 2, "constant"


class ReflectionPad1d(_Pad):
    """The signal mirrored at its ends, which are not repeated."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The image mirrored at its border pixels, which are not repeated."""

    dims, mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """The ends repeated outwards."""

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The border pixels repeated outwards."""

    dims, mode = 2, "replicate"
