"""Tensors from nothing and from other arrays."""

from __future__ import annotations

__all__: list[str] = []
