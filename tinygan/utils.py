"""Where scripts written for PyTorch look for `utils.data`."""

from tinygan import data

__all__ = ["data"]
