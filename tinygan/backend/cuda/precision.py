"""How exactly products of float32 numbers are computed on a GPU, and by whom."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from tinygan.backend.core import DeviceError

Allowed = bool | Literal["x3"]

NAMED: dict[str, Allowed] = {"float32": False, "tf32": True, "tf32x3": "x3"}

_allowed: Allowed = False
_cudnn = False


def allow_tf32(allowed: Allowed | None = None) -> Allowed:
    """Let products and convolutions of float32 numbers use tensor cores by way of TF32, or not.

    True: factors x, y are rounded to h, h' of 10 bits, and tensor cores (of GPUs since 2020)
    multiply them several times faster than the exact way; a product's error is about 1e-3 of it.

    "x3": x is the sum of such numbers, h and the rest l, and x y = h h' + h l' + l h', three
    products of tensor cores. What is left out, l l' and the rounding of l, is below 2^-21 |x y|,
    about what sums in float32 lose (Ootomo and Yokota 2022, "Recovering single precision accuracy
    from Tensor Cores while surpassing the FP32 theoretical peak performance"). It pays off on GPUs
    whose tensor cores are more than three times as fast as their float32.

    Sums stay float32, but tensor cores cut off what exact sums round; for "x3" they add eight
    products from zero, and the rest is added and rounded without them. The default, False, is exact
    float32. What is set holds from now on; what was recorded before is replayed as it was. Without
    an argument it is only asked. Returns what is allowed.
    """
    global _allowed
    if allowed is not None:
        if allowed not in (False, True, "x3"):
            raise ValueError(f"allow_tf32: expected True, False or 'x3', got {allowed!r}")
        _allowed = allowed if allowed == "x3" else bool(allowed)
    return _allowed


def allow_cudnn(allowed: bool | None = None) -> bool:
    """Let cuDNN compute the convolutions of float32 numbers on a GPU, or not.

    It takes those for which it has a way that gives the same bits every time and that rounds no
    more than `allow_tf32` allows; where that is nothing, a way that transforms no numbers either
    (FFT, Winograd). Our kernels keep the others, those of "x3", and of `autocast`. Nothing is tried
    out: the way is what cuDNN's heuristics prefer, and follows from shapes, from how arrays lie in
    memory (they must begin at multiples of 16 bytes), GPU and version. The default is False: our
    kernels. What is set holds from now on; what was recorded before is replayed as it was. Without
    an argument it is only asked. Returns what is allowed.

    Needs `pip install 'tinygan[cudnn12]'` (CUDA 12) or `'tinygan[cudnn13]'` (CUDA 13).
    """
    global _cudnn
    if allowed and not _cudnn:
        missing = _missing()
        if missing:
            raise DeviceError(
                f"allow_cudnn: {missing}; install it with: "
                "pip install 'tinygan[cudnn12]' (CUDA 12) or 'tinygan[cudnn13]' (CUDA 13)"
            )
    if allowed is not None:
        _cudnn = bool(allowed)
    return _cudnn


def _missing() -> str | None:
    """What cuDNN lacks here."""
    if find_spec("cudnn") is None:
        return "cuDNN's frontend is not installed"
    try:
        import cudnn

        cudnn.backend_version()
    except (ImportError, OSError, RuntimeError) as error:  # a library or a symbol is not there
        return f"cuDNN's frontend is installed, cuDNN itself not found ({error})"
    return None
