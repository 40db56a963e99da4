"""Padding: constant, reflect, replicate."""

from __future__ import annotations

__all__: list[str] = []
