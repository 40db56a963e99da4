"""Module and the layers that models are made of."""

from tinygan.autograd import Parameter
from tinygan.nn.module import Module

__all__ = ["Module", "Parameter"]
