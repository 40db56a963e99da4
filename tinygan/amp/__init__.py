"""Mixed precision: products of half the bits, and losses scaled so that gradients survive them."""

from tinygan.amp.grad_scaler import GradScaler
from tinygan.autograd import autocast

__all__ = ["GradScaler", "autocast"]
