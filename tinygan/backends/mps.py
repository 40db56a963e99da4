"""Apple's GPUs, which scripts written for PyTorch ask for by `mps.is_available()`."""

from __future__ import annotations


def is_available() -> bool:
    """False: the devices here are the CPU and NVIDIA's GPUs."""
    return False
