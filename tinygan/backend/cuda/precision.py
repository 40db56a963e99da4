"""How exactly products of float32 numbers are computed on a GPU."""

from __future__ import annotations

_allowed = False


def allow_tf32(allowed: bool | None = None) -> bool:
    """Let products and convolutions of float32 numbers round their factors to 10 bits, or not.

    That is TF32: tensor cores (of GPUs since 2020) then multiply, several times faster, and errors
    are about 1e-3 relative to the factors; sums stay float32. The default is exact float32. It
    holds from now on; what was recorded before is replayed as it was. Without an argument it is
    only asked. Returns whether it is allowed.
    """
    global _allowed
    if allowed is not None:
        _allowed = bool(allowed)
    return _allowed
