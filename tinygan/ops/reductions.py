"""Sums, extremes and norms over dimensions."""

from __future__ import annotations

__all__: list[str] = []
