"""Numbers rounded to half the bits, as mixed precision multiplies them."""

from __future__ import annotations

from typing import Any

PRECISIONS = ("float16", "bfloat16")


def rounded(xp: Any, x: Any, precision: str | None) -> Any:
    """The float32 numbers nearest to x that a float16 or a bfloat16 can be, ties to even.

    What is beyond the range of float16 (65504, with 10 bits) becomes infinite, what is below 6e-8
    zero; bfloat16 has the range of float32, with 7 bits. None leaves x as it is.
    """
    if precision is None:
        return x
    if precision == "float16":
        return x.astype(xp.float16).astype(xp.float32)
    bits = x.view(xp.uint32)
    nearest = (bits + (0x7FFF + (bits >> 16 & 1))) & 0xFFFF0000
    return xp.where(x == x, nearest.view(xp.float32), x)
