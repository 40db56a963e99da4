"""Where scripts written for PyTorch look for `utils.data`."""

from tinygan.utils import data

__all__ = ["data"]
