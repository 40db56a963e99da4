"""Where scripts written for PyTorch look for `backends.cudnn` and `backends.mps`."""

from tinygan.backends import cudnn, mps

__all__ = ["cudnn", "mps"]
