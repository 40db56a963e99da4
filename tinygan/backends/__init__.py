"""Where scripts written for PyTorch look for `backends.cudnn`."""

from tinygan.backends import cudnn

__all__ = ["cudnn"]
