"""The ops as methods and operators of Tensor, and their in-place forms."""

from __future__ import annotations
